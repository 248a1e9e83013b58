"""The distortions of RMS plate solutions: pixels of the frame to those of an ideal, equidistant camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from astrodetect.core.calibration import Floats

#: Coefficients of x (and of y) that each polynomial type needs.
POLYNOMIAL = {"poly3+radial": 12, "poly3+radial3": 13, "poly3+radial5": 14}
#: Powers of the radius by radial type.
RADIAL = {
    "radial3-all": (2, 3), "radial4-all": (2, 3, 4), "radial5-all": (2, 3, 4, 5),
    "radial3-odd": (3,), "radial5-odd": (3, 5), "radial7-odd": (3, 5, 7), "radial9-odd": (3, 5, 7, 9),
}  # fmt: skip


def coefficients_needed(kind: str, *, fixed_centre: bool, equal_aspect: bool, asymmetric: bool) -> int:
    """Give how many numbers a type of distortion takes.

    Parameters
    ----------
    kind : str
        A key of `POLYNOMIAL` or `RADIAL`.
    fixed_centre, equal_aspect, asymmetric : bool
        What of centre (2), aspect (1) and asymmetry (2) is there; polynomials have none of them.

    Raises
    ------
    ValueError
        There is no such type.

    Examples
    --------
    >>> coefficients_needed("radial7-odd", fixed_centre=False, equal_aspect=True, asymmetric=True)
    7
    """
    if kind in POLYNOMIAL:
        return POLYNOMIAL[kind]
    if kind not in RADIAL:
        raise ValueError(f"distortion_type = {kind!r}: expected one of {', '.join([*POLYNOMIAL, *RADIAL])}")
    return len(RADIAL[kind]) + 2 * (not fixed_centre) + (not equal_aspect) + 2 * asymmetric


def polynomial(u: Floats, v: Floats, cx: Sequence[float], cy: Sequence[float]) -> tuple[Floats, Floats]:
    """Correct by a polynomial of third order with radial terms.

    Parameters
    ----------
    u, v : (n,) float64 array
        Pixels from the middle of the frame.
    cx, cy : sequence of float
        12, 13 or 14 coefficients: constant, u, v, u², uv, v², u³, u²v, uv², v³, then those of r, r³ and
        r⁵ (each times u in `cx` and times v in `cy`, the first of r also times the other).

    Returns
    -------
    u, v : (n,) float64 array
        Pixels of the ideal camera.
    """
    r = np.hypot(u - cx[0], v - cy[0])
    terms = (np.ones_like(u), u, v, u * u, u * v, v * v, u**3, u * u * v, u * v * v, v**3)
    du = np.tensordot(cx[:10], terms, axes=1) + (cx[10] * u + cx[11] * v) * r
    dv = np.tensordot(cy[:10], terms, axes=1) + (cy[10] * v + cy[11] * u) * r
    for power, a, b in zip((3, 5), cx[12:], cy[12:], strict=False):
        du, dv = du + a * u * r**power, dv + b * v * r**power
    return u + du, v + dv


def radial(
    u: Floats,
    v: Floats,
    powers: Sequence[int],
    factors: Sequence[float],
    *,
    size: tuple[float, float],
    centre: tuple[float, float],
    aspect: float,
    asymmetry: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Correct by a function of the radius about a centre.

    Parameters
    ----------
    u, v : (n,) float64 array
        Pixels from the middle of the frame.
    powers, factors : sequences of one length
        ``r' = r + sum(factor * r ** power)``, r in units of half the width.
    size : (float, float)
        Width and height of the frame.
    centre : (float, float)
        Of the distortion, in pixels from the middle of the frame.
    aspect : float
        By how much more than the width a pixel's height counts.
    asymmetry : (float, float)
        How far the radius is skewed, and to which side (rad).

    Returns
    -------
    u, v : (n,) float64 array
        Pixels of the ideal camera.
    """
    across, down = u - centre[0], (1 + aspect) * (v - centre[1])
    skew, angle = asymmetry
    r = np.hypot(across, down) + skew * (down * np.cos(angle) - across * np.sin(angle))
    r = r / (size[0] / 2)
    stretch = 1 + sum(factor * r ** (power - 1) for power, factor in zip(powers, factors, strict=True))
    return across * stretch, down * stretch


def inverse(
    forward: Callable[[Floats, Floats], tuple[Floats, Floats]],
    target: tuple[Floats, Floats],
    turns: int = 12,
    tolerance: float = 1e-7,
) -> tuple[Floats, Floats]:
    """Find what a distortion carries to given pixels, by Newton's method with differences.

    Parameters
    ----------
    forward : callable
        The distortion.
    target : two (n,) float64 arrays
        Pixels of the ideal camera.
    turns : int
        Steps at most.
    tolerance : float
        In pixels; steps end when all are within it.

    Returns
    -------
    u, v : (n,) float64 array
        NaN where it does not converge.
    """
    u, v = (np.array(t, dtype=np.float64) for t in target)
    with np.errstate(all="ignore"):
        for _ in range(turns):
            fu, fv = forward(u, v)
            du, dv = fu - target[0], fv - target[1]
            off = np.hypot(du, dv)
            if not np.any(off > tolerance):
                break
            (au, av), (bu, bv) = forward(u + 0.1, v), forward(u, v + 0.1)
            a, b, c, d = (au - fu) * 10, (bu - fu) * 10, (av - fv) * 10, (bv - fv) * 10
            slope = a * d - b * c
            u, v = u - (d * du - b * dv) / slope, v - (a * dv - c * du) / slope
        fu, fv = forward(u, v)
        good = np.hypot(fu - target[0], fv - target[1]) < 1e-3
    return np.where(good, u, np.nan), np.where(good, v, np.nan)
