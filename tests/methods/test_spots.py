"""Motion is found in the single frames, where the maximum does not show it."""

from dataclasses import replace

import numpy as np
import pytest

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods.paths import contrast, find_path
from astrodetect.methods.reduction import reduce_window
from astrodetect.methods.spots import measure_spots
from astrodetect.methods.streaks import Line
from astrodetect.methods.track_fit import fitted_track

PIECE = slice(0, 64), slice(0, 64)


def window_of(frames):
    stream = Stream(frames.shape[1:], frames.dtype, len(frames), 30.0, 0.0, saturation=4095.0)
    planes = reduce_window(frames, planes=("max", "argmax", "background", "image"))
    return Window(Recording("spots"), stream, 0, np.arange(len(frames)) / 30, frames, planes)


def noise(seed=0, n_frames=60, shape=(64, 64)):
    return np.random.default_rng(seed).normal(300, 10, (n_frames, *shape))


def add_spot(frames, first, last, start_yx, velocity_yx, snr):
    """Add a spot whose signal-to-noise in an aperture of 2 FWHM diameter is `snr` (noise of 10)."""
    rows, columns = np.indices(frames.shape[1:])
    for frame in range(first, last + 1):
        y, x = np.add(start_yx, np.multiply(velocity_yx, frame - first))
        profile = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 0.95**2))
        frames[frame] += profile * snr * 10 * np.sqrt(np.pi * 2.24**2) / (0.94 * profile.sum())
    return frames


def finished(frames):
    return frames.clip(0, 4095).round().astype(np.uint16)


def search(frames, least=25.0):
    window = window_of(finished(frames))
    spots = measure_spots(window, *PIECE)
    return window, spots, find_path(spots, least)


@pytest.mark.parametrize(("velocity", "last"), [((1.0, -0.5), 34), ((-3.0, 2.0), 29), ((6.0, 5.0), 26)])
def test_a_faint_motion_is_found_with_its_speed(velocity, last):
    start = (50, 10) if velocity[0] < 0 else (10, 35) if velocity[1] < 0 else (10, 10)
    _, spots, line = search(add_spot(noise(1), 20, last, start, velocity, 6.0))
    assert line is not None
    assert line.speed == pytest.approx(np.hypot(*velocity), rel=0.12)
    assert abs(line.time(line.first) - 20) <= 2
    assert abs(line.time(line.last) - last) <= 2
    assert contrast(spots, line) > 0.5


def test_noise_alone_gives_nothing():
    found = [search(noise(seed))[2] for seed in range(40)]
    assert sum(line is not None for line in found) == 0


def test_what_twinkles_and_what_stands_does_not_move():
    rng = np.random.default_rng(2)
    frames = noise(3)
    rows, columns = np.indices((64, 64))
    for y, x in rng.uniform(5, 58, (12, 2)):
        star = 400 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2)
        frames += star * rng.normal(1, 0.25, (60, 1, 1))
    frames[::7, 30, 30] += 500  # a pixel that flickers
    assert search(frames)[2] is None


def test_light_that_comes_and_goes_hides_nothing():
    frames = add_spot(noise(4), 10, 25, (20, 10), (1.5, 2.5), 8.0)
    frames[40:44] += 900
    _, _, line = search(frames)
    assert line is not None
    assert line.speed == pytest.approx(np.hypot(1.5, 2.5), rel=0.1)


def test_noise_that_repeats_is_no_evidence():
    frames = noise(5)
    for index in range(1, len(frames)):  # as codecs that predict a frame from the last
        frames[index] = 300 + 0.9 * (frames[index - 1] - 300) + 0.44 * (frames[index] - 300)
    window = window_of(finished(frames))
    spots = measure_spots(window, *PIECE)
    assert spots.independence < 0.2
    assert find_path(spots, 25.0) is None


def test_the_second_object_is_found_when_the_first_is_taken_out():
    frames = add_spot(noise(6), 10, 25, (20, 5), (0.5, 3.0), 15.0)
    frames = add_spot(frames, 30, 45, (55, 40), (-2.0, 0.0), 9.0)
    window, spots, first = search(frames)
    _, points = fitted_track(window, first, 2.2)
    spots.take_out([p.frame for p in points], [p.x for p in points], [p.y for p in points], 6.0)
    second = find_path(spots, 25.0)
    speeds = sorted(line.speed for line in (first, second))
    assert speeds == pytest.approx([2.0, np.hypot(0.5, 3.0)], rel=0.1)


