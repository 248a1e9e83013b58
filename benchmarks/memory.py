"""Peak memory of a run against the length of the recording.

    python benchmarks/memory.py [--short 500] [--long 5000]

A motion-JPEG AVI of 1280 x 960, one process per length; the peak resident set must not grow.
"""

import argparse
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from end_to_end import measured


def write_video(path: Path, n_frames: int) -> None:
    """Write noise with a spot that crosses the frame every 500 frames."""
    rng = np.random.default_rng(2)
    noise = rng.normal(60, 4, (10, 960, 1280)).clip(0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 1280, 960, "yuvj420p"
        for index in range(n_frames):
            data = noise[index % 10].copy()
            phase = index % 500
            if 100 <= phase < 130:
                x, y = 200 + 8 * (phase - 100), 300 + 5 * (phase - 100)
                data[y - 2 : y + 3, x - 2 : x + 3] = 230
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(data, format="gray").reformat(format="yuvj420p")
            ):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=500)
    parser.add_argument("--long", type=int, default=5000)
    given = parser.parse_args()
    print(f"{'frames':>8s}{'wall s':>9s}{'peak MiB':>10s}{'ratio':>8s}")
    first = 0.0
    for n_frames in (given.short, given.long):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "night.avi"
            write_video(path, n_frames)
            command = [
                sys.executable,
                "-m",
                "astrodetect",
                "run",
                "--pipeline",
                "meteor",
                str(path),
                "--quiet",
            ]
            seconds, _, memory = measured([*command, "--out", str(Path(name) / "night.h5")])
        first = first or memory
        print(f"{n_frames:8d}{seconds:9.1f}{memory:10.0f}{memory / first:8.3f}")


if __name__ == "__main__":
    main()
