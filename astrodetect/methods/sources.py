"""What finders of stars and other sources in images share: how sure a peak is, boxes, the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.columns import Column
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.methods.gaussian_fit import fitted

#: Sources per pixel with a signal-to-noise above 5: what is expected before an image is looked at. Of
#: fields at high galactic latitude and in the Milky Way it is the middle.
EXPECTED_DENSITY = 1e-3
#: Columns of finders that measure a shape.
SHAPE_COLUMNS = (
    Column("major", "float64", "pix", "full width at half maximum along the major axis, from second moments"),
    Column("minor", "float64", "pix", "full width at half maximum along the minor axis, from second moments"),
    Column("theta", "float64", "deg", "angle of the major axis, from +x towards +y (down in the frame)"),
    Column("area", "int64", "pix", "pixels above the threshold"),
)


class Seen(NamedTuple):
    """The parts of a window that finders look at, all (H, W): see `seen_in`."""

    image: NDArray[np.float32]
    noise: NDArray[np.float32]
    #: None where every pixel counts.
    mask: NDArray[np.bool_] | None


def seen_in(window: Window) -> Seen | None:
    """Give image, noise and mask of a window as finders take them.

    Pixels that are no numbers, or without noise, are masked; masked ones are 0 in the image, so that
    nothing spreads from them, and have the largest noise.

    Parameters
    ----------
    window : Window
        With planes ``image`` and ``std``.

    Returns
    -------
    Seen or None
        None if no pixel is left.
    """
    image = np.ascontiguousarray(window.planes["image"], dtype=np.float32)
    noise = np.ascontiguousarray(window.planes["std"], dtype=np.float32)
    # A sum tells in one pass, without an array of its own, that there is nothing to look for.
    known = bool(np.isfinite(image.sum()) and np.isfinite(noise.sum()) and noise.min(initial=1) > 0)
    if known and (window.mask is None or not window.mask.any()):
        return Seen(image, noise, None)
    mask = ~(np.isfinite(image) & np.isfinite(noise) & (noise > 0))
    if window.mask is not None:
        mask |= window.mask
    if mask.all():
        return None
    return Seen(np.where(mask, np.float32(0), image), np.where(mask, noise[~mask].max(), noise), mask)


def source_probability(snr: ArrayLike, fwhm: float, density: float = EXPECTED_DENSITY) -> NDArray[np.float32]:
    """Give the probability that a peak in a smoothed image is a source and no peak of Gaussian noise.

    Parameters
    ----------
    snr : (N,) array
        Height of the peaks in standard deviations of the smoothed noise.
    fwhm : float
        Of the Gaussian that the image was smoothed with (px).
    density : float
        Sources per pixel with a signal-to-noise above 5 that are expected.

    Returns
    -------
    (N,) float32 array

    Notes
    -----
    Bayes' rule with two densities per pixel and unit of snr: of noise peaks in smoothed white noise,
    ``4 ln 2 (2 pi)^-1.5 fwhm^-2 (z^2 - 1) exp(-z^2 / 2)`` (Worsley et al. 1996, Hum. Brain Mapp. 4, 58), and
    of sources, ``5 density z^-2``: their number above z falls as 1/z.

    Examples
    --------
    >>> [round(float(p), 3) for p in source_probability([3.0, 4.0, 5.0, 8.0], 3.0)]
    [0.242, 0.76, 0.991, 1.0]
    """
    z = np.maximum(np.asarray(snr, dtype=np.float64), 1.0)
    noise = 4 * np.log(2) * (2 * np.pi) ** -1.5 / fwhm**2 * (z**2 - 1) * np.exp(-(z**2) / 2)
    sources = 5 * density / z**2
    return np.asarray(sources / (sources + noise), dtype=np.float32)


def saturated_in(boxes: NDArray[Any], window: Window) -> NDArray[np.int64]:
    """Count the saturated pixels in boxes (N, 4) inside a window; 0 where nothing is known of saturation."""
    level = window.stream.saturation
    counts = np.zeros(len(boxes), np.int64)
    if not (np.isfinite(level) and "max" in window.planes and len(boxes)):
        return counts
    full = np.asarray(window.planes["max"]) >= level
    if not full.any():
        return counts
    sums = np.pad(full.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    x0, y0, x1, y1 = np.ceil(boxes).astype(np.int64).T
    return np.asarray(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0])


def inside(boxes: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give boxes (N, 4) cut to the frame, at least one pixel of it each."""
    height, width = shape
    low = np.clip(boxes[:, :2], 0, (width - 1, height - 1))
    high = np.clip(boxes[:, 2:], low + 1, (width, height))
    return np.concatenate([low, high], axis=1)


def source_table(
    window: Window, label: str, x: ArrayLike, y: ArrayLike, boxes: NDArray[Any], **columns: ArrayLike
) -> Detections:
    """Give a table of sources that do not move: one row each, both ends at the same place.

    Parameters
    ----------
    window : Window
        Where they are.
    label : str
        Of all of them.
    x, y : (N,) array
        Centroids (px).
    boxes : (N, 4) array
        Half open; cut to the frame.
    **columns
        ``probability``, ``snr``, ``peak``, ``flux`` and what else the finder declares.
    """
    boxes = inside(np.asarray(boxes, dtype=np.float64), window.shape)
    n = len(boxes)
    ends = {f"{name}_{end}": values for name, values in (("x", x), ("y", y)) for end in ("start", "end")}
    return Detections(
        {
            **dict(zip(("x_min", "y_min", "x_max", "y_max"), boxes.T, strict=True)),
            **ends,
            "label": [label] * n,
            "n_frames": np.full(n, window.n_frames),
            "n_saturated": saturated_in(boxes, window),
            "score": columns["snr"],  # unless another is given
            **columns,
        }
    )


def sources_by(
    find: Callable[..., Mapping[str, Any] | None],
    window: Window,
    fwhm: float,
    density: float,
    *,
    fit_beam: Sequence[float] = (),
    **settings: Any,
) -> Detections:
    """Give the sources of any shape that a function finds in a window.

    Parameters
    ----------
    find : callable
        `astrodetect.methods.segments.find_segments` or `find_by_sep`.
    window : Window
        With planes ``image`` and ``std``.
    fwhm, density : float
        Of the Gaussian that smooths, and of the sources that are expected (`source_probability`).
    fit_beam : (float, float, float), optional
        Fit what was found: the beam of `astrodetect.methods.gaussian_fit.GaussianFit`.
    **settings
        For `find`.
    """
    seen = seen_in(window)
    found = None if seen is None else find(*seen, fwhm=fwhm, **settings)
    if seen is None or found is None:
        return Detections.empty()
    probability = source_probability(found["snr"], fwhm, density)
    if fit_beam:
        image = seen.image if seen.mask is None else np.where(seen.mask, np.nan, seen.image)
        found = {**found, **fitted(found, image, fit_beam)}
    return source_table(window, "source", probability=probability, **found)
