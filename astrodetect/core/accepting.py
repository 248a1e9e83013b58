"""The threshold that keeps a wanted recall, or a wanted number of false alarms per night."""

from __future__ import annotations

from astrodetect.core.stages import Stage
from astrodetect.core.tables import AcceptSettings


def least_probability(accept: AcceptSettings, stage: Stage) -> float:
    """Give the threshold that keeps the wanted recall, or the wanted number of false alarms per night.

    Parameters
    ----------
    accept : AcceptSettings
        With one of the two. Of several labels each keeps the recall; the false alarms are shared out.
    stage : Stage
        What gives the labels.

    Raises
    ------
    ValueError
        Nothing is stored with the model, or it says that this cannot be had.
    AstrodetectError
        The model cannot be read.
    """
    found = []
    for label in accept.labels:
        curve = stage.operating_curve(label)
        if curve is None:
            raise ValueError(
                f"recall and false_per_night need a model with a stored calibration; "
                f"for {label!r} it has none"
            )
        if accept.recall is not None:
            found.append(curve.for_recall(accept.recall))
        elif accept.false_per_night is not None:
            found.append(curve.for_false_per_night(accept.false_per_night / len(accept.labels)))
    return min(found) if accept.recall is not None else max(found)
