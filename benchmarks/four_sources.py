"""The same meteor through four frame sources.

    ASTRODETECT_DATA=... python benchmarks/four_sources.py [FF file ...]

An FF file is turned into the frames it was made of (the maximum where it fell, the mean elsewhere,
noise of the standard deviation added), and these are written as a FITS sequence, as a freeture event
folder, as raw AVI and as FFV1 AVI. All must give the same meteor and the same track.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrodetect import Detections, Pipeline
from astrodetect.core.discovery import discover
from astrodetect.core.registry import load
from astrodetect.core.windows import opened
from astrodetect.simulation import write_frames

#: Name, format, codec.
FORMS = (
    ("fits", "fits", ""),
    ("freeture", "freeture", ""),
    ("raw", "avi", "rawvideo"),
    ("ffv1", "avi", "ffv1"),
)


def frames_of(path: Path, seed: int = 0) -> tuple[Iterator[np.ndarray], int, float, float]:
    """Give the frames of an FF file, their number, rate and start."""
    source = load("rms-ff")()
    (recording,) = discover([path], {"rms-ff": source})
    with opened(source, recording) as stream:
        (window,) = source.windows(256, 256)
        planes = {name: np.array(window.planes[name]) for name in ("max", "argmax", "mean", "std")}
    rng = np.random.default_rng(seed)

    def generate() -> Iterator[np.ndarray]:
        for k in range(window.n_frames):
            quiet = planes["mean"] + rng.standard_normal(stream.shape, np.float32) * planes["std"]
            yield np.where(planes["argmax"] == k, planes["max"], quiet.round().clip(0, 255)).astype(np.uint8)

    return generate(), window.n_frames, stream.frame_rate, stream.start


def meteors(found: Detections) -> Detections:
    """Give what was accepted, or the most probable meteor if nothing was."""
    if found["accepted"].any():
        return found.take(found["accepted"])
    return found.take([int(np.argmax(found["probability"] * (found["label"] == "meteor")))])


def compare(path: Path, folder: Path) -> dict[str, tuple[str, dict[int, tuple[float, float]]]]:
    """Give label and track (x, y by frame) of the meteor of an FF file through each source."""
    results = {}
    for name, form, codec in FORMS:
        frames, n_frames, rate, start = frames_of(path)
        out = folder / path.stem / name
        write_frames(
            frames, form, out, "XX0001", rate, start, n_frames=n_frames, codec=codec or "ffv1", bits=8
        )
        found = meteors(Pipeline.from_toml("meteor").run(out))
        track = found.track(0)
        points = {int(f): (x, y) for f, x, y in zip(track["frame"], track["x"], track["y"], strict=True)}
        results[name] = (f"{len(found)} {found['label'][0]} {found['probability'][0]:.2f}", points)
    return results


def main() -> None:
    """Compare and print."""
    given = [Path(name) for name in sys.argv[1:]]
    files = given or sorted(Path(os.environ["ASTRODETECT_DATA"], "rms").rglob("FF_*.fits"))
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            results = compare(path, Path(folder))
            first = results["fits"][1]
            print(path.name)
            for name, (label, points) in results.items():
                common = sorted(set(first) & set(points))
                apart = [np.hypot(*np.subtract(first[f], points[f])) for f in common]
                frames = f"{min(points)}-{max(points)}"
                print(f"    {name:10s}{label:18s}frames {frames:10s}at most {max(apart):.3f} px from fits")


if __name__ == "__main__":
    main()
