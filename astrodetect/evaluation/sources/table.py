"""The sources of one image, true or detected, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.ellipses import FWHM_IN_SIGMA

#: Columns of numbers, NaN where they are not known.
NUMBERS = (
    "x", "y", "x_min", "y_min", "x_max", "y_max", "flux", "major", "minor", "theta", "snr", "beam", "rank",
    "order",
)  # fmt: skip
#: Columns of yes and no, with what holds where they are not given.
FLAGS = {"difficult": False, "blended": False, "accepted": True, "boxed": False}
#: Other names of a column, and the factor that turns one into the other.
_ALIASES = {
    "x": (("x_start", 1.0), ("x_first", 1.0)),
    "y": (("y_start", 1.0), ("y_first", 1.0)),
    "major": (("fwhm_major", 1.0), ("semimajor_sigma", FWHM_IN_SIGMA), ("a", FWHM_IN_SIGMA)),
    "minor": (("fwhm_minor", 1.0), ("semiminor_sigma", FWHM_IN_SIGMA), ("b", FWHM_IN_SIGMA)),
    "theta": (("orientation", 1.0), ("angle", 1.0)),
    "snr": (("peak_snr", 1.0),),
    "rank": (("probability", 1.0),),
    "order": (("score", 1.0),),
}


@dataclass(frozen=True)
class Sources:
    """Sources of one image.

    Attributes
    ----------
    columns : mapping of str to (n,) array
        `NUMBERS` (float64), `FLAGS` (bool) and ``label`` (str): centre and box (px, half open), flux (sum of
        pixels), axes (full width at half maximum, px, as seen), angle (degrees from +x towards +y),
        signal-to-noise, width of the beam (px); ``rank`` and, where ranks are equal, ``order``: more is
        surer; ``boxed``: its box was given, and does not follow from the axes.
    """

    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Sources:
        """Take the columns that there are; the centre follows from the box, and the box from the axes.

        Parameters
        ----------
        given : mapping of str to array
            Of a catalog, a truth file or a simulation; other columns are left alone. Axes may also be
            called ``fwhm_major, semimajor_sigma`` or ``a``, and so on.
        """
        names = set(given.keys())
        n = len(given[next(iter(names))]) if names else 0
        columns: dict[str, NDArray[Any]] = {}
        for name in NUMBERS:
            known = [(name, 1.0), *_ALIASES.get(name, ())]
            chosen = next(((other, factor) for other, factor in known if other in names), None)
            values = np.full(n, np.nan)
            if chosen is not None:
                values = np.array(given[chosen[0]], np.float64) * chosen[1]
            columns[name] = values
        for name, default in FLAGS.items():
            columns[name] = np.array(given[name], bool) if name in names else np.full(n, default)
        labels = given["label"] if "label" in names else np.full(n, "")
        columns["label"] = np.array([str(label) for label in labels], object)
        _complete(columns)
        return cls(columns)

    def __len__(self) -> int:
        """Give the number of sources."""
        return len(self.columns["x"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Boxes (n, 4)."""
        return np.stack([self.columns[name] for name in ("x_min", "y_min", "x_max", "y_max")], axis=-1)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres (n, 2), x before y."""
        return np.stack([self.columns["x"], self.columns["y"]], axis=-1)

    @property
    def middles(self) -> NDArray[np.float64]:
        """Middles of the boxes (n, 2), x before y."""
        boxes = self.boxes
        return np.asarray((boxes[:, :2] + boxes[:, 2:] - 1) / 2)

    @property
    def size(self) -> NDArray[np.float64]:
        """Mean of both axes, or of both sides of the box where these are not known (px)."""
        axes = (self["major"] + self["minor"]) / 2
        sides = (self["x_max"] - self["x_min"] + self["y_max"] - self["y_min"]) / 2
        return np.asarray(np.where(np.isfinite(axes), axes, sides))

    def take(self, rows: NDArray[Any]) -> Sources:
        """Give some of the sources, by number or as True and False."""
        return Sources({name: values[rows] for name, values in self.columns.items()})

    def by_rank(self) -> NDArray[np.int64]:
        """Give the rows, the surest first; of equals the first in the table."""
        keys = [-np.nan_to_num(self[name], nan=-np.inf) for name in ("order", "rank")]
        return np.lexsort(keys)

    def has(self, name: str) -> bool:
        """Tell whether a number is known of any source."""
        return bool(np.isfinite(self[name]).any())


def _complete(columns: dict[str, NDArray[Any]]) -> None:
    """Fill in the centres from the boxes, and boxes of two full widths from the axes."""
    columns["boxed"] = np.isfinite(columns["x_min"])
    for axis in ("x", "y"):
        low, high = columns[f"{axis}_min"], columns[f"{axis}_max"]
        if not np.isfinite(columns[axis]).all():
            middle = (low + high - 1) / 2
            columns[axis] = np.where(np.isfinite(columns[axis]), columns[axis], middle)
        if not np.isfinite(low).any():
            columns[f"{axis}_min"] = columns[axis] + 0.5 - columns["major"]
            columns[f"{axis}_max"] = columns[axis] + 0.5 + columns["major"]
