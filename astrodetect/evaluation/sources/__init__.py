"""Compare still images full of sources with truth: average precision, completeness, purity, a score."""

from astrodetect.evaluation.sources.curves import average_precision
from astrodetect.evaluation.sources.judge import ClassResult, How, SourceEvaluation, evaluate_sources
from astrodetect.evaluation.sources.pairs import MATCHES, Match
from astrodetect.evaluation.sources.score import Score, ScoreSettings, score_sources
from astrodetect.evaluation.sources.table import Sources

__all__ = [
    "MATCHES",
    "ClassResult",
    "How",
    "Match",
    "Score",
    "ScoreSettings",
    "SourceEvaluation",
    "Sources",
    "average_precision",
    "evaluate_sources",
    "score_sources",
]
