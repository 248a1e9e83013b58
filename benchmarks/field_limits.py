"""What the noise of radio fields allows, and where detectors lose their score.

On fields like those that `benchmarks/fields.py` judges. Oracles know the listed sources: elliptical Gaussians
are fitted to all of them at once, from the truth on, by least squares; to the pixels as they are, as
classical programs weigh them, and to the image divided by the beam in the Fourier plane, whose noise is
white (the best weights that there are). What the fit cannot tell from nothing is left out. Beside them
stand the parts of the score of classical detectors and pipelines.

    python benchmarks/field_limits.py [--size 768] [--pipeline galaxy] [--tuned earlier.json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from fields import DENSITIES, NOISES, SEARCH, Bench, detect
from numpy.typing import NDArray

from astrodetect.evaluation.sources import Sources
from astrodetect.evaluation.sources.pairs import pairs_of
from astrodetect.evaluation.sources.score import ScoreSettings, marks_of, nearest
from astrodetect.methods.gaussian_fit import GaussianFit, Shapes
from astrodetect.simulation.fields.radio import RadioScene

#: Steps of the fit of the oracles, what holds it, and the least flux over its error.
STEPS, FREE, LEAST_SNR = 20, (5.0, 5.0, 5.0), 5.0
PARTS = ("position", "flux", "major", "minor", "theta")
BINS = ((5.0, 8.0), (8.0, 20.0), (20.0, np.inf))
HEAD = (
    "noise     density  detector          score  complete  false  quality  "
    + "  ".join(f"{part:>8}" for part in PARTS)
    + "  | score: snr 5-8    8-20     20-  blended    free"
)


def oracle(image: NDArray[np.float32], true: Sources, scene: RadioScene, sharpen: bool) -> Sources:
    """Fit all sources of a field from the truth on, held by nothing; give those that stand out."""
    beam = (scene.beam[0] / scene.pixel, scene.beam[1] / scene.pixel, scene.beam[2])
    fit = GaussianFit(beam, sharpen, steps=STEPS, allowed=FREE)
    start = Shapes(*(true[name] for name in Shapes._fields))
    shapes, snr = fit(image, start)
    return Sources.of(shapes._asdict()).take(np.flatnonzero(~(snr < LEAST_SNR)))


def row_of(name: str, scene: RadioScene, found: Sources, true: Sources) -> str:
    """Give the parts of the score, and the quality and completeness of kinds of sources."""
    chosen = nearest(pairs_of(found, true, "shape", 5.0))
    easy = ~true["difficult"]
    false = len(found) - len(chosen.found)
    chosen = chosen.where(easy[chosen.true])
    marks = marks_of(found.take(chosen.found), true.take(chosen.true), ScoreSettings())[: len(PARTS)]
    quality = np.zeros(len(true))
    quality[chosen.true] = np.nanmean(marks, axis=0)
    n = max(int(easy.sum()), 1)
    kinds = [(true["snr"] >= low) & (true["snr"] < high) for low, high in BINS]
    kinds += [true["blended"], ~true["blended"]]
    parts = "  ".join(f"{value:8.3f}" for value in np.nanmean(marks, axis=1))
    shares = "  ".join(f"{quality[kind & easy].mean():7.3f}" for kind in kinds)
    return (
        f"{scene.noise:.2e}  {scene.density:7.0f}  {name:16}  {(quality.sum() - false) / n:5.3f}  "
        f"{len(chosen.found) / n:8.3f}  {false / n:5.3f}  {quality[chosen.true].mean():7.3f}  {parts}  |    "
        f"{shares}"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=768, help="side of the fields")
    parser.add_argument("--settings", default="0,1,2,3,4,5", help="which of the six settings")
    parser.add_argument("--pipeline", action="append", default=[], help="TOML file or name; several times")
    parser.add_argument("--tuned", type=Path, help="JSON of benchmarks/fields.py, for classical detectors")
    parser.add_argument("--seed", type=int, default=0, help="other fields")
    arguments = parser.parse_args()
    known = json.loads(arguments.tuned.read_text(encoding="utf-8")) if arguments.tuned else []
    scenes = [RadioScene(noise=noise, density=density) for noise in NOISES for density in DENSITIES]
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.size, 768, arguments.seed, known)
        for number in map(int, arguments.settings.split(",")):
            show(bench, scenes[number], number, arguments.pipeline)


def show(bench: Bench, scene: RadioScene, number: int, pipelines: list[str]) -> None:
    """Print the rows of one setting."""
    from astropy.io import fits

    path, true = bench.field(scene, bench.size, 72_000 + number)
    image = fits.getdata(path)
    for name, sharpen in (("fit", False), ("fit, sharpened", True)):
        print(row_of(name, scene, oracle(image, true, scene, sharpen), true), flush=True)
    practice = bench.field(scene, bench.tuning_size, 71_000 + number)
    classical = [name for name in SEARCH if any(row["detector"] == name for row in bench.known)]
    for tuned in bench.detectors(practice, classical, pipelines, number):
        found = tuned.apply(detect(tuned.text, path)[0])
        print(row_of(tuned.name, scene, found.take(found["accepted"]), true), flush=True)


if __name__ == "__main__":
    main()
