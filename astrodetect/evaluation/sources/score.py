"""One score for finding and measuring: the quality of what was found, less what is false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from astrodetect.evaluation.sources.pairs import FARTHEST, Pairs, pairs_of
from astrodetect.evaluation.sources.table import Sources
from astrodetect.methods.ellipses import angle_between

Positive = Annotated[float, Gt(0)]
#: What is judged of a match, in this order.
PARTS = ("position", "flux", "major", "minor", "theta", "label")


@dataclass(frozen=True)
class ScoreSettings:
    """How large an error of a measurement may be and still have full marks.

    An error e has the mark min(1, threshold / e), as in the first data challenge of the SKA.
    """

    #: Distance of the centres, in units of sqrt(s^2 + 3 b^2): s is the mean of both axes of the source as
    #: seen, b the width of the beam (0 where it is not known).
    position: Positive = 0.3
    #: Relative error of the flux.
    flux: Positive = 0.1
    #: Relative error of the major axis.
    major: Positive = 0.3
    #: Relative error of the minor axis.
    minor: Positive = 0.3
    #: Error of the angle, degrees; an axis turned by 180 degrees is the same.
    theta: Positive = 10.0
    #: Largest `astrodetect.evaluation.sources.pairs.shape_distance` of a match.
    farthest: Positive = FARTHEST
    #: Judge the label, too: 1 or 0.
    label: bool = False


@dataclass(frozen=True)
class Score:
    """What was scored.

    Attributes
    ----------
    n_true, n_found, n_match : int
        Sources to be found; detections, without those on difficult sources; matches.
    marks : mapping of str to float
        Sum over the matches of the mark of each part (`PARTS`) that the truth knows.
    counts : mapping of str to int
        Matches of which the truth knows the part.
    quality : float
        Sum over the matches of their mean mark.
    """

    n_true: int
    n_found: int
    n_match: int
    marks: dict[str, float]
    counts: dict[str, int]
    quality: float

    @property
    def value(self) -> float:
        """Quality less the number of false detections."""
        return self.quality - (self.n_found - self.n_match)

    @property
    def per_source(self) -> float:
        """Score over the number of true sources; 1 is perfect. NaN without sources."""
        return self.value / self.n_true if self.n_true else float("nan")

    def __add__(self, other: Score) -> Score:
        """Give the score of two images together."""
        return Score(
            self.n_true + other.n_true,
            self.n_found + other.n_found,
            self.n_match + other.n_match,
            {part: self.marks[part] + other.marks[part] for part in self.marks},
            {part: self.counts[part] + other.counts[part] for part in self.counts},
            self.quality + other.quality,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON has it."""
        parts = {part: self.marks[part] / n for part, n in self.counts.items() if n}
        return {
            "score": self.value,
            "per_source": self.per_source if self.n_true else None,
            "n_true": self.n_true, "n_found": self.n_found, "n_match": self.n_match,
            "n_false": self.n_found - self.n_match,
            "quality": self.quality / self.n_match if self.n_match else None, "parts": parts,
        }  # fmt: skip


def score_sources(found: Sources, true: Sources, how: ScoreSettings | None = None) -> Score:
    """Score the detections of one image.

    A detection is compared with the sources within its own size; of these it may be the one at the
    smallest `shape_distance`, and of several detections of a source the nearest is it. What lies farther than
    `ScoreSettings.farthest` is false. A detection on a difficult source counts nowhere.

    Parameters
    ----------
    found, true : Sources
        Of one image.
    how : ScoreSettings, optional
        What has full marks.

    Returns
    -------
    Score

    References
    ----------
    Bonaldi et al. 2021, MNRAS 500, 3821. Different from there: sizes are those as seen, not deconvolved;
    angles are folded at 180 degrees (the published scorer subtracts 90 and 45 degrees, so that axes 45
    degrees apart have full marks, and 1 and 179 degrees are 43 apart); there is no core fraction; and what
    the truth does not know is not judged.
    """
    how = how or ScoreSettings()
    chosen = nearest(pairs_of(found, true, "shape", how.farthest))
    ignored = true["difficult"][chosen.true]
    matched = chosen.where(~ignored)
    marks = marks_of(found.take(matched.found), true.take(matched.true), how)
    known = ~np.isnan(marks)
    quality = np.nansum(marks, axis=0) / np.maximum(known.sum(axis=0), 1)
    return Score(
        int((~true["difficult"]).sum()),
        len(found) - int(ignored.sum()),
        len(matched.found),
        dict(zip(PARTS, np.nansum(marks, axis=1).tolist(), strict=True)),
        dict(zip(PARTS, known.sum(axis=1).tolist(), strict=True)),
        float(quality.sum()),
    )


def nearest(pairs: Pairs) -> Pairs:
    """Keep for each detection its best source, and for each source its best detection."""
    best = pairs
    for rows in ("found", "true"):
        order = np.lexsort([-best.fit, getattr(best, rows)])
        values = getattr(best, rows)[order]
        first = np.append(True, values[1:] != values[:-1])[: len(values)]
        best = Pairs(best.found[order][first], best.true[order][first], best.fit[order][first])
    return best


def marks_of(found: Sources, true: Sources, how: ScoreSettings) -> NDArray[np.float64]:
    """Give the marks of matches, row by row.

    Returns
    -------
    (6, n) float64 array
        Between 0 and 1, in the order of `PARTS`; NaN where the truth does not know, 0 where only the
        detection does not.
    """
    beam = np.nan_to_num(true["beam"])
    reach = np.sqrt(true.size**2 + 3 * beam**2)
    errors = {
        "position": np.hypot(found["x"] - true["x"], found["y"] - true["y"]) / reach,
        "theta": angle_between(found["theta"], true["theta"]),
        **{name: np.abs(found[name] / true[name] - 1) for name in ("flux", "major", "minor")},
    }
    marks = np.full((len(PARTS), len(true)), np.nan)
    for row, part in enumerate(PARTS[:-1]):
        limit = getattr(how, part)
        mark = limit / np.maximum(errors[part], limit)
        known = np.isfinite(reach if part == "position" else true[part])
        marks[row] = np.where(known, np.nan_to_num(mark), np.nan)
    if how.label:
        marks[-1] = found["label"] == true["label"]
    return marks
