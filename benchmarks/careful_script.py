"""The reference of `end_to_end.py`: what a careful user writes.

One buffer of 65 frames, every file read once with astropy, `np.max` and `np.median` over the buffer,
then the same detection as the built-in pipeline. Run as a process of its own:

    python benchmarks/careful_script.py FOLDER
"""

import sys
from datetime import datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from astrodetect import Pipeline, Recording, Stream, Window
from astrodetect.core.detections import Detections

SIZE, STEP = 65, 50


def main(folder: Path) -> None:
    """Detect in the frames of a folder and print the labels."""
    plan = Pipeline.from_toml("meteor").plan
    files = sorted(folder.glob("*.fit*"))
    with fits.open(files[0]) as first:
        shape, header = first[0].data.shape, first[0].header
    stream = Stream(shape, np.dtype("uint16"), len(files), 30.0, saturation=float(header["SATURATE"]))
    recording = Recording(folder.name, str(folder.parent))
    plan.detector.open(stream)
    buffer = np.empty((SIZE, *shape), np.uint16)
    times = np.empty(SIZE)
    found, kept = [], 0
    for index, path in enumerate(files):
        with fits.open(path) as hdus:
            buffer[kept] = hdus[0].data
            times[kept] = datetime.fromisoformat(hdus[0].header["DATE-OBS"][:26] + "+00:00").timestamp()
        kept += 1
        if kept == SIZE or index == len(files) - 1:
            highest = np.max(buffer[:kept], axis=0)
            median = np.median(buffer[:kept], axis=0)
            planes = {
                "max": highest,
                "background": median,
                "median": median,
                "argmax": np.argmax(buffer[:kept], axis=0),
                "image": highest.astype(np.float32) - median.astype(np.float32),
            }
            frames = buffer[:kept]
            window = Window(recording, stream, index + 1 - kept, times[:kept], frames, planes)
            found.append(plan.detector.detect(window))
            buffer[: SIZE - STEP] = buffer[STEP:SIZE]
            times[: SIZE - STEP] = times[STEP:SIZE]
            kept = SIZE - STEP
    detections = Detections.concatenate(found)
    for stage in plan.postprocessors:
        stage.open(stream)
        detections = stage.process(detections, stream)
    print(detections)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
