"""Meteors put into recordings are there, as bright as the truth says, and nothing else is changed."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from numpy.typing import NDArray

from astrodetect.cli.simulate import simulate
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation import write_frames
from astrodetect.simulation.ff import reduce_frames
from astrodetect.simulation.injection.ff import inject_planes
from astrodetect.simulation.injection.frames import add_light, light_of
from astrodetect.simulation.injection.measure import Surroundings
from astrodetect.simulation.sources import MovingSource

SHAPE = (60, 80)
START = 1723507199.5


def noise(n: int = 20, top: int = 4095, level: float = 200.0, spread: float = 5.0) -> list[NDArray[Any]]:
    """Give frames of Gaussian noise."""
    rng = np.random.default_rng(1)
    kind = np.uint16 if top > 255 else np.uint8
    return [np.rint(rng.normal(level, spread, SHAPE)).clip(0, top).astype(kind) for _ in range(n)]


def around(top: float = 4095.0, gain: float = math.inf) -> Surroundings:
    flat = np.ones(SHAPE, dtype=np.float32)
    return Surroundings(200 * flat, 25 * flat, flat, 2.2, 0, gain, top)


def meteor(flux: float, first: float = 4.0, last: float = 14.0, fwhm: float = 2.2) -> MovingSource:
    """Give a meteor of even brightness that moves three pixels per frame to the right."""

    def path(times: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return 20 + 3 * (times - first), np.full(len(times), 30.0)

    return MovingSource("meteor", path, np.ones_like, first, last, 0.0, fwhm, scale=flux)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("gain", [math.inf, 2.0])
def test_light_is_added_whole_and_with_its_shot_noise(gain: float) -> None:
    frames = noise(1)
    rng = np.random.default_rng(2)
    light = np.zeros(SHAPE, dtype=np.float32)
    light[20:40, 20:60] = 30.3
    made = add_light(frames[0], light, around(gain=gain), rng)
    added = made.astype(float) - frames[0]
    assert (added[light == 0] == 0).all()
    assert added[light > 0].mean() == pytest.approx(30.3, abs=0.7)
    # Rounding twice adds a twelfth to the variance.
    expected = 1 / 12 + 1 / 12 + (30.3 / gain if math.isfinite(gain) else 0)
    assert added[light > 0].var() == pytest.approx(expected, abs=0.1 + 0.2 * expected)


def test_faint_light_is_not_lost_by_rounding() -> None:
    frames = noise(1)
    light = np.full(SHAPE, 0.2, dtype=np.float32)
    made = add_light(frames[0], light, around(), np.random.default_rng(2))
    assert (made.astype(float) - frames[0]).mean() == pytest.approx(0.2, abs=0.03)


def test_nothing_is_brighter_than_the_camera_goes() -> None:
    frames = noise(1, 255, 100.0)
    frames[0][0, 0] = 255
    made = add_light(
        frames[0], np.full(SHAPE, 1e4, dtype=np.float32), around(250.0), np.random.default_rng(2)
    )
    assert made.dtype == np.uint8
    assert made[0, 0] == 255
    assert np.unique(made.ravel()[1:]).tolist() == [250]


def test_planes_of_ff_files_are_those_of_frames_with_meteors() -> None:
    frames = noise(60, 255, 40.0, 4.0)
    source = [meteor(600.0)]
    rng = np.random.default_rng(3)
    lit = [
        frame if (light := light_of(source, k, SHAPE)) is None else add_light(frame, light, around(255), rng)
        for k, frame in enumerate(frames)
    ]
    before, true = reduce_frames(iter(frames)), reduce_frames(iter(lit))
    made = inject_planes(before, source, 60, around(255.0), np.random.default_rng(4))
    changed = true["MAXPIXEL"] > before["MAXPIXEL"] + 8
    assert changed.sum() > 60
    apart = made["MAXPIXEL"].astype(int) - true["MAXPIXEL"]
    # The values under the maximum are drawn: they differ by the noise, not on the whole.
    assert abs(apart[changed].mean()) < 1.0
    assert apart[changed].std() < 8
    late = np.abs(made["MAXFRAME"].astype(int) - true["MAXFRAME"])[changed]
    assert (late <= 1).mean() > 0.97
    assert (late == 0).mean() > 0.75
    for name, bound in (("AVEPIXEL", 0.3), ("STDPIXEL", 0.3)):
        far = made[name].astype(int) - true[name]
        assert abs(far[changed].mean()) < bound
        assert np.abs(far).max() <= 2
    same = ~changed & (true["MAXPIXEL"] == before["MAXPIXEL"])
    assert (made["MAXPIXEL"] == before["MAXPIXEL"])[same].mean() > 0.97


@pytest.mark.parametrize("form", ["freeture", "fits"])
def test_sequences_keep_headers_and_get_what_the_truth_says(tmp_path: Path, form: str) -> None:
    write_frames(noise(), form, tmp_path / "real", "CAM", 25.0, START)
    made = run(
        tmp_path / "out", "--inject", tmp_path / "real", "--snr", "40:60", "--speed", "2:3", "--seed", 3,
        "--fwhm", 2.2, "--direction", "90:90",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    (row,) = rows_of(tmp_path / "out" / "truth.csv")
    assert float(row["x_last"]) > float(row["x_first"]) + 5
    assert float(row["y_last"]) == pytest.approx(float(row["y_first"]), abs=0.01)
    assert (tmp_path / "out" / row["path"]).is_dir()
    before, after = (sorted((tmp_path / name).rglob("*.fit*")) for name in ("real", "out"))
    assert [path.name for path in before] == [path.name for path in after]
    assert fits.getheader(before[3])["DATE-OBS"] == fits.getheader(after[3])["DATE-OBS"]
    turn = slice(None, None, -1) if form == "freeture" else slice(None)
    added = [
        fits.getdata(b)[turn].astype(float) - fits.getdata(a)[turn]
        for a, b in zip(before, after, strict=True)
    ]
    rows, columns = np.indices(SHAPE)
    tracks = rows_of(tmp_path / "out" / "tracks.csv")
    for point in tracks:
        image = added[int(point["frame"])]
        assert image.sum() == pytest.approx(float(point["flux"]), rel=0.1, abs=20)
        assert (image * columns).sum() / image.sum() == pytest.approx(float(point["x"]), abs=0.5)
        assert (image * rows).sum() / image.sum() == pytest.approx(float(point["y"]), abs=0.5)
    seen = {int(point["frame"]) for point in tracks}
    assert not any(image.any() for k, image in enumerate(added) if min(abs(k - s) for s in seen) > 2)
    best = max(tracks, key=lambda point: float(point["snr"]))
    image = added[int(best["frame"])]
    inside = np.hypot(columns - float(best["x"]), rows - float(best["y"])) <= 2.2
    measured = image[inside].sum() / math.sqrt(math.pi * 2.2**2 * 25)
    assert measured == pytest.approx(float(best["snr"]), rel=0.15)


@pytest.mark.parametrize("ending", ["avi", "mp4"])
def test_videos_are_changed_nowhere_else(tmp_path: Path, ending: str) -> None:
    where = write_frames(noise(20, 255, 60.0), "avi", tmp_path, "CAM", 25.0, START)
    source = tmp_path / where
    if ending == "mp4":
        from astrodetect.simulation.injection.writing import write_video

        write_video(iter(noise(20, 255, 60.0)), 25.0, source.with_suffix(".mp4"))
        source.unlink()
        source = source.with_suffix(".mp4")
    assert run(tmp_path / "out", "--inject", source, "--snr", "30", "--copies", 2).exit_code == 0
    for copy in ("copy-001", "copy-002"):
        before, after = (decoded(path) for path in (source, tmp_path / "out" / copy / source.name))
        assert before.shape == after.shape
        assert 0 < (before != after).mean() < 0.05
    truth = rows_of(tmp_path / "out" / "truth.csv")
    assert {row["path"] for row in truth} == {f"copy-00{k}/{source.name}" for k in (1, 2)}
    assert truth[0]["x_first"] != truth[1]["x_first"]


def decoded(path: Path) -> NDArray[Any]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    rows = [np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1) for frame in frames]
    return np.array([plane[:, : frame.width] for plane, frame in zip(rows, frames, strict=True)])


def test_ff_files_get_meteors_and_known_ones_are_neither_right_nor_false(tmp_path: Path) -> None:
    real = tmp_path / "night"
    where = write_frames(noise(60, 255, 40.0), "ff", real, "XX0001", 25.0, START)
    (real / "mask.bmp").write_bytes(b"")
    known = tmp_path / "known.csv"
    known.write_text(f"file,frame_first,frame_last,x_first,y_first,x_last,y_last\n{where},3,9,5,5,20,20\n")
    wanted = ("--meteors", 2, "--magnitude", "-1:1", "--zero-point", 7.5, "--known", known)
    made = run(tmp_path / "out", "--inject", real, *wanted)
    assert made.exit_code == 0, made.output
    truth = rows_of(tmp_path / "out" / "truth.csv")
    assert [row["label"] for row in truth] == ["meteor", "meteor", "ignore"]
    assert all(-1.1 < float(row["peak_magnitude"]) < 1.1 for row in truth[:2])
    assert (tmp_path / "out" / "mask.bmp").exists()
    with fits.open(tmp_path / "out" / where) as opened, fits.open(real / where) as original:
        assert list(opened[0].header) == list(original[0].header)
        assert (opened["MAXPIXEL"].data >= original["MAXPIXEL"].data).all()
        assert (opened["MAXPIXEL"].data > original["MAXPIXEL"].data + 10).any()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--inject", "nowhere"), "no such file"),
        (("--inject", "{real}", "--magnitude", "0:2"), "zero point"),
        (("--inject", "{real}", "--snr", "5:2"), "snr is 5:2"),
        (("--inject", "{real}", "--meteors", -1), "meteors is -1"),
        (("--inject", "{real}", "--shape", "64x80"), "--shape: not an option of --inject"),
        (("--inject", "{real}", "--mask", "none.png"), "cannot be read as a mask"),
        (("--inject", "{root}"), "lies in"),
        (("--inject", "{still}"), "none of 1 recording can be used"),
        (("--inject", "{empty}"), "no recording found"),
        (("--copies", 2), "--copies: not an option of --scene night"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[object, ...], word: str
) -> None:
    places = {name: tmp_path / name for name in ("real", "still", "empty")}
    for place in places.values():
        place.mkdir()
    write_frames(noise(8), "fits", places["real"], "CAM", 25.0, START)
    fits.writeto(places["still"] / "one.fits", noise(1)[0])
    filled = [str(item).format(root=tmp_path, **places) for item in arguments]
    result = run(tmp_path / "out", *filled)
    assert isinstance(result.exception, AstrodetectError)
    assert word in str(result.exception)
    assert "\n" not in str(result.exception)


def test_ranges_are_two_numbers(tmp_path: Path) -> None:
    result = run(tmp_path / "out", "--inject", tmp_path, "--snr", "bright")
    assert result.exit_code == 2
    assert "3:30" in result.output
