"""Flux, axes and angle of a source as numbers that a network can learn, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ShapeParameters:
    """Five parameters of a box: log flux, log major, log minor, and the cosine and sine of twice the angle.

    Each is scaled to 0-1 over the range given; values beyond it lie beyond 0-1. An axis turned by 180
    degrees is the same, and so are cosine and sine of twice its angle: nothing jumps where the angle does.
    They shrink to 0.5 with ``1 - minor / major``, since what is round has no angle.

    Raises
    ------
    ValueError
        A range is not 0 < low < high.

    Examples
    --------
    >>> shape = ShapeParameters(flux=(1e-6, 1e-2), size=(1, 100))
    >>> shape.encode([1e-4], [10.0], [10.0], [30.0]).round(3).tolist()
    [[0.5, 0.5, 0.5, 0.5, 0.5]]
    """

    #: Names, in this order.
    names: ClassVar[tuple[str, ...]] = ("log_flux", "log_major", "log_minor", "cos_twice", "sin_twice")

    #: Lowest and highest flux: sum of pixels, in the image's unit.
    flux: tuple[float, float]
    #: Shortest and longest axis: full width at half maximum, pixels.
    size: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("flux", "size"):
            low, high = getattr(self, name)
            if not 0 < low < high:
                raise ValueError(f"{name} is {low:g} to {high:g}; expected 0 < low < high")

    def encode(
        self, flux: ArrayLike, major: ArrayLike, minor: ArrayLike, theta: ArrayLike
    ) -> NDArray[np.float32]:
        """Give the parameters of sources.

        Parameters
        ----------
        flux : (n,) array
            Sum of pixels.
        major, minor : (n,) array
            Full widths at half maximum (px).
        theta : (n,) array
            Angle of the major axis, degrees from +x towards +y.

        Returns
        -------
        (n, 5) float32 array
            In the order of `names`.
        """
        major, minor = np.asarray(major, float), np.asarray(minor, float)
        twice = 2 * np.radians(np.asarray(theta, float))
        flat = 1 - minor / major
        columns = (
            _scaled(flux, self.flux),
            _scaled(major, self.size),
            _scaled(minor, self.size),
            (1 + flat * np.cos(twice)) / 2,
            (1 + flat * np.sin(twice)) / 2,
        )
        return np.stack(columns, axis=-1).astype(np.float32)

    def decode(self, parameters: Any) -> dict[str, NDArray[np.float64]]:
        """Give the columns ``flux, major, minor, theta`` of parameters (n, 5); units as in `encode`."""
        values = np.moveaxis(np.asarray(parameters, float), -1, 0)
        axes = _unscaled(values[1], self.size), _unscaled(values[2], self.size)
        theta = np.degrees(np.arctan2(2 * values[4] - 1, 2 * values[3] - 1)) / 2 % 180.0
        return {
            "flux": _unscaled(values[0], self.flux),
            "major": np.maximum(*axes),
            "minor": np.minimum(*axes),
            "theta": theta,
        }

    @staticmethod
    def mirrored(parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the parameters in an image that is mirrored in x or in y: the angle changes its sign."""
        turned = parameters.copy()
        turned[..., 4] = 1 - turned[..., 4]
        return turned

    @staticmethod
    def transposed(parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the parameters in an image whose x and y are exchanged: the angle becomes 90 less it."""
        turned = parameters.copy()
        turned[..., 3] = 1 - turned[..., 3]
        return turned

    def brightened(self, parameters: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
        """Give the parameters in an image that is multiplied by `factor`."""
        changed = parameters.copy()
        low, high = self.flux
        changed[..., 0] += np.log(factor) / np.log(high / low)
        return changed


def _scaled(values: ArrayLike, limits: tuple[float, float]) -> NDArray[np.float64]:
    low, high = np.log(limits)
    return np.asarray((np.log(np.maximum(values, 1e-300)) - low) / (high - low))


def _unscaled(values: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    low, high = np.log(limits)
    return np.asarray(np.exp(low + values * (high - low)))
