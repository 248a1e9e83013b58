"""From patches to candidates: in the single frames of a window, or in what was kept of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.core.geometry import clip_box
from astrodetect.methods.candidates import Candidate, Search, standing
from astrodetect.methods.in_frames import FrameSearch
from astrodetect.methods.in_planes import PlaneSearch
from astrodetect.methods.look import Look

#: Windows of fewer frames are looked at in their maximum alone.
_LEAST_FRAMES = 4


def find_candidates(
    window: Window,
    corners_yx: NDArray[np.int64],
    size: tuple[int, int],
    scores: Sequence[float],
    search: Search,
    look: Callable[[], Look],
) -> list[Candidate]:
    """Find what is in the patches of a window, best score first.

    What is found is taken out before the search goes on, so that one object in several patches is
    found once, and two in one patch are found both.

    Parameters
    ----------
    window : Window
        With planes ``max``, ``background``, ``image``, ``argmax``.
    corners_yx : (K, 2) int array
        First pixels of the patches; may lie outside.
    size : (int, int)
        Height and width of the patches.
    scores : sequence of float
        Of the patches.
    search : Search
        What decides.
    look : callable
        Gives the window as significance; asked for where there are no frames to search.

    Returns
    -------
    list of Candidate
    """
    if not len(corners_yx):
        return []
    in_frames = window.frames is not None and window.n_frames >= _LEAST_FRAMES
    place: FrameSearch | PlaneSearch
    place = FrameSearch(window, search) if in_frames else PlaneSearch(window, search, look())
    found: list[Candidate] = []
    for (top, left), score in zip(corners_yx.tolist(), scores, strict=True):
        rows = clip_box(top, size[0], window.shape[0])[0]
        columns = clip_box(left, size[1], window.shape[1])[0]
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        patch, moving = place.look_into(rows, columns, float(score), found)
        found.extend(moving)
        if not moving:
            still = standing(patch, window, search)
            if still is not None and not _explained(still, found):
                found.append(still)
    return found


def _explained(still: Candidate, found: Sequence[Candidate]) -> bool:
    """Tell whether what stands lies on the track of what moves: a star that it passed, a part of it."""
    x, y = still.points[0].x, still.points[0].y
    return any(
        np.hypot(point.x - x, point.y - y) < candidate.shape.width + 4 + 0.5 * candidate.line.speed
        for candidate in found
        if candidate.line is not None
        for point in candidate.points
    )
