"""What was found, drawn over the image: boxes of sources, lines of trails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.catalogs.reader import Catalog
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened
from astrodetect.plots.frames import plot_image
from astrodetect.plots.style import COLOURS, axes_or_new, style
from astrodetect.report.reopen import Archive

#: Pixels along the longer side of a picture; larger images are averaged over squares.
_MOST = 2048


@dataclass(frozen=True)
class Seen:
    """An image with what was found in it.

    Attributes
    ----------
    image : (h, w) float32 array
        Averaged over squares of `factor` pixels.
    factor : int
        Pixels of the frame along the side of one of `image`.
    found : Detections
        In pixels of the frame.
    """

    image: NDArray[np.float32]
    factor: int
    found: Detections


def seen_in(
    catalog: Catalog, recording: str = "", *, rejected: bool = False, root: Path | None = None
) -> Seen:
    """Read the first frame of a recording again, with what a catalog has of it.

    Parameters
    ----------
    catalog : Catalog
        Open.
    recording : str
        Path of a recording, as in the catalog; empty: the one with most accepted detections.
    rejected : bool
        What was not accepted, too.
    root : Path, optional
        Where the recordings lie now.

    Raises
    ------
    AstrodetectError
        There is no such recording, or it cannot be read again.
    """
    rows = catalog.read_columns(["path", "n_accepted", "n_detections"], "recordings")
    most = np.lexsort((rows["n_detections"], rows["n_accepted"]))[-1:]
    names = [recording] if recording else [str(rows["path"][row]) for row in most]
    for block in catalog.blocks():
        if block.path in names:
            source, there = Archive(catalog.provenance.get("pipeline", ""), root).find(block.recording)
            source.in_tiles = True
            with opened(source, there):
                image, factor = reduced(source)
            found = block.detections
            kept = found if rejected or not len(found) else found.take(found["accepted"].astype(bool))
            return Seen(image, factor, kept)
    raise AstrodetectError(f"{catalog.path}: holds no recording {recording or 'at all'}")


def reduced(source: FrameSource) -> tuple[NDArray[np.float32], int]:
    """Give the first frame of an open recording, made small enough to be looked at; band by band if large."""
    still = source.still()
    plane: Any = next(source.frames()).data if still is None else still.planes["max"]
    height, width = plane.shape
    factor = max(1, -(-max(height, width) // _MOST))
    if factor == 1:
        return np.array(plane[0:height, 0:width], dtype=np.float32), 1
    out = np.empty((height // factor, width // factor), np.float32)
    for row in range(len(out)):
        band = np.asarray(
            plane[row * factor : (row + 1) * factor, 0 : out.shape[1] * factor], dtype=np.float32
        )
        with np.errstate(invalid="ignore"):
            out[row] = band.reshape(factor, -1, factor).mean(axis=(0, 2))
    return out, factor


def plot_found(image: Any, found: Detections, axes: Any = None, *, factor: int = 1) -> Any:
    """Draw detections over an image: a line from end to end, or the box of what does not move.

    Parameters
    ----------
    image : (H, W) array
        Shown by ZScale, as in `plot_image`.
    found : Detections
        In pixels of the frame.
    axes : matplotlib Axes, optional
        Where; new ones if not given.
    factor : int
        Pixels of the frame along the side of one of the image.
    """
    with style():
        from matplotlib.collections import LineCollection, PolyCollection

        axes = plot_image(image, axes_or_new(axes))
        height, width = np.shape(image)
        axes.images[-1].set_extent((-0.5, width * factor - 0.5, height * factor - 0.5, -0.5))
        for number, label in enumerate(sorted({str(label) for label in found["label"]})):
            rows = found.take([str(name) == label for name in found["label"]])
            ends = np.stack([_ends(rows, "start"), _ends(rows, "end")], axis=1)
            moves = np.isfinite(ends).all(axis=(1, 2)) & (np.abs(ends[:, 0] - ends[:, 1]).max(axis=1) > 1)
            colour = COLOURS[(number + 1) % len(COLOURS)]
            axes.add_collection(LineCollection(ends[moves], colors=colour, linewidths=0.6))
            boxes = _corners(rows)[~moves]
            axes.add_collection(PolyCollection(boxes, facecolors="none", edgecolors=colour, linewidths=0.6))
            axes.plot([], [], color=colour, label=f"{label} ({len(rows)})")
        axes.set_xlim(-0.5, width * factor - 0.5)
        axes.set_ylim(height * factor - 0.5, -0.5)
        if len(found):
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.12), ncols=4)
    return axes


def _ends(found: Detections, end: str) -> NDArray[np.float64]:
    nowhere = np.full(len(found), np.nan)
    return np.stack([found.columns.get(f"{a}_{end}", nowhere) for a in "xy"], axis=1)


def _corners(found: Detections) -> NDArray[np.float64]:
    """Give the corners (n, 4, 2) of boxes where they are drawn: half a pixel before the first centre."""
    x0, y0, x1, y1 = (np.asarray(found[name]) - 0.5 for name in ("x_min", "y_min", "x_max", "y_max"))
    return np.stack([np.stack(pair, axis=1) for pair in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], axis=1)
