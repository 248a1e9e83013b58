"""Compare a catalog with truth: what was found, what was missed, what was found and is not there."""

from astrodetect.evaluation.compare import Evaluation, FalseAlarm, Judged, evaluate
from astrodetect.evaluation.matching import match, separation, tolerance
from astrodetect.evaluation.rates import Frequency, Rate, wilson_interval
from astrodetect.evaluation.truth import TruthObject, read_tracks, read_truth

__all__ = [
    "Evaluation",
    "FalseAlarm",
    "Frequency",
    "Judged",
    "Rate",
    "TruthObject",
    "evaluate",
    "match",
    "read_tracks",
    "read_truth",
    "separation",
    "tolerance",
    "wilson_interval",
]
