"""Where in a window something is to be seen, and what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.evaluation.truth import TruthObject
from astrodetect.plugins.scorers.peak_snr import PeakSnr
from astrodetect.plugins.selectors.top_k import TopK
from astrodetect.training.samples.labels import NOTHING, UNSURE

#: Part of an object's frames (or of the window's, if these are fewer) that must lie in a window, and the
#: least number: with fewer it is neither there nor not there.
_PART, _LEAST = 0.25, 2
NAN = float("nan")


@dataclass(frozen=True)
class Seen:
    """An object in a window.

    Attributes
    ----------
    item : TruthObject
        The object.
    how : str
        How its place is known: ``truth``, ``camera``, ``score``.
    path_yx : (n, 2) array
        Where it was in the frames of the window; empty if nobody knows.
    sure : bool
        It is really to be seen in this window.
    """

    item: TruthObject
    how: str
    path_yx: NDArray[np.float64]
    sure: bool


@dataclass(frozen=True)
class Place:
    """A place to cut at.

    Attributes
    ----------
    y, x : float
        Centre in pixels.
    label, object : str
        What is there.
    how : str
        ``truth``, ``camera``, ``score`` or ``chance``.
    snr : float
        Of the object, where the truth has it.
    score : float
        How interesting it looks; NaN where nobody asked.
    """

    y: float
    x: float
    label: str
    object: str
    how: str
    snr: float = NAN
    score: float = NAN


def objects_in(
    window: Window, objects: Sequence[tuple[TruthObject, str]], wanted: Sequence[str], least_snr: float
) -> list[Seen]:
    """Give the objects that have frames in common with a window.

    Parameters
    ----------
    window : Window
        Which frames.
    objects : sequence of (TruthObject, str)
        And how their places are known.
    wanted : sequence of str
        Labels that are looked for. One of which nobody knows when and where it is seen in a recording is
        not sure in any of its windows; of others it does not matter.
    least_snr : float
        Fainter objects are there, and nobody can see them.
    """
    first, last = window.start, window.start + window.n_frames - 1
    found = []
    for item, how in objects:
        begin, end = item.frame_first, item.frame_last
        if timeless := timeless_item(item):
            begin, end = float(first), float(last)
        low, high = max(first, math.floor(begin)), min(last, math.ceil(end))
        if low > high:
            continue
        needed = min(end - begin + 1, max(_LEAST, _PART * min(end - begin + 1, window.n_frames)))
        sure = high - low + 1 >= needed and item.label != UNSURE and not item.peak_snr < least_snr
        known = how != "score" and not (timeless and not item.track)
        path = _path(item, low, high, window.shape) if known else np.empty((0, 2))
        if known and not len(path):
            continue  # out of the frame at that time
        vague = timeless and not known and item.label in wanted
        found.append(Seen(item, how, path, sure and not vague))
    return found


def timeless_item(item: TruthObject) -> bool:
    """Say whether it is unknown in which frames an object is."""
    return math.isnan(item.frame_first + item.frame_last)


def _path(item: TruthObject, low: int, high: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give the places (n, 2) in the frames `low` to `high` that lie in the image."""
    frames = np.linspace(low, high, min(400, high - low + 1))
    xy = np.array([item.position(float(frame)) for frame in frames])
    inside = np.all((xy > -0.5) & (xy < np.array([shape[1], shape[0]]) - 0.5), axis=1)
    return np.ascontiguousarray(xy[inside][:, ::-1])


