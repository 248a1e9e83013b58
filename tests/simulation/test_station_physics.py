"""A station's pictures follow the physics that they claim."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.calibration import Floats
from astrodetect.core.data import Site
from astrodetect.simulation.station.ablation import (
    Flight,
    Meteoroid,
    Release,
    absolute_magnitude,
    air_density,
    fly,
    total_power,
)
from astrodetect.simulation.station.brightness import SkyLight, transmission
from astrodetect.simulation.station.clouds import CloudSheet
from astrodetect.simulation.station.codec import CODECS, through_codec
from astrodetect.simulation.station.lens import Psf, RectilinearLens, light_passed
from astrodetect.simulation.station.meteors import MeteorWish, Trajectory, make_meteor, swarm
from astrodetect.simulation.station.sensor import Sensor
from astrodetect.simulation.station.sources import StationSource
from astrodetect.simulation.station.stars import CatalogueStars, statistical_sky
from astrodetect.simulation.station.station import Station, draw_station
from astrodetect.simulation.station.view import View, at_height, height_of
from astrodetect.sky import frames
from astrodetect.sky.catalogue import StarCatalogue
from astrodetect.sky.lens import AllSkyLens

SHAPE = (120, 160)
ZENITH = AllSkyLens(
    "equidistant", (60.0,), 79.5, 59.5, field=92.0, site=Site(50.0, 10.0, 0.0), refraction=False
)


def station(**changed: object) -> Station:
    """Give a sharp fish-eye that looks to the zenith."""
    made = draw_station(1, shape=SHAPE, frame_rate=25.0, lens="fish-eye")
    psf = replace(made.psf, centre_xy=(79.5, 59.5))
    return replace(made, lens=ZENITH, psf=psf, duty=1.0, **changed)  # type: ignore[arg-type]


def view(made: Station, n: int = 50) -> View:
    return View(made, SkyLight(), n, 1.7e9, np.ones(SHAPE, dtype=np.float32))


def quiet_sensor(shape: tuple[int, int], **changed: float) -> Sensor:
    """Give a sensor without a pattern of its own."""
    return Sensor(shape, 3, uneven=0, pattern=0, columns=0, hot=0, warm=0, flickering=0, **changed)  # type: ignore[arg-type]


@given(
    st.floats(0, 159), st.floats(0, 119), st.floats(0, 360), st.floats(10, 80), st.floats(-20, 20),
    st.floats(-0.15, 0.1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_rectilinear_pixels_come_back(
    x: float, y: float, azimuth: float, altitude: float, roll: float, k1: float
) -> None:
    lens = RectilinearLens(140.0, 80.3, 58.1, azimuth, altitude, roll, k1)
    point = lens.directions(np.array([x]), np.array([y]), np.zeros(1))
    back = lens.pixels(point, np.zeros(1))
    assert np.allclose(np.stack(back)[:, 0], (x, y), atol=1e-4)


def test_rectilinear_radius_is_that_of_the_tangent_and_up_is_up() -> None:
    lens = RectilinearLens(200.0, 80.0, 60.0, 90.0, 40.0)
    x, y = lens.pixels(frames.vectors([90.0, 90.0], [40.0, 60.0]), np.zeros(1))
    assert (x[0], y[0]) == pytest.approx((80.0, 60.0))
    assert x[1] == pytest.approx(80.0)
    assert y[1] == pytest.approx(60.0 - 200.0 * math.tan(math.radians(20.0)))
    aside, _ = lens.pixels(frames.vectors([100.0], [40.0]), np.zeros(1))
    assert aside[0] > 80.0


def test_fripon_stations_follow_their_formula() -> None:
    lens = draw_station(3, shape=SHAPE, lens="fripon").lens
    assert isinstance(lens, AllSkyLens)
    f, k1, k2 = lens.coefficients
    theta = lens.angle(np.array([30.0]))
    assert k1 * f * math.sin(float(theta[0]) / k2) == pytest.approx(30.0)


def test_an_ordinary_lens_loses_light_by_the_fourth_power_of_the_cosine() -> None:
    lens = RectilinearLens(150.0, 79.5, 59.5, 0.0, 45.0)
    passed = light_passed(lens, SHAPE, 0.0)
    angle = math.atan(math.hypot(79.5, 59.5) / 150.0)
    assert passed[0, 0] == pytest.approx(math.cos(angle) ** 4, rel=1e-4)
    assert passed[59:61, 79:81].min() > 0.9999
    assert light_passed(replace(ZENITH, field=30.0), SHAPE, 0.3)[0, 0] == 0


@pytest.mark.parametrize("place", [(80.0, 60.0), (120.3, 90.6), (20.2, 100.9)])
@pytest.mark.parametrize("blur", [0.0, 3.0])
def test_blur_keeps_flux_and_centroid_everywhere(place: tuple[float, float], blur: float) -> None:
    psf = Psf(2.0, 0.5, 0.35, 0.05, (79.5, 59.5), 99.0)
    x, y = place

    def path(times: Floats) -> tuple[Floats, Floats]:
        return np.full(len(times), x), np.full(len(times), y)

    source = StationSource("meteor", path, np.ones_like, 0, 1, 0, 2.0, scale=1e5, psf=psf, blur=blur)
    image = np.zeros(SHAPE, dtype=np.float32)
    source.render(image, 0)
    rows, columns = np.indices(SHAPE)
    assert image.sum() == pytest.approx(1e5, rel=5e-3)
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=0.06)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=0.06)


def test_a_meteor_overhead_at_100_km_has_its_angular_speed() -> None:
    made = station()
    time = np.linspace(0, 1, 40)
    ones = np.full(40, 1000.0)
    flight = Flight(time, 40.0 * time, ones, ones, 40.0 * np.ones(40))
    level = Trajectory(np.array([-20.0, 0.0, 100.0]), np.array([1.0, 0.0, 0.0]))
    (meteor,) = swarm(view(made), [flight], level, 0.3)
    body = meteor.bodies[0]
    speed = np.hypot(np.gradient(body.x, body.times), np.gradient(body.y, body.times))
    # 40 km/s at 100 km: 0.4 rad/s, 60 px per radian, 25 frames/s.
    assert speed[len(speed) // 2] == pytest.approx(0.4 * 60 / 25, rel=0.01)
    assert body.x == pytest.approx(79.5, abs=1e-6)


def test_heights_over_a_round_earth() -> None:
    low = frames.vectors(0.0, 10.0)
    assert height_of(at_height(low, 100.0)[None])[0] == pytest.approx(100.0)
    assert np.linalg.norm(at_height(low, 100.0)) == pytest.approx(500, rel=0.1)


@pytest.mark.parametrize(("mass", "speed"), [(1e-5, 60.0), (1e-3, 25.0), (0.1, 18.0)])
def test_the_light_of_a_meteor_is_its_part_of_the_lost_energy(mass: float, speed: float) -> None:
    meteoroid = Meteoroid(mass, speed, 45.0)
    (flight,) = fly(meteoroid)
    emitted = float(np.sum(flight.power[:-1] * np.diff(flight.time)))
    lost = -np.diff(flight.mass)
    half = 0.5 * (flight.speed[:-1] + flight.speed[1:])
    assert emitted == pytest.approx(meteoroid.efficiency * 0.5e6 * float(np.sum(lost * half**2)), rel=0.03)
    assert np.all(np.diff(flight.mass) <= 0)
    assert np.all(np.diff(flight.speed) <= 0)
    assert emitted < meteoroid.efficiency * 0.5e6 * mass * speed**2


def test_fast_meteors_end_higher_and_heavy_ones_lower() -> None:
    def peak(mass: float, speed: float) -> float:
        (flight,) = fly(Meteoroid(mass, speed, 45.0))
        return 140 - float(flight.path[np.argmax(flight.power)]) * math.cos(math.radians(45))

    assert peak(1e-4, 65.0) > peak(1e-4, 15.0) + 10
    assert peak(1e-4, 30.0) > peak(1.0, 30.0) + 10
    assert 60 < peak(1e-4, 30.0) < 110


def test_what_breaks_off_makes_a_flare_and_lags_behind() -> None:
    whole = Meteoroid(1e-2, 25.0, 40.0)
    broken = replace(whole, releases=(Release(80.0, 0.6, 1e-5),))
    times = np.arange(0, 9, 0.005)
    light, flare = (total_power(fly(item), times) for item in (whole, broken))
    assert flare.max() > 1.5 * light.max()
    main, dust = fly(broken)
    assert dust.mass[0] == pytest.approx(0.6 * (main.mass[0] - 0), rel=0.2)
    moment = dust.time[0] + 0.05
    assert np.interp(moment, dust.time, dust.path) < np.interp(moment, main.time, main.path) + 1e-9
    assert np.interp(moment, dust.time, dust.speed) < np.interp(moment, main.time, main.speed)


def test_the_density_of_the_air_is_that_of_the_standard_atmosphere() -> None:
    assert air_density(0.0) == pytest.approx(1.225)
    assert float(air_density(100.0)) == pytest.approx(5.6e-7, rel=0.02)


@pytest.mark.parametrize("magnitude", [-8.0, -2.0, 1.0])
def test_a_meteor_is_as_bright_as_asked(magnitude: float) -> None:
    made = station()
    wish = MeteorWish(magnitude, speed=30.0, zenith=40.0, fragments="none", peak=1.0)
    (meteor,) = make_meteor(np.random.default_rng(2), view(made), wish)
    times = np.linspace(meteor.first, meteor.last, 400)
    light = sum(np.interp(times, b.times, b.light, left=0, right=0) for b in meteor.bodies)
    # Up to a tenth of the light is in the glow that stays behind.
    assert np.max(light) == pytest.approx(0.94 * float(view(made).light(magnitude)), rel=0.08)


def test_magnitudes_are_those_of_the_power() -> None:
    assert absolute_magnitude(1210.0) == pytest.approx(0.0)
    assert absolute_magnitude(121000.0) == pytest.approx(-5.0)


def test_stars_turn_about_the_pole() -> None:
    zero = np.zeros(2)
    catalogue = StarCatalogue(
        np.array([0.0, 10.0]), np.array([90.0, 50.0]), np.array([0.0, 0.1]), zero, zero, np.full(2, "")
    )
    made = station()
    stars = CatalogueStars(catalogue, ZENITH, made.psf, SHAPE, 1e4, 1.0, 1.0, 0.0, 25.0, 1)
    time = next(t for t in np.arange(1.7e9, 1.7e9 + 86400, 600.0) if len(stars.places(t)[0]) == 2)
    (before, after) = (np.stack(stars.places(t)[:2]) for t in (time, time + 600))
    moved = np.hypot(*(after - before))
    pole = np.argmin(moved)
    assert moved[pole] < 0.5
    angle = [math.atan2(*(p[:, 1 - pole] - p[:, pole])[::-1]) for p in (before, after)]
    turned = (math.degrees(angle[1] - angle[0]) + 180) % 360 - 180
    # Ten minutes are 2.5 degrees; a fish-eye shows them nearly so, away from the zenith.
    assert abs(turned) == pytest.approx(2.5, rel=0.35)


def test_the_sky_has_the_stars_of_the_real_one() -> None:
    sky = statistical_sky()
    assert (sky.magnitude < 6).sum() == pytest.approx(4900, rel=0.05)
    assert (sky.magnitude < 2).sum() == pytest.approx(40, rel=0.1)


def test_the_sky_is_darker_without_moon_and_twilight() -> None:
    azimuth, altitude, far = np.array([0.0, 180.0]), np.array([60.0, 60.0]), np.full(2, 80.0)
    dark = SkyLight(21.5).surface(azimuth, altitude, far)
    moon = SkyLight(21.5, moon=(180.0, 50.0)).surface(azimuth, altitude, far)
    sun = SkyLight(21.5, sun=(180.0, -10.0)).surface(azimuth, altitude, far)
    assert -2.5 * math.log10(dark[0]) == pytest.approx(21.4, abs=0.2)
    # Krisciunas and Schaefer: the full Moon makes the sky about four magnitudes brighter.
    assert 3 < 2.5 * math.log10(moon[0] / dark[0]) < 5
    assert moon[1] > 2 * moon[0]
    assert sun[1] > sun[0] > 50 * dark[0]
    assert transmission(90.0) == pytest.approx(10 ** (-0.1), rel=1e-3)


def test_clouds_drift_with_the_wind() -> None:
    sheet = CloudSheet(2.0, (10.0, 0.0), 1.0, 0.3, 1.0, seed=4)
    seen = frames.vectors([0.0, 0.0], [70.0, 50.0])
    distance = 2.0 / np.tan(np.radians([70.0, 50.0]))
    later = sheet.passed(seen[1:], 1000.0 * (distance[1] - distance[0]) / 10.0)
    slant = 1 / np.sin(np.radians([70.0, 50.0]))
    before = np.log(sheet.passed(seen[:1], 0.0)) / slant[0]
    assert np.log(later) / slant[1] == pytest.approx(before, rel=1e-6)


def test_noise_is_that_of_electrons() -> None:
    sensor = quiet_sensor((200, 250), gain=0.5, read_noise=4.0)
    light = np.full((200, 250), 30.0, dtype=np.float32)
    frame = sensor.expose(light, 0, 1).astype(float) - sensor.black
    electrons = frame * 0.5
    assert electrons.mean() == pytest.approx(30.0, abs=0.15)
    assert electrons.var() == pytest.approx(30 + sensor.read_variance, rel=0.03)
    skewness = ((electrons - electrons.mean()) ** 3).mean()
    assert skewness == pytest.approx(30.0, rel=0.35)
    again = sensor.expose(np.full((200, 250), 30.0, dtype=np.float32), 0, 1)
    assert np.array_equal(again, frame + sensor.black)


def test_charge_that_blooms_goes_along_columns_and_none_is_lost() -> None:
    sensor = quiet_sensor((80, 90), blooming=1.0, gain=1.0, read_noise=0.01)
    light = np.full((80, 90), 0.0, dtype=np.float32)
    light[40, 30] = 5.5 * sensor.full_well
    frame = sensor.expose(light, 0, 1)
    full = frame > 0.9 * 4095
    assert full.any(axis=1).sum() == pytest.approx(5, abs=1)
    assert full.any(axis=0).sum() == 1
    assert (frame.astype(float) - sensor.black).sum() == pytest.approx(5.5 * sensor.full_well, rel=0.05)


def test_eight_bits_follow_gamma() -> None:
    sensor = Sensor(SHAPE, 1, bits=8, gamma=0.5)
    assert sensor._table[0] == 0
    assert sensor._table[-1] == 255
    assert np.all(np.diff(sensor._table.astype(int)) >= 0)
    assert sensor._table[1024] > 110
    assert sensor.expose(np.zeros(SHAPE, dtype=np.float32), 0, 1).dtype == np.uint8


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_keep_number_shape_and_level(codec: str) -> None:
    rng = np.random.default_rng(1)
    given_frames = [rng.normal(60, 4, SHAPE).clip(0, 255).astype(np.uint8) for _ in range(8)]
    made = list(through_codec(given_frames, codec, {"mjpeg": 6, "h264": 30}.get(codec, 0), 25.0))  # type: ignore[arg-type]
    assert len(made) == 8
    assert all(frame.shape == SHAPE and frame.dtype == np.uint8 for frame in made)
    assert made[4].mean() == pytest.approx(60, abs=1.5)
    assert (codec == "none") == np.array_equal(made[4], given_frames[4])
    assert codec == "none" or made[4].std() < 3.5
