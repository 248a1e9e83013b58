"""Sources as connected pixels above a threshold, split where they touch: photutils' segmentation, and sep."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.ellipses import FWHM_IN_SIGMA

#: How the light of a source is summed: over the pixels above the threshold, or in a Kron ellipse.
Flux = Literal["isophotal", "kron"]
#: Pixels above the threshold that sep takes in its stride; doubled, up to the second, where it needs more.
_PIXSTACK, _MOST_PIXSTACK = 300_000, 1 << 27


def gaussian_kernel(fwhm: float) -> NDArray[np.float32]:
    """Give a Gaussian as a small odd square, 1 in sum; narrow ones as 3 x 3.

    Examples
    --------
    >>> gaussian_kernel(2.0).shape, gaussian_kernel(3.0).shape
    ((3, 3), (5, 5))
    """
    reach = max(1, int(0.75 * fwhm))
    along = np.exp(-0.5 * (np.arange(-reach, reach + 1) * FWHM_IN_SIGMA / fwhm) ** 2)
    kernel = np.outer(along, along)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def find_segments(
    image: NDArray[Any],
    noise: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    *,
    threshold: float = 1.5,
    fwhm: float = 3.0,
    n_pixels: int = 5,
    deblend: bool = True,
    levels: int = 32,
    contrast: float = 0.001,
    flux: Flux = "isophotal",
) -> dict[str, NDArray[Any]] | None:
    """Find sources as photutils' ``SourceFinder`` and ``SourceCatalog`` do, in an image smoothed before.

    Parameters
    ----------
    image : (H, W) array
        Without its background.
    noise : (H, W) array
        Standard deviation of its pixels.
    mask : (H, W) bool array, optional
        True = ignore.
    threshold : float
        Of the smoothed image, in standard deviations of the image before.
    fwhm : float
        Of the Gaussian that smooths (px).
    n_pixels : int
        Connected pixels above the threshold, at least.
    deblend : bool
        Split what touches.
    levels, contrast : int, float
        Of the deblending: thresholds between a segment's own and its peak, and the share of its light
        that a part must have to stand for itself.
    flux : {"isophotal", "kron"}
        What is summed.

    Returns
    -------
    dict or None
        ``x, y, boxes, snr, peak, flux, major, minor, theta, area`` of N sources; None if there is none.
        `snr` is the height in the smoothed image over its noise.
    """
    from photutils.segmentation import SourceCatalog, SourceFinder
    from photutils.utils.exceptions import NoDetectionsWarning
    from scipy import ndimage

    kernel = gaussian_kernel(fwhm)
    smooth = ndimage.correlate(image, kernel, mode="constant")
    finder = SourceFinder(n_pixels, deblend=deblend, n_levels=levels, contrast=contrast, progress_bar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        segments = finder(smooth, threshold * noise, mask=mask)
    if segments is None:
        return None
    catalog = SourceCatalog(image, segments, convolved_data=smooth, mask=mask)
    height = ndimage.maximum(smooth / noise, segments.data, segments.labels) / np.linalg.norm(kernel)
    box = [np.asarray(getattr(catalog, f"bbox_{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
    return {
        "x": np.asarray(catalog.x_centroid),
        "y": np.asarray(catalog.y_centroid),
        "boxes": np.stack([box[0], box[1], box[2] + 1, box[3] + 1], axis=1),
        "snr": np.asarray(height),
        "peak": np.asarray(catalog.max_value),
        "flux": np.asarray(catalog.kron_flux if flux == "kron" else catalog.segment_flux),
        "major": FWHM_IN_SIGMA * _plain(catalog.semimajor_axis),
        "minor": FWHM_IN_SIGMA * _plain(catalog.semiminor_axis),
        "theta": _plain(catalog.orientation),
        "area": _plain(catalog.area).astype(np.int64),
    }


def _plain(values: Any) -> NDArray[np.float64]:
    return np.asarray(getattr(values, "value", values), dtype=np.float64)


def find_by_sep(
    image: NDArray[np.float32],
    noise: NDArray[np.float32],
    mask: NDArray[np.bool_] | None = None,
    *,
    threshold: float = 1.5,
    fwhm: float = 2.0,
    n_pixels: int = 5,
    levels: int = 32,
    contrast: float = 0.005,
    clean: bool = True,
    flux: Flux = "isophotal",
) -> dict[str, NDArray[Any]] | None:
    """Find sources as SExtractor does, by its library sep.

    The parameters are those of `find_segments`; `clean` takes away what is a bump on the wings of a
    brighter source. ``contrast = 1`` does not deblend.

    Returns
    -------
    dict or None
        As from `find_segments`.

    Raises
    ------
    AstrodetectError
        More pixels lie above the threshold than sep can hold.

    References
    ----------
    Bertin & Arnouts (1996), A&AS 117, 393; Barbary (2016), JOSS 1, 58.
    """
    kernel = gaussian_kernel(fwhm)
    found = _extracted(
        image, threshold, err=noise, mask=mask, minarea=n_pixels, filter_kernel=kernel,
        filter_type="conv",  # as SExtractor has it; "matched" takes five times as long with a map of noise
        deblend_nthresh=levels, deblend_cont=contrast, clean=clean,
    )  # fmt: skip
    if not len(found):
        return None
    place = found["ycpeak"], found["xcpeak"]
    return {
        "x": found["x"],
        "y": found["y"],
        "boxes": np.stack([found["xmin"], found["ymin"], found["xmax"] + 1, found["ymax"] + 1], axis=1),
        "snr": found["cpeak"] / noise[place] / np.linalg.norm(kernel),
        "peak": found["peak"],
        "flux": _kron_flux(image, found, mask) if flux == "kron" else found["flux"],
        "major": FWHM_IN_SIGMA * found["a"],
        "minor": FWHM_IN_SIGMA * found["b"],
        "theta": np.degrees(found["theta"]),
        "area": found["npix"].astype(np.int64),
    }


def _extracted(image: NDArray[Any], threshold: float, **settings: Any) -> Any:
    """Extract, with more room for pixels where what there is does not suffice."""
    import sep

    room = _PIXSTACK
    while True:
        sep.set_extract_pixstack(room)
        try:
            return sep.extract(image, threshold, **settings)
        except Exception as error:  # sep raises plain ones
            if "pixel buffer full" not in str(error):
                raise
            if room >= min(_MOST_PIXSTACK, 2 * image.size):
                raise AstrodetectError(
                    f"sep: more than {room} pixels lie above the threshold; raise the threshold, or subtract "
                    "the background with smaller boxes"
                ) from None
            room *= 4


def _kron_flux(image: NDArray[Any], found: Any, mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Sum in ellipses of 2.5 Kron radii; what is isophotal stays where the radius cannot be measured."""
    import sep

    shape = found["x"], found["y"], np.maximum(found["a"], 0.3), np.maximum(found["b"], 0.3)
    theta = np.clip(found["theta"], -np.pi / 2, np.pi / 2)
    radius, _ = sep.kron_radius(image, *shape, theta, 6.0, mask=mask)
    good = np.isfinite(radius) & (radius > 0)
    flux: NDArray[np.float64] = found["flux"].astype(np.float64)
    cut = [values[good] for values in (*shape, theta)]
    flux[good] = sep.sum_ellipse(image, *cut, 2.5 * radius[good], mask=mask, subpix=1)[0]
    return flux
