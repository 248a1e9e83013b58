"""Which detections may be which sources: by overlap, by distance, by shape. Only neighbours are compared."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from astrodetect.evaluation.sources.table import Sources
from astrodetect.methods.boxes import iou

#: Boxes overlap; centres are near; position, flux and size agree (`shape_distance`).
Match = Literal["iou", "distance", "shape"]
MATCHES: tuple[Match, ...] = get_args(Match)

#: What the data challenge divides the errors of position, flux and size by, and the largest distance.
POSITION_ERROR, FLUX_ERROR, SIZE_ERROR, FARTHEST = 0.93, 0.36, 4.38, 5.0


class Pairs(NamedTuple):
    """Pairs that may belong together.

    Attributes
    ----------
    found, true : (n,) int64 array
        Rows of the detection and of the true source.
    fit : (n,) float64 array
        How well they fit, more is better.
    """

    found: NDArray[np.int64]
    true: NDArray[np.int64]
    fit: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> Pairs:
        """Give some of them."""
        return Pairs(self.found[kept], self.true[kept], self.fit[kept])


def pairs_of(found: Sources, true: Sources, match: Match, limit: float) -> Pairs:
    """Give all pairs that fit well enough, of any label.

    Parameters
    ----------
    found, true : Sources
        Of one image.
    match : str
        ``"iou"``: `limit` is the least intersection over union of the boxes, above 0. ``"distance"``:
        `limit` is the largest distance of the centres (px). ``"shape"``: `limit` is the largest
        `shape_distance`, and the centres lie within the size of the detection.
    limit : float
        See there.
    """
    if match == "iou":
        # Boxes that share the part t of their union share t of each side of the larger one at least, so
        # centres differ by (1 - t) of its sides at most, and these are at most 1 / t of those of the other.
        sides = np.hypot(found["x_max"] - found["x_min"], found["y_max"] - found["y_min"])
        near = _near(found.middles, true.middles, (1 - limit) / limit * sides + 1e-9)
        fit = iou(found.boxes[near.found], true.boxes[near.true])
        return near._replace(fit=fit).where(fit >= limit)
    if match == "distance":
        return _near(found.centres, true.centres, np.full(len(found), limit))
    near = _near(found.centres, true.centres, found.size)
    apart = shape_distance(found.take(near.found), true.take(near.true))
    return near._replace(fit=-apart).where(apart <= limit)


def _near(found: NDArray[np.float64], true: NDArray[np.float64], radius: NDArray[np.float64]) -> Pairs:
    """Give the pairs of points within a radius, and how near they are, as a negative number."""
    from scipy.spatial import cKDTree

    good, targets = (np.flatnonzero(np.isfinite(points).all(axis=1)) for points in (found, true))
    good = good[np.isfinite(radius[good])]
    if not (len(good) and len(targets)):
        none = np.zeros(0, np.int64)
        return Pairs(none, none, np.zeros(0))
    lists = cKDTree(true[targets]).query_ball_point(found[good], radius[good])
    rows = np.repeat(good, [len(own) for own in lists])
    columns = targets[np.array([number for own in lists for number in own], np.int64)]
    apart = np.hypot(*(found[rows] - true[columns]).T)
    return Pairs(rows, columns, -apart)


def shape_distance(found: Sources, true: Sources) -> NDArray[np.float64]:
    """Give how far detections are from true sources, row by row: position, flux and size in one number.

    The square root of the sum of squares of the distance over the size of the source as seen, over 0.93;
    of the relative error of the flux, over 0.36; and of the error of the size over the size, over 4.38. What
    is not known of either is left out.

    References
    ----------
    Bonaldi et al. 2021, MNRAS 500, 3821; the numbers are those of the published scorer of the challenge.
    """
    size = true.size
    position = np.hypot(found["x"] - true["x"], found["y"] - true["y"]) / size
    flux = np.abs(found["flux"] - true["flux"]) / true["flux"]
    axes = ((found["major"] + found["minor"]) - (true["major"] + true["minor"])) / 2
    terms = (position / POSITION_ERROR, flux / FLUX_ERROR, np.abs(axes) / size / SIZE_ERROR)
    return np.asarray(np.sqrt(np.nansum(np.square(terms), axis=0)))
