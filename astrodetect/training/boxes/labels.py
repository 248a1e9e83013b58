"""Label files: which boxes are in which image."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.sources.reading import source_columns
from astrodetect.evaluation.sources.table import Sources
from astrodetect.methods.ellipses import boxes_of, moments_of
from astrodetect.training.boxes.images import cutter


def read_labels(labels: Path, images: Sequence[Path], root: Path) -> dict[Path, Sources]:
    """Give what label files list, for each image that they name.

    Parameters
    ----------
    labels : Path
        A catalogue or COCO file, or a folder with YOLO files.
    images : sequence of Path
        Images that there are.
    root : Path
        What the names in `labels` are relative to; a name may also be the last part of a path, or that
        without its ending.

    Returns
    -------
    dict of Path to Sources
        With ``x, y`` from the WCS of an image where labels give ``ra, dec`` alone.

    Raises
    ------
    AstrodetectError
        A file cannot be read, or names an image that is not there.
    """
    known: dict[str, Path] = {}
    for path in images:
        relative = path.relative_to(root) if path != root else Path(path.name)
        for name in (path.stem, path.name, relative.as_posix()):
            known[name] = path
    if len(images) == 1:
        known[""] = images[0]
    listed: dict[Path, Sources] = {}
    for image, columns in _columns(labels).items():
        found = next(
            (known[name] for name in (image, Path(image).name, Path(image).stem) if name in known), None
        )
        if found is None:
            named = f"names the image {image!r}, which is not in {root}" if image else "names no images"
            raise AstrodetectError(f"{labels}: {named}; expected a column 'path' with names of images")
        listed[found] = Sources.of(_with_places(found, columns))
    return listed


def _columns(labels: Path) -> dict[str, Mapping[str, Any]]:
    if not labels.is_dir():
        return source_columns(labels)
    files = sorted(path for path in labels.rglob("*.txt") if path.name != "classes.txt")
    if not files:
        raise AstrodetectError(f"{labels}: no labels; expected a folder with YOLO files (.txt)")
    return {image: own for path in files for image, own in source_columns(path).items()}


def _with_places(path: Path, columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give x and y from right ascension and declination, where only these are known."""
    if set(columns) & {"x", "x_first", "x_min"} or not {"ra", "dec"} <= set(columns):
        return columns
    header = cutter(path).header
    with warnings.catch_warnings():
        from astropy.wcs import WCS, FITSFixedWarning

        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = None if header is None else WCS(header).celestial
    if wcs is None or not wcs.has_celestial:
        raise AstrodetectError(f"{path}: has no WCS; expected one, since the labels give ra and dec alone")
    x, y = wcs.all_world2pix(np.asarray(columns["ra"], float), np.asarray(columns["dec"], float), 0)
    return {**columns, "x": x, "y": y}


def label_boxes(sources: Sources, scale: float, side: float) -> NDArray[np.float32]:
    """Give the boxes (n, 4) of labels: their own, or from their axes, or squares.

    Parameters
    ----------
    sources : Sources
        With boxes, or centres.
    scale : float
        Axes of a box in units of the full width at half maximum.
    side : float
        Of squares about sources without boxes and axes (px).
    """
    moments = moments_of(sources["major"], sources["minor"], np.nan_to_num(sources["theta"]))
    boxes = boxes_of(sources["x"], sources["y"], moments, scale)
    middles = sources.centres + 0.5
    squares = np.concatenate([middles - side / 2, middles + side / 2], axis=-1)
    boxes = np.where(np.isfinite(boxes), boxes, squares)
    return np.where(sources["boxed"][:, None], sources.boxes, boxes).astype(np.float32)
