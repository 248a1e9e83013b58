"""Video ingest: frames/s of the `video` source as ratios against OpenCV, measured in one run.

    python benchmarks/video_ingest.py [--frames 150] [--rounds 3] [--shape 960x1280]

Each variant reads the whole file, every frame to 8-bit grey in memory that is used again. Variants take
turns (round-robin); the medians of the rounds are compared. The last column compares CPU time with one
thread: what counts where all cores are busy. Needs OpenCV (extra ``dev``).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from astrodetect.core.windows import opened
from astrodetect.plugins.sources.video import Video

#: Name, container, codec, pixel format, options.
FORMATS = (
    ("MJPEG AVI", "avi", "mjpeg", "yuvj420p", {"qmin": "5", "qmax": "5"}),
    ("raw grey AVI", "avi", "rawvideo", "gray", {}),
    ("FFV1 AVI", "avi", "ffv1", "gray", {"level": "3", "slices": "4"}),
    ("H.264 MP4", "mp4", "libx264", "yuv420p", {"preset": "fast", "crf": "20"}),
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


def with_opencv(path: Path) -> int:
    """Read as most programs do."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while True:
        good, frame = capture.read()
        if not good:
            return count
        cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        count += 1


def with_source(path: Path, threads: int, ring: np.ndarray) -> int:
    """Read through the source, straight into the slots of a ring."""
    source = Video(threads=threads)
    (recording,) = Video.find(path)
    with opened(source, recording):
        return sum(1 for _ in source.frames_into(itertools.cycle(ring)))


def measure(
    variants: dict[str, Callable[[], int]], rounds: int, frames: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Give the medians of frames/s and of CPU milliseconds per frame of each variant, taking turns."""
    wall: dict[str, list[float]] = {name: [] for name in variants}
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            begin, spent = time.perf_counter(), time.process_time()
            count = run()
            wall[name].append(frames / (time.perf_counter() - begin))
            cpu[name].append(1000 * (time.process_time() - spent) / frames)
            if count != frames:
                raise SystemExit(f"{name}: {count} frames read of {frames}")
    median = statistics.median
    return {name: median(taken) for name, taken in wall.items()}, {name: median(c) for name, c in cpu.items()}


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
    frames = night_frames((height, width), given.frames)
    ring = np.ones((16, height, width), np.uint8)
    print(f"{given.frames} frames of {width}x{height}, medians of {given.rounds} rounds\n")
    columns = ("kB/frame", "OpenCV", "1 thread", "ratio", "2 threads", "ratio", "CPU ratio")
    print(f"{'format':14}" + "".join(f"{name:>10}" for name in columns) + "   (frames/s)")
    with tempfile.TemporaryDirectory() as folder:
        for title, suffix, codec, pixel_format, options in FORMATS:
            path = Path(folder) / f"{codec}.{suffix}"
            write(path, codec, pixel_format, options, frames)
            rates, cpu = measure(
                {
                    "opencv": lambda path=path: with_opencv(path),
                    "one": lambda path=path: with_source(path, 1, ring),
                    "two": lambda path=path: with_source(path, 2, ring),
                },
                given.rounds,
                given.frames,
            )
            base, one, two = rates["opencv"], rates["one"], rates["two"]
            size = path.stat().st_size / given.frames / 1000
            cells = f"{base:10.0f}{one:10.0f}{one / base:10.2f}{two:10.0f}{two / base:10.2f}"
            print(f"{title:14}{size:10.0f}{cells}{cpu['opencv'] / cpu['one']:10.2f}")


if __name__ == "__main__":
    main()
