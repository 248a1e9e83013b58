"""Finding what moved in the maximum image, where single frames were not kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.candidates import Candidate, Patch, Search, followed
from astrodetect.methods.features import beside
from astrodetect.methods.look import Look
from astrodetect.methods.measure import trail_width
from astrodetect.methods.streaks import Line, find_lines, follow

#: Objects that are looked for in one patch.
_PER_PATCH = 2


@dataclass(frozen=True)
class PlaneSearch:
    """Looks into patches of the planes of a window; the pixels of what it finds are taken out."""

    window: Window
    search: Search
    look: Look
    z: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        """Take a copy, as what is found is set to nothing in it."""
        object.__setattr__(self, "z", self.look.z.copy())

    def look_into(
        self, rows: slice, columns: slice, score: float, found: Sequence[Candidate]
    ) -> tuple[Patch, list[Candidate]]:
        """Find what moves in a patch and was not found before."""
        part = rows, columns
        patch = Patch(*part, self.z[part], self.look.argmax[part], self.look.image[part], score)
        moving: list[Candidate] = []
        while len(moving) < _PER_PATCH:
            candidate = self._moving(patch)
            if candidate is None:
                break
            moving.append(candidate)
        return patch, moving

    def _moving(self, patch: Patch) -> Candidate | None:
        window, look, z = self.window, self.look, self.z
        corner = patch.rows.start, patch.columns.start
        lines = find_lines(patch.z, patch.when, corner, window.n_frames)
        if not lines:
            return None
        lines = [follow(line, z, look.argmax, window.n_frames, window.mask) for line in lines]
        line = max(lines, key=lambda item: item.evidence)
        # Correlated pixels are fewer witnesses than they seem.
        line = replace(line, evidence=line.evidence / look.correlation)
        if line.evidence < self.search.evidence or line.length < 2:
            return None
        width = trail_width(line, look.image)
        clear = beside(line, z, look.argmax, width)
        candidate = followed(window, patch, line, width, clear, self.search)
        _take_out(
            z, look.argmax, line if candidate is None or candidate.line is None else candidate.line, width
        )
        return candidate


def _take_out(z: NDArray[np.float32], argmax: NDArray[Any], line: Line, width: float) -> None:
    """Set the pixels of an object to nothing, so that it is not found again."""
    s = np.linspace(line.first, line.last, 9)
    y, x = line.position(s)
    margin = 2.0 * width + 4
    rows = slice(max(int(y.min() - margin), 0), max(int(y.max() + margin) + 1, 0))
    columns = slice(max(int(x.min() - margin), 0), max(int(x.max() + margin) + 1, 0))
    part, when = z[rows, columns], argmax[rows, columns]
    if part.size == 0:
        return
    yy, xx = np.mgrid[rows.start : rows.start + part.shape[0], columns.start : columns.start + part.shape[1]]
    along, aside = line.coordinates(yy, xx)
    mine = (along >= line.first - margin) & (along <= line.last + margin) & (np.abs(aside) <= 1.5 * width + 2)
    mine &= np.abs(when - line.time(np.clip(along, line.first, line.last))) <= 2 * line.tolerance() + 2
    part[mine] = 0