def along(path_yx: NDArray[np.float64], side: int, most: int) -> NDArray[np.float64]:
    """Give places (k, 2) evenly along a path, about one for each `side` pixels, `most` at most.

    Examples
    --------
    >>> along(np.array([[0.0, 0.0], [0.0, 100.0]]), 50, 4).tolist()
    [[0.0, 16.666666666666664], [0.0, 50.0], [0.0, 83.33333333333334]]
    """
    steps = np.hypot(*np.diff(path_yx, axis=0).T) if len(path_yx) > 1 else np.empty(0)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    n = min(most, 1 + int(length[-1] // side))
    at = (np.arange(n) + 0.5) / n * length[-1]
    return np.stack([np.interp(at, length, path_yx[:, axis]) for axis in (0, 1)], axis=1)


class Chooser:
    """Chooses where in a window crops are cut.

    Parameters
    ----------
    wanted : sequence of str
        Labels that are looked for.
    side : int
        Height and width of a crop.
    crops, others, chance : int
        Most crops along an object; places that look interesting; random places.
    """

    def __init__(self, wanted: Sequence[str], side: int, crops: int, others: int, chance: int) -> None:
        self.wanted = wanted
        self.side, self.crops, self.others, self.chance = side, crops, others, chance
        self.scorer = PeakSnr()

    def places(self, window: Window, seen: Sequence[Seen]) -> list[Place]:
        """Give the places of what is known to be there, and of what is known not to be it."""
        made = [
            Place(float(y), float(x), one.item.label, one.item.object, one.how, one.item.peak_snr)
            for one in seen
            if one.sure and len(one.path_yx)
            for y, x in along(one.path_yx, self.side, self.crops)
        ]
        lost = [one for one in seen if not len(one.path_yx)]
        if any(one.item.label in (*self.wanted, UNSURE) for one in lost):
            # It is somewhere: no place is known to be free of it, and the brightest is the likeliest.
            sure = [one.item for one in lost if one.sure and one.item.label in self.wanted]
            best = self.interesting(window)[: len(sure)]
            return made + [
                replace(place, label=item.label, object=item.object, snr=item.peak_snr)
                for place, item in zip(best, sure, strict=False)
            ]
        taken = np.concatenate([one.path_yx for one in seen]) if seen else np.empty((0, 2))
        free = [place for place in self.interesting(window, len(taken)) if self._free(place, taken)]
        for one in lost[:1]:
            if timeless_item(one.item):  # all that is known of the recording
                free = [replace(place, label=one.item.label, object=one.item.object) for place in free]
        return made + free[: self.others] + self._random(window, taken)

    def interesting(self, window: Window, more: int = 0) -> list[Place]:
        """Give the places with the highest scores, best first."""
        selector = TopK(k=self.others + min(more, 8) + 1, suppress=self.side / 2)
        chosen = selector.select(self.scorer.score(window))
        return [
            Place(float(y), float(x), NOTHING, "", "score", score=float(score))
            for (y, x), score in zip(chosen.centres_yx, chosen.scores, strict=True)
        ]

    def _free(self, place: Place, taken_yx: NDArray[np.float64]) -> bool:
        apart = np.abs(taken_yx - [place.y, place.x]).max(axis=1)
        return bool((apart > 0.75 * self.side).all())

    def _random(self, window: Window, taken_yx: NDArray[np.float64]) -> list[Place]:
        rng = window.rng()
        drawn = rng.uniform(0, [length - 1 for length in window.shape], (4 * self.chance, 2))
        places = [Place(float(y), float(x), NOTHING, "", "chance") for y, x in drawn]
        return [place for place in places if self._free(place, taken_yx)][: self.chance]


def frame_place(window: Window, seen: Sequence[Seen], wanted: Sequence[str]) -> Place | None:
    """Give the label of a whole frame: of the brightest wanted object, else of another; None: nobody knows.

    Parameters
    ----------
    window : Window
        Which.
    seen : sequence of Seen
        What is in it.
    wanted : sequence of str
        Labels that are looked for.
    """
    y, x = ((length - 1) / 2 for length in window.shape)
    sure = [one.item for one in seen if one.sure]
    best = [item for item in sure if item.label in wanted]
    if not best and any(not one.sure and one.item.label in (*wanted, UNSURE) for one in seen):
        return None
    chosen = max(best or sure, key=lambda item: np.nan_to_num(item.peak_snr), default=None)
    if chosen is None:
        return Place(y, x, NOTHING, "", "frame")
    return Place(y, x, chosen.label, chosen.object, "frame", chosen.peak_snr)
