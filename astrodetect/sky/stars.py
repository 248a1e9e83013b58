"""Find stars in an averaged frame, and only stars: no lamps, horizon, Moon or hot pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.noise import ROUNDING

Floats = NDArray[np.float64]

#: Stars that are narrower (px) are hot pixels or cosmic rays; a lens never makes such.
_NARROWEST = 0.9
#: Next to the peak of the sharpest star there is at least this part of it.
_ALONE = 0.1
#: Part of the saturation at which the mean of frames counts as saturated.
_NEARLY = 0.95


@dataclass(frozen=True)
class StarList:
    """What looks like a star in one exposure, the brightest first.

    Attributes
    ----------
    x, y : (N,) float64 arrays
        Gaussian-weighted centroids (px).
    flux, flux_error : (N,) float64 arrays
        Sum above background in a round aperture, and its standard deviation (ADU per frame).
    fwhm : (N,) float64 array
        Full width at half maximum (px).
    elongation : (N,) float64 array
        Difference of the squared widths along and across, by their sum: 0 round, 1 a line.
    snr : (N,) float64 array
        Peak above the local noise.
    background : (N,) float64 array
        Level below the star (ADU per pixel).
    saturated : (N,) bool array
        Whether a pixel of the aperture is saturated.
    """

    x: Floats
    y: Floats
    flux: Floats
    flux_error: Floats
    fwhm: Floats
    elongation: Floats
    snr: Floats
    background: Floats
    saturated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> StarList:
        """Give some of them."""
        return StarList(*(np.asarray(getattr(self, field.name))[index] for field in fields(self)))


def find_stars(
    image: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    *,
    saturation: float = math.nan,
    fwhm: float = 2.5,
    threshold: float = 6.0,
    most: int = 3000,
) -> StarList:
    """Find stars.

    Parameters
    ----------
    image : (H, W) array
        A frame, or the mean of several (ADU).
    mask : (H, W) bool array, optional
        True where pixels are to be ignored.
    saturation : float
        Pixel value from which a pixel is saturated (ADU); NaN if unknown.
    fwhm : float
        Expected full width at half maximum (px).
    threshold : float
        Least height above the background, in standard deviations of the local noise.
    most : int
        At most so many, the brightest.

    Returns
    -------
    StarList

    Raises
    ------
    AstrodetectError
        The mask leaves nothing to look at.

    Notes
    -----
    Peaks of the significance image after a difference of two Gaussians: background and noise are local,
    so that the glow of lamps and the horizon raise the threshold there. Surfaces of saturated pixels
    (the Moon, lamps) are left out with their surroundings.
    """
    pixels = np.asarray(image, dtype=np.float64)
    ignored = ~np.isfinite(pixels) if mask is None else mask | ~np.isfinite(pixels)
    ignored |= glare(pixels, saturation, fwhm)
    if ignored.all():
        raise AstrodetectError("the mask and glare leave no pixel in which to look for stars")
    pixels = np.where(ignored, 0.0, pixels)
    level, noise = _background(pixels, ignored, rounded=np.asarray(image).dtype.kind in "ui")
    x, y = _peaks(np.where(ignored, 0.0, (pixels - level) / noise), ignored, fwhm, threshold)
    stars = measure_stars(pixels - level, noise, x, y, fwhm=fwhm, saturated=_saturated(pixels, saturation))
    rows = np.rint(stars.y).astype(np.int64).clip(0, len(level) - 1)
    columns = np.rint(stars.x).astype(np.int64).clip(0, level.shape[1] - 1)
    stars = replace(stars, background=level[rows, columns])
    good = (stars.fwhm > _NARROWEST) & (stars.fwhm < 4 * fwhm) & (stars.flux > 0)
    order = np.argsort(-stars.flux, kind="stable")
    return _separate(stars[order[good[order]]], 0.5 * fwhm)[:most]


def glare(pixels: Floats, saturation: float, fwhm: float) -> NDArray[np.bool_]:
    """Tell where large saturated surfaces (the Moon, lamps, the dawn) and their surroundings are.

    Parameters
    ----------
    pixels : (H, W) float64 array
        The image (ADU).
    saturation : float
        From this value on pixels are saturated; NaN: nothing is.
    fwhm : float
        Of stars (px): what covers more than a bright star's core is a surface.
    """
    from scipy import ndimage

    full = _saturated(pixels, saturation)
    if not full.any():
        return full
    labels, _ = ndimage.label(full)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    surfaces: NDArray[np.bool_] = (sizes > (4 * fwhm) ** 2)[labels]
    if not surfaces.any():
        return surfaces
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~surfaces) <= 4 * fwhm
    return near


def _saturated(pixels: Floats, saturation: float) -> NDArray[np.bool_]:
    full: NDArray[np.bool_] = pixels >= _NEARLY * saturation  # false for NaN
    return full


def _background(pixels: Floats, ignored: NDArray[np.bool_], rounded: bool) -> tuple[Floats, Floats]:
    """Give level and noise of every pixel."""
    from photutils.background import Background2D, MADStdBackgroundRMS, MedianBackground

    box = int(np.clip(min(pixels.shape) // 32, 16, 48))
    made = Background2D(
        pixels, min(box, *pixels.shape), mask=ignored, filter_size=3, exclude_percentile=90.0,
        bkg_estimator=MedianBackground(), bkg_rms_estimator=MADStdBackgroundRMS(),
    )  # fmt: skip
    noise = np.asarray(made.background_rms, dtype=np.float64)
    typical = float(np.median(noise[~ignored]))
    least = max(ROUNDING if rounded else 0.0, 0.2 * typical, 1e-6)
    return np.asarray(made.background, dtype=np.float64), np.maximum(noise, least)


def _peaks(
    significance: Floats, ignored: NDArray[np.bool_], fwhm: float, threshold: float
) -> tuple[Floats, Floats]:
    """Give the places that stand out like a point source, in units of what noise alone gives there."""
    import warnings

    from photutils.detection import find_peaks
    from photutils.utils.exceptions import NoDetectionsWarning
    from scipy import ndimage

    def filtered(image: Floats) -> Floats:
        sigma = fwhm / 2.3548
        narrow, wide = (ndimage.gaussian_filter(image, sigma * factor) for factor in (1.0, 2.5))
        difference: Floats = narrow - wide  # sums to zero: blind to level and slope
        return difference

    impulse = np.zeros((8 * math.ceil(fwhm) + 1,) * 2)
    impulse[impulse.shape[0] // 2, impulse.shape[1] // 2] = 1.0
    response = filtered(significance) / np.sqrt((filtered(impulse) ** 2).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        table = find_peaks(response, threshold, box_size=2 * round(fwhm / 2) + 1, mask=ignored)
    if table is None:
        return np.empty(0), np.empty(0)
    return np.asarray(table["x_peak"], dtype=np.float64), np.asarray(table["y_peak"], dtype=np.float64)


def measure_stars(
    above: Floats,
    noise: Floats,
    x: Floats,
    y: Floats,
    *,
    fwhm: float = 2.5,
    saturated: NDArray[np.bool_] | None = None,
) -> StarList:
    """Measure centroid, width and brightness of stars at known places.

    Parameters
    ----------
    above : (H, W) float64 array
        The image less its background (ADU).
    noise : (H, W) float64 array
        Standard deviation of a pixel (ADU).
    x, y : (N,) float64 arrays
        Where they are, to about a pixel.
    fwhm : float
        Expected width (px), also that of the weights of the centroid; the aperture has a radius of 1.5
        times this width.
    saturated : (H, W) bool array, optional
        True where pixels are saturated.

    Returns
    -------
    StarList
        In the given order; its background is 0.
    """
    reach = math.ceil(2.0 * fwhm) + 1
    padded = np.pad(above, reach)
    full = np.pad(np.zeros_like(above, bool) if saturated is None else saturated, reach)
    rows, columns = (np.rint(places).astype(np.int64) for places in (y, x))
    offset = np.arange(-reach, reach + 1)
    index = (rows[:, None, None] + reach + offset[:, None], columns[:, None, None] + reach + offset)
    cutouts = padded[index]
    dx, dy = _centroids(cutouts, x - columns, y - rows, fwhm / 2.3548)
    distance = np.hypot(offset - dx[:, None, None], offset[:, None] - dy[:, None, None])
    weights = np.clip(1.5 * fwhm + 0.5 - distance, 0.0, 1.0)  # soft edge: parts of pixels
    flux = (cutouts * weights).sum((1, 2))
    spread = noise[rows.clip(0, len(noise) - 1), columns.clip(0, noise.shape[1] - 1)]
    core = np.clip(cutouts, 0, None) * np.exp(-0.5 * (distance / (2.0 * fwhm / 2.3548)) ** 2)
    moment = (core * distance**2).sum((1, 2)) / np.maximum(core.sum((1, 2)), 1e-12) / 2
    # a Gaussian weight narrows the second moment: 1 / s^2 = 1 / m - 1 / w^2
    narrowing = 1 / np.maximum(moment, 1e-6) - (2.3548 / (2.0 * fwhm)) ** 2
    width = 2.3548 / np.sqrt(np.maximum(narrowing, 1e-3))
    return StarList(
        x=columns + dx,
        y=rows + dy,
        flux=flux,
        flux_error=spread * np.sqrt((weights**2).sum((1, 2))),
        fwhm=np.where(_single_pixels(cutouts), 0.0, width),
        elongation=_elongations(core, offset - dx[:, None, None], offset[:, None] - dy[:, None, None]),
        snr=cutouts[:, reach - 1 : reach + 2, reach - 1 : reach + 2].max((1, 2), initial=0.0) / spread,
        background=np.zeros(len(x)),
        saturated=(full[index] & (weights > 0)).any((1, 2)),
    )


def _single_pixels(cutouts: Floats) -> NDArray[np.bool_]:
    """Tell where the brightest pixel near the middle stands alone: no lens makes that."""
    middle = cutouts.shape[1] // 2
    near = cutouts[:, middle - 1 : middle + 2, middle - 1 : middle + 2].reshape(len(cutouts), 9)
    row, column = np.divmod(near.argmax(1), 3) if len(near) else (np.zeros(0, int), np.zeros(0, int))
    row, column, each = row + middle - 1, column + middle - 1, np.arange(len(cutouts))
    beside = sum(cutouts[each, row + dy, column + dx] for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)))
    single: NDArray[np.bool_] = beside < 4 * _ALONE * cutouts[each, row, column]
    return single


def _centroids(cutouts: Floats, dx: Floats, dy: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Iterate Gaussian-weighted centroids within cutouts about their middle (SExtractor's XWIN, YWIN)."""
    reach = cutouts.shape[1] // 2
    offset = np.arange(-reach, reach + 1)
    dx, dy = dx.copy(), dy.copy()
    for _ in range(8):
        far = (offset - dx[:, None, None]) ** 2 + (offset[:, None] - dy[:, None, None]) ** 2
        weighted = cutouts * np.exp(-0.5 * far / sigma**2)
        total = weighted.sum((1, 2))
        total = np.where(total > 0, total, np.inf)
        # twice the step: the weight holds the centroid back by about half of it
        dx += 2 * (weighted * (offset - dx[:, None, None])).sum((1, 2)) / total
        dy += 2 * (weighted * (offset[:, None] - dy[:, None, None])).sum((1, 2)) / total
        np.clip(dx, -2, 2, out=dx)
        np.clip(dy, -2, 2, out=dy)
    return dx, dy


