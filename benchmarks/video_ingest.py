"""Video ingest: frames/s of the `video` source as ratios against OpenCV, measured in one run.

    python benchmarks/video_ingest.py [--frames 150] [--rounds 3] [--shape 960x1280]

Each variant reads the whole file, every frame to 8-bit grey in memory that is used again. Variants take
turns (round-robin); the medians of the rounds are compared. The second ratio compares CPU time: what
counts where all cores are busy. Needs OpenCV (extra ``dev``).
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from timing import Row, measured, print_rows, row

from astrodetect.core.windows import opened
from astrodetect.plugins.sources.video import Video

#: Name, container, codec, pixel format, options, largest ratio wanted.
FORMATS = (
    ("MJPEG AVI", "avi", "mjpeg", "yuvj420p", {"qmin": "5", "qmax": "5"}, 1 / 2.6),
    ("raw grey AVI", "avi", "rawvideo", "gray", {}, 1 / 10),
    ("FFV1 AVI", "avi", "ffv1", "gray", {"level": "3", "slices": "4"}, 1 / 1.15),
    ("H.264 MP4", "mp4", "libx264", "yuv420p", {"preset": "fast", "crf": "20"}, 1 / 1.15),
)


def night_frames(shape: tuple[int, int], count: int) -> list[np.ndarray]:
    """Give `count` grey frames of a noisy star field."""
    rng = np.random.default_rng(1)
    height, width = shape
    sky = np.full(shape, 30.0) + np.linspace(0, 20, height)[:, None]
    places = rng.integers(0, height, 400), rng.integers(0, width, 400)
    np.add.at(sky, places, rng.exponential(60, 400))
    sky = cv2.GaussianBlur(sky, (0, 0), 1.2) * 1.5
    noise = [rng.normal(0, 5, shape) for _ in range(8)]
    return [np.clip(sky + np.roll(noise[i % 8], i * 37, 1), 0, 255).astype(np.uint8) for i in range(count)]


def write(
    path: Path, codec: str, pixel_format: str, options: dict[str, str], frames: list[np.ndarray]
) -> None:
    """Encode frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = pixel_format
        for data in frames:
            frame = av.VideoFrame.from_ndarray(data, format="gray")
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode())


def with_opencv(path: Path, frames: int) -> None:
    """Read as most programs do."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while True:
        good, frame = capture.read()
        if not good:
            break
        cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        count += 1
    if count != frames:
        raise SystemExit(f"OpenCV read {count} frames of {frames}")


def with_source(path: Path, threads: int, ring: np.ndarray, frames: int) -> None:
    """Read through the source, straight into the slots of a ring."""
    source = Video(threads=threads)
    (recording,) = Video.find(path)
    with opened(source, recording):
        count = sum(1 for _ in source.frames_into(itertools.cycle(ring)))
    if count != frames:
        raise SystemExit(f"the source read {count} frames of {frames}")


def rows_of(frames: int, rounds: int, shape: tuple[int, int] = (960, 1280)) -> list[Row]:
    """Measure all formats."""
    pictures = night_frames(shape, frames)
    ring = np.ones((16, *shape), np.uint8)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for title, suffix, codec, pixel_format, options, goal in FORMATS:
            path = Path(folder) / f"{codec}.{suffix}"
            write(path, codec, pixel_format, options, pictures)
            taken = measured(
                {
                    "opencv": lambda path=path: with_opencv(path, frames),
                    "one": lambda path=path: with_source(path, 1, ring, frames),
                    "two": lambda path=path: with_source(path, 2, ring, frames),
                },
                rounds,
            )
            size = f"{path.stat().st_size / frames / 1000:.0f} kB per frame"
            for label in ("one", "two"):
                note = f"{frames / taken[label].wall:.0f} frames/s, {size}"
                wanted = goal if label == "two" else None
                rows.append(row(f"{title}: {label} threads", taken, label, "opencv", goal=wanted, note=note))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", default="960x1280")
    given = parser.parse_args()
    height, width = (int(part) for part in given.shape.split("x"))
    print_rows(rows_of(given.frames, given.rounds, (height, width)))


if __name__ == "__main__":
    main()
