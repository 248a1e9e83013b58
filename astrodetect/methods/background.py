"""Smooth spatial background of a single image, and the dark border of a fish-eye camera."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

#: Who estimates the background on boxes.
Estimator = Literal["photutils", "sep"]
#: Boxes along the shorter side of an image, and their least and largest extent in pixels.
_BOXES, _LEAST_BOX, _LARGEST_BOX = 12, 24, 128
#: Cell in which the border is looked for, in pixels.
_CELL = 8
#: Cells over which the edge of an image circle rises, and the share of the whole rise that it is there.
_EDGE, _STEP = 3, 0.35


def box_size(shape: tuple[int, int]) -> int:
    """Give the side of the background boxes for a frame, in pixels.

    Examples
    --------
    >>> box_size((966, 1296)), box_size((10, 500))
    (80, 10)
    """
    short = min(shape)
    return min(short, max(_LEAST_BOX, min(_LARGEST_BOX, short // _BOXES)))


def spatial_background(
    image: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    *,
    box: int | None = None,
    estimator: Estimator = "photutils",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate background and noise on boxes and interpolate, as SExtractor does.

    Parameters
    ----------
    image : (H, W) array
        Any numeric type; NaN and infinities are ignored.
    mask : (H, W) bool array, optional
        True = ignore.
    box : int, optional
        Side of a box (px); by the size of the image if not given (`box_size`).
    estimator : {"photutils", "sep"}
        Whose code: SExtractor's own, in sep, is some ten times as fast, and differs a little in the mode.

    Returns
    -------
    background, rms : (H, W) float32 array
        Both 0 where there is no pixel to estimate them from.

    Notes
    -----
    The boxes are those of photutils' ``Background2D``: sigma-clipped mode [1]_, 3 x 3 median filter
    over boxes; between them cubic splines. Images of too few boxes get one value.

    References
    ----------
    .. [1] Bertin & Arnouts (1996), A&AS 117, 393.
    """
    values = np.asarray(image, dtype=np.float32)
    ignored = ~np.isfinite(values)
    if mask is not None:
        ignored |= mask
    if ignored.any():
        values = np.where(ignored, np.float32(0), values)
    side = box or box_size((values.shape[0], values.shape[1]))
    if ignored.all():
        return np.zeros_like(values), np.zeros_like(values)
    if min(values.shape) >= 3 * side:
        estimate = (_by_sep if estimator == "sep" else _on_boxes)(values, ignored, side)
        if estimate is not None:
            return estimate
    return _one_value(values, ignored)


def _on_boxes(
    values: NDArray[np.float32], ignored: NDArray[np.bool_], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    from astropy.utils.exceptions import AstropyUserWarning
    from photutils.background import Background2D

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", AstropyUserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            made = Background2D(
                values, (side, side), filter_size=(3, 3), mask=ignored, exclude_percentile=80.0
            )
            meshes = made.background_mesh, made.background_rms_mesh
        except ValueError:  # every box is mostly masked
            return None
    if not all(np.isfinite(mesh).all() for mesh in meshes):
        return None
    background, rms = (_interpolated(mesh, side, values.shape) for mesh in meshes)
    return background, np.maximum(rms, np.float32(meshes[1].min()))


def _by_sep(
    values: NDArray[np.float32], ignored: NDArray[np.bool_], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    import sep

    made = sep.Background(np.ascontiguousarray(values), ignored, bw=side, bh=side, fw=3, fh=3)
    background, rms = made.back(), made.rms()
    known = np.isfinite(background).all() and np.isfinite(rms).all() and made.globalrms > 0
    return (background, rms) if known else None


def _interpolated(mesh: NDArray[Any], side: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate box values by cubic splines, row by column: two small products instead of a zoom.

    Beyond the centres of the outermost boxes their values hold.
    """
    from scipy.interpolate import make_interp_spline

    weights = []
    for n_boxes, extent in zip(mesh.shape, shape, strict=True):
        centres = (np.arange(n_boxes) + 0.5) * side - 0.5
        spline = make_interp_spline(centres, np.eye(n_boxes), k=min(3, n_boxes - 1))
        weights.append(spline(np.clip(np.arange(extent), centres[0], centres[-1])))
    return np.asarray(weights[0] @ mesh @ weights[1].T, dtype=np.float32)


def _one_value(
    values: NDArray[np.float32], ignored: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from astropy.stats import sigma_clipped_stats

    with np.errstate(invalid="ignore"):
        _, median, deviation = sigma_clipped_stats(values[~ignored], sigma=3.0, maxiters=10)
    return np.full_like(values, median), np.full_like(values, deviation)


def dark_border(image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Find what lies outside the image circle of a fish-eye lens.

    It is darker than the sky, holds at least three corners, and ends in a step: vignetting, which
    falls slowly, is no border.

    Parameters
    ----------
    image : (H, W) array
        Any numeric type.

    Returns
    -------
    (H, W) bool array or None
        True outside the circle and within a cell (8 px) of its edge; None without such a border.

    See Also
    --------
    border_edge : The strip along the edge of such a border.
    """
    from scipy import ndimage

    height, width = (extent // _CELL for extent in image.shape)
    if min(height, width) < 4 * _EDGE:
        return None
    cells = np.asarray(image[: height * _CELL, : width * _CELL], dtype=np.float32)
    cells = np.nan_to_num(cells, nan=0.0, posinf=0.0, neginf=0.0)
    cells = np.median(
        cells.reshape(height, _CELL, width, _CELL).swapaxes(1, 2).reshape(height, width, -1), axis=2
    )
    corners = [cells[:2, :2], cells[:2, -2:], cells[-2:, :2], cells[-2:, -2:]]
    dark = float(np.median([np.median(corner) for corner in corners]))
    sky = float(np.median(cells[height // 4 : -(height // 4), width // 4 : -(width // 4)]))
    if sky <= dark:
        return None
    labels, _ = ndimage.label(cells < dark + 0.3 * (sky - dark))
    held = [label for label in (labels[0, 0], labels[0, -1], labels[-1, 0], labels[-1, -1]) if label]
    if len(held) < 3:
        return None
    border = np.isin(labels, held)
    if not 0.01 < border.mean() < 0.7 or not _ends_in_a_step(cells, border, sky - dark):
        return None
    full = np.kron(ndimage.binary_dilation(border, iterations=1), np.ones((_CELL, _CELL), np.bool_))
    pad = ((0, image.shape[0] - full.shape[0]), (0, image.shape[1] - full.shape[1]))
    return np.asarray(np.pad(full, pad, mode="edge"))


def border_edge(border: NDArray[np.bool_], reach: int = 2 * _CELL) -> NDArray[np.bool_]:
    """Give the strip within `reach` pixels inside and outside of the edge of a border."""
    from scipy import ndimage

    side = 2 * reach + 1
    grown = ndimage.maximum_filter(border.view(np.uint8), side)
    return np.asarray(grown > ndimage.minimum_filter(border.view(np.uint8), side))


def _ends_in_a_step(cells: NDArray[np.float32], border: NDArray[np.bool_], rise: float) -> bool:
    """Tell whether at most places along the edge much of the whole rise lies within a few cells."""
    from scipy import ndimage

    edge = border & ndimage.binary_dilation(~border)
    side = 2 * _EDGE + 1
    local = ndimage.maximum_filter(cells, side) - ndimage.minimum_filter(cells, side)
    spread = float(np.median(np.abs(cells[border] - np.median(cells[border]))))
    return bool(edge.any()) and float(np.median(local[edge])) > max(_STEP * rise, 5 * spread)
