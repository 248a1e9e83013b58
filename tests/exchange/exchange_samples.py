"""Contents of files as others might write them, and what equality of contents is."""

from __future__ import annotations

import string
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from astrodetect.core.data import Site
from astrodetect.exchange import Content, Observed, format_named
from astrodetect.exchange.joining import read_together
from astrodetect.exchange.model import detections_of

#: The eleven formats of detections, and their accuracy: times (s), pixels, degrees, magnitudes.
ACCURACY = {
    "gfe": (1e-6, 0.0, 0.0, 0.0),
    "ftpdetectinfo": (1e-4, 0.006, 1e-6, 0.006),
    "cams": (1e-4, 0.006, 1e-6, None),
    "ufo": (2e-6, 1e-9, 1e-9, 1e-9),
    "ufo-csv": (0.02, None, 1e-6, None),
    "met": (1e-6, 1e-3, 1e-6, None),
    "allsky7": (1e-6, 1e-9, 1e-9, None),
    "mdrf": (None, 0.51, None, None),
    "ds9": (1e-6, 1e-3, None, None),
    "votable": (1e-9, 1e-9, 1e-9, 1e-9),
    "coco": (1e-6, 1e-9, None, None),
    "yolo": (None, None, None, None),
}
_WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)


@st.composite
def meteors(draw: st.DrawFn, width: int, height: int, start: float, rate: float) -> dict[str, object]:
    """Give the track of a meteor that moves: a point in each frame."""
    n = draw(st.integers(2, 12))
    first = draw(st.integers(0, 200))
    x = np.linspace(draw(st.floats(0, width / 2 - 2)), draw(st.floats(width / 2, width - 1)), n)
    y = np.linspace(draw(st.floats(0, height - 1)), draw(st.floats(0, height - 1)), n)
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    frames = np.arange(first, first + n)
    return {
        "frame": frames, "time": start + frames / rate, "x": x, "y": y,
        "ra": np.linspace(*rng.uniform(0, 360, 2), n), "dec": np.linspace(*rng.uniform(-89, 89, 2), n),
        "az": np.linspace(*rng.uniform(0, 360, 2), n), "alt": np.linspace(*rng.uniform(1, 89, 2), n),
        "magnitude": rng.uniform(-9, 6, n), "flux": np.round(rng.uniform(1, 1e6, n)),
        "background": np.round(rng.uniform(1, 200, n)), "snr": rng.uniform(3, 60, n),
        "n_saturated": rng.integers(0, 5, n),
    }  # fmt: skip


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Give one to three recordings of cameras with one to three meteors each."""
    recordings = []
    for number in range(draw(st.integers(1, 3))):
        width, height = draw(st.integers(60, 2000)), draw(st.integers(60, 2000))
        rate = draw(st.sampled_from([10.0, 25.0, 29.97, 30.0]))
        start = draw(st.integers(1_000_000_000, 2_000_000_000)) + draw(st.integers(0, 999)) / 1000
        tracks = draw(st.lists(meteors(width, height, start, rate), min_size=1, max_size=3))
        labels = draw(
            st.lists(st.sampled_from(["meteor", "satellite"]), min_size=len(tracks), max_size=len(tracks))
        )
        camera = draw(_WORDS)
        site = Site(
            draw(st.integers(-90_000_000, 90_000_000)) / 1e6,
            draw(st.integers(-180_000_000, 180_000_000)) / 1e6,
            draw(st.integers(-400, 5000)) / 1.0,
        )
        detections = detections_of(tracks, label=labels, width=width, height=height)
        recordings.append(
            Observed(f"clip{number}_{camera}.avi", detections, camera, site, start, rate, width, height, 300)
        )
    return Content(tuple(recordings))


def one_meteor(*, path: str = "clip.avi", camera: str = "UK0006") -> Content:
    """Give a meteor of ten frames at 25 a second, in frames 20 to 29 from 2023-04-21T21:22:24.982."""
    start, frames = 1682112144.982, np.arange(20, 30)
    track = {
        "frame": frames, "time": start + frames / 25, "x": 100.0 + 5 * (frames - 20),
        "y": 50.0 + 2 * (frames - 20), "ra": np.linspace(359, 361, 10) % 360, "dec": np.linspace(10, 12, 10),
        "az": np.linspace(200, 203, 10), "alt": np.linspace(40, 38, 10),
        "magnitude": np.linspace(2, -1, 10), "flux": np.linspace(900, 9000, 10),
    }  # fmt: skip
    detections = detections_of([track], width=1280, height=720)
    site = Site(51.8831, -1.30616, 80.0)
    return Content((Observed(path, detections, camera, site, start, 25.0, 1280, 720, 256),))


def written(content: Content, name: str, folder: Path) -> list[Path]:
    """Write a content, and give the paths of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file_name, data in format_named(name).write(content):
        path = folder / file_name
        path.write_bytes(data)
        paths.append(path)
    assert paths
    assert len(set(paths)) == len(paths)
    return paths


#: Files that stand beside the detections and hold none.
_BESIDE = ("classes.txt", "images.csv", "CameraSites.txt", "CameraTimeOffsets.txt")


def read_all(paths: Iterable[Path]) -> Content:
    """Read the files of an export as one content, each by looking at it."""
    files = [path for path in paths if path.name not in _BESIDE]
    found = [entry.content for entry in read_together(files)]
    faults = tuple(fault for content in found for fault in content.faults)
    return Content(tuple(r for content in found for r in content.recordings), faults=faults)


def points(content: Content) -> dict[str, np.ndarray]:
    """Give all points of all tracks, in order of time, as one table."""
    tables = []
    for recording in content.recordings:
        for row in range(len(recording.detections)):
            track = recording.detections.track(row)
            if track:
                tables.append(
                    (float(track["time"][0]), float(np.sum(track["ra"])) if "ra" in track else 0.0, track)
                )
    tables.sort(key=lambda entry: (round(entry[0], 1), round(entry[1], 3)))
    names = set.intersection(*(set(table) for *_, table in tables)) if tables else set()
    return {name: np.concatenate([table[name] for *_, table in tables]) for name in names}


def assert_equal(one: Content, other: Content, *, tolerance: float = 1e-9) -> None:
    """Two contents say the same: recordings, detections, tracks."""
    assert len(one.recordings) == len(other.recordings)
    for a, b in zip(one.recordings, other.recordings, strict=True):
        for name in ("path", "camera", "site", "width", "height", "n_frames"):
            assert getattr(a, name) == getattr(b, name), name
        for name in ("time_start", "frame_rate"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=2e-6, err_msg=name)
        assert len(a.detections) == len(b.detections)
        _tables_equal(a.detections.columns, b.detections.columns, tolerance)
        _tables_equal(a.detections.tracks, b.detections.tracks, tolerance)


def _tables_equal(one, other, tolerance: float) -> None:
    assert set(one) == set(other)
    for name, values in one.items():
        if values.dtype == object:
            assert list(values) == list(other[name]), name
        else:
            atol = 2e-6 if "time" in name else tolerance
            np.testing.assert_allclose(values, other[name], rtol=1e-12, atol=atol, err_msg=name)