def _elongations(weights: Floats, dx: Floats, dy: Floats) -> Floats:
    """Give how far the second moments are from round."""
    xx, yy, xy = ((weights * product).sum((1, 2)) for product in (dx * dx, dy * dy, dx * dy))
    elongation: Floats = np.hypot(xx - yy, 2 * xy) / np.maximum(xx + yy, 1e-12)
    return elongation


def spread_out(stars: StarList, shape: tuple[int, int], cells: int = 8, each: int = 3) -> StarList:
    """Give the brightest of each part of the frame that look most like stars, the brightest first.

    Reflections of the Moon, lamps and the horizon are bright, wide and lie close together; stars stand
    alone, are spread over the frame, and are about as wide as each other.

    Parameters
    ----------
    stars : StarList
        All.
    shape : (int, int)
        Height and width of the frame.
    cells, each : int
        Parts along each side, and how many to take of each.
    """
    round_ones = stars.elongation < 0.5
    alone = round_ones & _stand_alone(stars)
    width = np.median(stars.fwhm[alone if alone.any() else round_ones]) if round_ones.any() else np.nan
    likely = np.flatnonzero(round_ones & (stars.fwhm < 1.6 * width) & (stars.fwhm > 0.6 * width))
    rows = np.clip((stars.y / shape[0] * cells).astype(int), 0, cells - 1)
    columns = np.clip((stars.x / shape[1] * cells).astype(int), 0, cells - 1)
    place = (rows * cells + columns)[likely]
    order = np.argsort(place, kind="stable")  # by place, the brightest of each first
    first = np.searchsorted(place[order], place[order])
    chosen = np.sort(order[np.arange(len(order)) - first < each])
    return stars[likely[chosen]]