def test_masked_pixels_say_nothing():
    frames = add_spot(noise(7), 20, 32, (12, 12), (2.0, 3.0), 10.0)
    window = replace(window_of(finished(frames)), mask=np.ones((64, 64), bool))
    assert find_path(measure_spots(window, *PIECE), 25.0) is None


def test_a_path_is_fitted_again_to_what_was_measured():
    frames = add_spot(noise(8), 10, 40, (5, 5), (1.5, 1.5), 12.0)
    window, _, line = search(frames)
    slower = replace(line, when=(line.when[0], line.when[1] * 1.15))
    better, _ = fitted_track(window, slower, 2.2)
    assert abs(better.speed - line.speed) < abs(slower.speed - line.speed)


def drifting_cloud(rng, n_frames=60, shape=(64, 64), contrast_adu=120.0, drift=0.1):
    """Give the light of a textured cloud that drifts: it repeats from frame to frame and changes slowly."""
    y, x = np.indices(shape)
    waves = [(rng.uniform(0.1, 0.35, 2), rng.uniform(0, 7)) for _ in range(8)]
    frames = []
    for frame in range(n_frames):
        light = sum(np.sin(ky * y + kx * (x - drift * frame) + phase) for (ky, kx), phase in waves)
        frames.append(contrast_adu * light / 4)
    return np.stack(frames)


@pytest.mark.parametrize("seed", range(4))
def test_a_meteor_is_found_before_a_cloud_that_drifts(seed):
    rng = np.random.default_rng(seed)
    frames = add_spot(noise(seed) + drifting_cloud(rng), 25, 33, (10, 10), (4.0, 5.0), 25.0)
    _, _, line = search(frames + 200)
    assert line is not None
    assert line.speed == pytest.approx(6.4, rel=0.12)
    assert abs(line.time(line.first) - 25) <= 2


def test_a_bright_slow_meteor_is_told_from_a_flicker():
    """Seen from its whole path in most of its frames, but its brightest pixel goes along it."""
    _, _, line = search(add_spot(noise(6), 20, 26, (30, 30), (0.8, 0.9), 40.0))
    assert line is not None
    assert line.speed == pytest.approx(1.2, rel=0.3)
    _, _, line = search(add_spot(noise(6), 20, 26, (30, 30), (0.0, 0.0), 40.0))
    assert line is None


def test_light_before_a_cloud_that_drifts_is_measured_against_the_frames_around():
    cloud = drifting_cloud(np.random.default_rng(3), contrast_adu=400.0, drift=0.15)
    plain = noise(3)
    with_meteor = add_spot(plain.copy(), 20, 38, (10, 10), (1.8, 2.2), 8.0)
    truth = (with_meteor - plain)[20:39].sum(axis=(1, 2))
    window = window_of(finished(with_meteor + cloud + 300))
    speed = float(np.hypot(1.8, 2.2))
    middle = 10 + 9 * 1.8, 10 + 9 * 2.2
    line = Line(middle, (1.8 / speed, 2.2 / speed), (0.0,), (29.0, 1 / speed), -9 * speed, 9 * speed, 50.0)
    errors = []
    for restless in (False, True):
        _, points = fitted_track(window, line, 2.2, restless=restless)
        flux = {point.frame: point.flux for point in points}
        errors.append(np.median([abs(flux.get(20 + n, 0) - value) / value for n, value in enumerate(truth)]))
    assert errors[1] < 0.3
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("velocity", [(0.0, 8.0), (3.0, 5.0)])
def test_a_short_meteor_is_found_where_a_codec_repeats_frames(velocity):
    """Noise that stays at its place for ten frames says nothing against what moves on."""
    frames = np.repeat(noise(3, 6), 10, axis=0)
    add_spot(frames, 25, 30, (20, 14), velocity, 30)
    _, spots, line = search(frames)
    assert spots.independence < 0.4
    assert line is not None
    assert 1 / line.when[1] == pytest.approx(np.hypot(*velocity), rel=0.15)


def test_one_frame_full_of_spots_does_not_hide_a_motion():
    frames = noise(5)
    for row in range(4, 64, 8):
        for column in range(4, 64, 8):
            add_spot(frames, 40, 40, (row, column), (0.0, 0.0), 60)
    add_spot(frames, 10, 18, (20, 14), (2.0, 3.0), 12)
    _, _, line = search(frames)
    assert line is not None
    assert line.time(0.0) == pytest.approx(14, abs=3)
