"""What a threshold costs, measured on a catalog with truth, and stored with the model that gave the
labels."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.operating import OperatingCurve, operating_curve
from astrodetect.evaluation.compare import evaluate
from astrodetect.evaluation.rates import hours_of
from astrodetect.evaluation.truth import TruthObject

#: Reasons for which a detection with the label may have been turned down, and would not be at another
#: threshold.
_BY_THRESHOLD = ("", "below threshold")


def measure(
    detections: Any,
    recordings: Any,
    truth: Sequence[TruthObject],
    label: str,
    *,
    ignore_unlisted: bool = False,
) -> OperatingCurve:
    """Measure what each threshold on the probability of a label costs.

    Parameters
    ----------
    detections, recordings : table or mapping of str to array
        As in the catalog; made with any threshold, rejects are kept.
    truth : sequence of TruthObject
        Objects.
    label : str
        Which label.
    ignore_unlisted : bool
        As in `astrodetect.evaluation.evaluate`.
    """
    columns = {name: np.asarray(detections[name]) for name in detections.keys()}  # noqa: SIM118
    reasons = columns.get("reason", np.full(len(columns["label"]), ""))
    columns["accepted"] = (columns["label"] == label) & np.isin(reasons, _BY_THRESHOLD)
    result = evaluate(columns, recordings, truth, (label,), ignore_unlisted=ignore_unlisted)
    found = [
        math.nan if item.detection is None else float(item.detection["probability"])
        for item in result.objects
    ]
    false = [float(alarm.detection["probability"]) for alarm in result.false_alarms]
    return operating_curve(found, false, hours_of(recordings))


def store(path: Path, curves: dict[str, OperatingCurve]) -> None:
    """Store curves with a model.

    Parameters
    ----------
    path : Path
        A model (``.safetensors``), or the coefficients of the classifier `streak` (``.json``).
    curves : dict of str to OperatingCurve
        By label.

    Raises
    ------
    AstrodetectError
        It is neither, or cannot be read or written.
    """
    table = {label: curve.to_dict() for label, curve in curves.items()}
    if path.suffix != ".json":
        from astrodetect.plugins.models.header import read_info, write_info

        write_info(path, {"operating": {**read_info(path).get("operating", {}), **table}})
        return
    from astrodetect.methods.probability import read_model

    partial = path.with_name(path.name + ".partial")
    try:
        text = path.read_text(encoding="utf-8")
        read_model(text, str(path))
        given = json.loads(text)
        given["operating"] = {**given.get("operating", {}), **table}
        partial.write_text(json.dumps(given, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be written: {error.strerror or error}") from error


def to_text(curve: OperatingCurve, label: str) -> str:
    """Give what some thresholds cost, a line each."""
    lines = [f"{label}: {curve.n_objects} objects, {curve.hours:.2f} h\n"]
    for wanted in (0.9, 0.95, 0.98, 0.99):
        try:
            lines.append(f"recall {wanted:g}: threshold {curve.for_recall(wanted):.4f}\n")
        except ValueError as error:
            lines.append(f"recall {wanted:g}: {error}\n")
    for allowed in (10.0, 1.0):
        try:
            threshold = curve.for_false_per_night(allowed)
            at = int(np.searchsorted(curve.thresholds, threshold))
            lines.append(
                f"{allowed:g} false per night: threshold {threshold:.4f}, recall {curve.recall[at]:.3f}\n"
            )
        except ValueError as error:
            lines.append(f"{allowed:g} false per night: {error}\n")
    return "".join(lines)