def _stand_alone(stars: StarList) -> NDArray[np.bool_]:
    """Tell which have nothing of a fifth of their brightness or more within five widths."""
    from scipy.spatial import cKDTree

    alone = np.ones(len(stars), dtype=bool)
    if len(stars):
        reach = 5 * float(np.median(stars.fwhm))
        pairs = cKDTree(np.column_stack([stars.x, stars.y])).query_pairs(reach, output_type="ndarray")
        one, other = pairs.T
        alone[one[stars.flux[other] > 0.2 * stars.flux[one]]] = False
        alone[other[stars.flux[one] > 0.2 * stars.flux[other]]] = False
    return alone


def _separate(stars: StarList, distance: float) -> StarList:
    """Leave out what lies within `distance` (px) of something brighter; the brightest come first."""
    from scipy.spatial import cKDTree

    if not len(stars):
        return stars
    pairs = cKDTree(np.column_stack([stars.x, stars.y])).query_pairs(distance, output_type="ndarray")
    keep = np.ones(len(stars), dtype=bool)
    keep[pairs.max(1, initial=0)[: len(pairs)]] = False
    return stars[keep]


def fixed_places(
    lists: Sequence[StarList], times: Sequence[float], radius: float = 1.0
) -> list[NDArray[np.bool_]]:
    """Tell what stands still in the frame over many minutes, as lamps and hot pixels do and stars do not.

    Parameters
    ----------
    lists : sequence of StarList
        Of exposures of one camera.
    times : sequence of float
        When (s).
    radius : float
        What moves less (px) stands still.

    Returns
    -------
    list of (N,) bool arrays
        For each list which of its entries stand still. Nothing does where no two exposures are more
        than 20 minutes apart: in less time the stars of a wide lens hardly move either.
    """
    from scipy.spatial import cKDTree

    fixed = [np.zeros(len(stars), dtype=bool) for stars in lists]
    for number, stars in enumerate(lists):
        far = [k for k, time in enumerate(times) if abs(time - times[number]) > 1200 and len(lists[k])]
        if not far or not len(stars):
            continue
        seen = np.zeros(len(stars), dtype=np.int64)
        for other in far:
            tree = cKDTree(np.column_stack([lists[other].x, lists[other].y]))
            seen += tree.query(np.column_stack([stars.x, stars.y]))[0] < radius
        fixed[number] = seen > 0.5 * len(far)
    return fixed
