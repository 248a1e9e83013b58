"""Sources in single images against the libraries alone, and what tiles cost, as ratios in one run.

    python benchmarks/sources.py [--rounds 5] [--only stars sep lines tiles] [--data FOLDER] [--large]

`stars`: `star-finder` on a simulated frame, and on ``sources/image.fits`` of the folder with its catalogue,
against photutils' ``Background2D`` and ``DAOStarFinder`` in the same order; completeness and purity against
the catalogue. `sep`: background and detection by sep against photutils' ``Background2D``, ``SourceFinder``
and ``SourceCatalog``. `lines`: the lines of a thresholded frame against scikit-image's Hough transform and
peaks. `tiles`: peak memory of a whole run over a FITS mosaic of 16k x 16k against that over 4k x 4k, a
process each (``--large``; minutes), and how far the result depends on the size of the tiles.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from end_to_end import measured as measured_process
from timing import Row, measured, print_rows, row

from astrodetect import Detections, Pipeline
from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.runner import Runner
from astrodetect.core.tables import TileSettings
from astrodetect.core.tiling import Tiled
from astrodetect.methods.lines import hough_lines
from astrodetect.plugins.detectors.sep import Sep
from astrodetect.plugins.detectors.star_finder import StarFinder
from astrodetect.plugins.preprocessors.background import Background
from astrodetect.simulation.fields.stars import StarScene

#: Width of the stars that the catalogue of ``sources/image.fits`` holds, and the distance of a match (px).
FWHM, MATCH = 3.0, 2.0


def star_field(side: int, seed: int = 0) -> np.ndarray:
    """Give a simulated frame of stars."""
    return StarScene(shape=(side, side)).make(np.random.default_rng(seed)).image.astype(np.float32)


def window_of(image: np.ndarray) -> Window:
    """Give a still."""
    return Window(Recording("a"), Stream(image.shape, image.dtype, 1), 0, np.zeros(1), image[None])


def by_photutils(image: np.ndarray, noise: Any) -> Any:
    """Find stars with the library alone."""
    from photutils.detection import DAOStarFinder

    return DAOStarFinder(5.0 * noise, FWHM, min_separation=0)(image)


def from_file(path: Path) -> Any:
    """Read an image and find its stars with the libraries alone."""
    from astropy.io import fits
    from photutils.background import Background2D

    image = fits.getdata(path).astype(np.float32)
    box = min(128, max(24, min(image.shape) // 12))
    background = Background2D(image, box, filter_size=3, exclude_percentile=80)
    return by_photutils(image - background.background, background.background_rms)


def star_rows(rounds: int, data: Path | None) -> list[Row]:
    """The star finder against photutils alone: the detector by itself, and from the file to the table."""
    from astropy.io import fits

    finder = StarFinder(fwhm=FWHM)

    def against(path: str, image: np.ndarray, rounds: int, note: Callable[[Detections], str]) -> Row:
        window = Background(border="keep").process(window_of(image))
        flat, noise = window.planes["image"], window.planes["std"]
        calls = {"DAOStarFinder": lambda: by_photutils(flat, noise), "ours": lambda: finder.detect(window)}
        taken = measured(calls, rounds)
        return row(path, taken, "ours", "DAOStarFinder", goal=1.1, note=note(finder.detect(window)))

    rows = [against("sources: star-finder, 2048x2048", star_field(2048), rounds, lambda f: f"{len(f)} stars")]
    if data is not None:
        path = data / "sources" / "image.fits"
        image = fits.getdata(path).astype(np.float32)
        catalogue = path.with_name("image.cat")
        rows.append(
            against("sources: star-finder, image.fits", image, 10 * rounds, lambda f: compared(f, catalogue))
        )
        recording = Recording("image.fits", str(path.parent), ("image.fits",), "fits", "0")
        runner = Runner(Pipeline.from_toml("stars").plan)
        calls = {"photutils": lambda: from_file(path), "ours": lambda: runner.process(recording)}
        taken = measured(calls, 5 * rounds)
        rows.append(row("sources: image.fits, file to table", taken, "ours", "photutils", goal=1.1))
    return rows


def compared(found: Detections, catalogue: Path) -> str:
    """Say how complete and pure detections are against a SExtractor catalogue."""
    from scipy.spatial import KDTree

    table = np.loadtxt(catalogue)
    truth = table[:, 1:3] - 1
    places = np.stack([found["x_start"], found["y_start"]], axis=1)
    complete = KDTree(places).query(truth)[0] <= MATCH
    pure = KDTree(truth).query(places)[0] <= MATCH
    bright = table[:, 12] / table[:, 13] > 20  # flux over its error in an aperture
    return (
        f"{len(found)} found, {len(truth)} in the catalogue: completeness {complete.mean():.2f} "
        f"({complete[bright].mean():.2f} of {bright.sum()} above signal-to-noise 20), "
        f"purity {pure.mean():.2f}"
    )


def sep_rows(rounds: int, side: int = 2048) -> list[Row]:
    """Background and sources by sep against photutils."""
    from photutils.background import Background2D
    from photutils.segmentation import SourceCatalog, SourceFinder, make_2dgaussian_kernel
    from scipy.ndimage import correlate

    image = star_field(side)
    window = window_of(image)
    kernel = np.asarray(make_2dgaussian_kernel(2.0, 3))
    background, finder = Background(estimator="sep", box=64, border="keep"), Sep()

    def by_libraries() -> Any:
        made = Background2D(image, 64, filter_size=3)
        flat = image - made.background
        smooth = correlate(flat, kernel, mode="constant")
        segments = SourceFinder(5, progress_bar=False)(smooth, 1.5 * made.background_rms)
        return SourceCatalog(flat, segments, convolved_data=smooth).to_table()

    found, table = finder.detect(background.process(window)), by_libraries()
    note = f"{len(found)} and {len(table)} sources"
    calls = {"photutils": by_libraries, "ours": lambda: finder.detect(background.process(window))}
    return [
        row(
            f"sources: sep, {side}x{side}",
            measured(calls, rounds),
            "ours",
            "photutils",
            goal=1 / 18,
            note=note,
        )
    ]


def line_rows(rounds: int) -> list[Row]:
    """The lines of a thresholded frame with a trail, 0.55 % of it bright."""
    from skimage.transform import hough_line, hough_line_peaks

    rng = np.random.default_rng(0)
    y, x = np.indices((966, 1296))
    angle = np.radians(25)
    along = (x - 600) * np.cos(angle) + (y - 400) * np.sin(angle)
    across = (y - 400) * np.cos(angle) - (x - 600) * np.sin(angle)
    bright = rng.normal(size=x.shape) + 2.5 * np.exp(-(across**2) / 2) * (abs(along) < 150) > 2.55
    calls: dict[str, Callable[[], Any]] = {
        "skimage Hough + peaks": lambda: hough_line_peaks(*hough_line(bright), num_peaks=20),
        "ours": lambda: hough_lines(bright),
    }
    taken = measured(calls, 3 * rounds)
    note = f"{bright.mean():.2%} bright; goal 4 ms"
    return [row("lines: thresholded 966x1296", taken, "ours", "skimage Hough + peaks", goal=None, note=note)]


def tile_change(sizes: tuple[int, ...] = (256, 512, 1000)) -> str:
    """Say how far the stars of a frame depend on the size of the tiles."""
    from scipy.spatial import KDTree

    window = Background(border="keep").process(window_of(star_field(1500, seed=1)))
    finder = StarFinder(fwhm=FWHM)
    whole = finder.detect(window)
    tree = KDTree(np.stack([whole["x_start"], whole["y_start"]], axis=1))
    worst = moved = 0.0
    different = 0
    for size in sizes:
        tiled = Tiled(finder, TileSettings(size=size, overlap=64)).detect(window)
        distance, near = tree.query(np.stack([tiled["x_start"], tiled["y_start"]], axis=1))
        same = distance < 0.5
        different += int(np.sum(~same)) + len(whole) - len(set(near[same]))
        moved = max(moved, float(distance[same].max()))
        worst = max(worst, float(np.abs(tiled["flux"][same] / whole["flux"][near[same]] - 1).max()))
    return (
        f"{len(whole)} stars, tiles of {', '.join(map(str, sizes))} against the whole frame: {different} "
        f"more or fewer, places differ by {moved:.1e} px at most, fluxes by {worst:.1e}"
    )


def write_mosaic(path: Path, side: int) -> None:
    """Write a mosaic of one simulated field, float32, without having it in memory."""
    field = star_field(1024)
    cards = {"SIMPLE": "T", "BITPIX": -32, "NAXIS": 2, "NAXIS1": side, "NAXIS2": side}
    text = "".join(f"{name:<8}= {value!s:>20}".ljust(80) for name, value in cards.items()) + "END".ljust(80)
    band = np.tile(field, (1, side // 1024)).astype(">f4").tobytes()
    with path.open("wb") as file:
        file.write(text.ljust(2880).encode())
        for _ in range(side // 1024):
            file.write(band)
        file.write(bytes(-(4 * side * side) % 2880))


def tile_rows(folder: Path, sides: tuple[int, int]) -> list[str]:
    """Run the pipeline for stars over two mosaics, a process each, and compare what they take."""
    lines, first = [], 0.0
    for side in sides:
        path = folder / f"mosaic{side}.fits"
        write_mosaic(path, side)
        # Few stars: what is found is the result, and takes its memory wherever it is found.
        toml = Pipeline.from_toml("stars").text.replace("threshold = 5.0", "threshold = 2000.0", 1)
        pipeline = folder / "stars.toml"
        pipeline.write_text(toml)
        command = [
            sys.executable,
            "-m",
            "astrodetect",
            "run",
            "--pipeline",
            str(pipeline),
            str(path),
            "--quiet",
        ]
        seconds, _, memory = measured_process([*command, "--out", str(folder / f"{side}.h5")])
        first = first or memory
        speed = side * side / 1e6 / seconds
        lines.append(
            f"tiles: {side} x {side}: peak {memory:.0f} MiB ({memory / first:.3f}), {seconds:.0f} s, "
            f"{speed:.1f} megapixel/s"
        )
        path.unlink()
    return lines


def rows_of(rounds: int, data: Path | None = None) -> list[Row]:
    """Give the rows of the table; without `data`, with that which ``ASTRODETECT_DATA`` names."""
    if data is None and (named := os.environ.get("ASTRODETECT_DATA")):
        data = Path(named)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of photutils and of headers
        return [*star_rows(rounds, data), *sep_rows(max(1, rounds // 2)), *line_rows(rounds)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["stars", "sep", "lines", "tiles"])
    parser.add_argument("--data", type=Path, default=os.environ.get("ASTRODETECT_DATA"))
    parser.add_argument("--large", action="store_true", help="measure the memory of large mosaics, too")
    given = parser.parse_args()
    data = None if given.data is None else Path(given.data)
    warnings.simplefilter("ignore")
    parts: dict[str, Callable[[], list[Row]]] = {
        "stars": lambda: star_rows(given.rounds, data),
        "sep": lambda: sep_rows(max(1, given.rounds // 2)),
        "lines": lambda: line_rows(given.rounds),
    }
    print_rows(item for name, make in parts.items() if name in given.only for item in make())
    if "tiles" in given.only:
        print(tile_change())
        if given.large:
            with tempfile.TemporaryDirectory() as name:
                print(*tile_rows(Path(name), (4096, 16384)), sep="\n")


if __name__ == "__main__":
    main()
