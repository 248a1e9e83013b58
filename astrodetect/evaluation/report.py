"""An evaluation as text and as JSON."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

from astrodetect.evaluation import completeness
from astrodetect.evaluation.compare import Evaluation, Row
from astrodetect.evaluation.rates import Rate

#: Edges of the bins: of objects by what the truth says, of detections by what was measured.
SPEED_EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, math.inf)
SNR_EDGES = (0.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 50.0, math.inf)
#: Detections are expected to be reliable from here.
RELIABLE_SNR = 6.0
#: Rows of a list in the text.
_SHOWN = 30


def _bins(
    evaluation: Evaluation, column: str, measured: str, edges: tuple[float, ...]
) -> list[dict[str, Any]]:
    rows = []
    for low, high in itertools.pairwise(edges):
        recall = evaluation.recall_where(column, low, high)
        precision = evaluation.precision_where(measured, low, high)
        if recall.n or precision.n:
            rows.append({"low": low, "high": high, "recall": recall, "precision": precision})
    return rows


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Give an evaluation as plain values for JSON; what is not a number is None."""
    return {
        "labels": list(evaluation.labels),
        "n_recordings": evaluation.n_recordings,
        "recall": evaluation.recall.to_dict(),
        "precision": evaluation.precision.to_dict(),
        "candidate_recall": evaluation.candidate_recall.to_dict(),
        "reliable": {
            "snr_over": RELIABLE_SNR,
            "recall": evaluation.recall_where("peak_snr", RELIABLE_SNR).to_dict(),
        },
        "by_speed": [_plain(row) for row in _bins(evaluation, "speed", "speed", SPEED_EDGES)],
        "by_snr": [_plain(row) for row in _bins(evaluation, "peak_snr", "snr", SNR_EDGES)],
        **completeness.to_dict(evaluation),
        "objects": [
            {
                "path": item.path,
                "object": item.truth.object,
                "label": item.truth.label,
                "outcome": item.outcome,
                "peak_snr": _finite(item.truth.peak_snr),
                "speed": _finite(item.truth.speed),
                "detection": _row(item.detection or item.candidate),
            }
            for item in evaluation.objects
        ],
        "false_alarms": [
            {"path": item.path, "explanation": item.explanation, "detection": _row(item.detection)}
            for item in evaluation.false_alarms
        ],
        "not_in_catalog": list(evaluation.not_in_catalog),
        "not_in_truth": list(evaluation.not_in_truth),
        "failed": list(evaluation.failed),
        "objects_left_out": evaluation.objects_left_out,
        "outside": [f"{item.path}: {item.object or 'object'}" for item in evaluation.outside],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.to_dict() if isinstance(value, Rate) else _finite(value) for name, value in row.items()
    }


def _row(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {name: _finite(value) if isinstance(value, float) else value for name, value in row.items()}


def to_text(evaluation: Evaluation) -> str:
    """Give an evaluation as text for a terminal."""
    wanted = ", ".join(evaluation.labels)
    lines = [
        f"Looked for: {wanted} in {evaluation.n_recordings} recordings (intervals: 95 %, Wilson)",
        f"  recall      {evaluation.recall}",
        f"  precision   {evaluation.precision}",
        f"  recall with signal-to-noise over {RELIABLE_SNR:g}   "
        f"{evaluation.recall_where('peak_snr', RELIABLE_SNR)}",
        f"  recall with what was not accepted   {evaluation.candidate_recall}",
        f"  false alarms   {evaluation.alarms_per_hour}",
    ]
    for title, column, measured, edges in (
        ("speed (px/frame)", "speed", "speed", SPEED_EDGES),
        ("signal-to-noise", "peak_snr", "snr", SNR_EDGES),
    ):
        rows = _bins(evaluation, column, measured, edges)
        lines += ["", f"By {title}: recall by what is true, precision by what was measured"]
        lines += [f"  {_range(row):>10}   {row['recall']!s:<40} {row['precision']!s}" for row in rows]
        unknown = sum(math.isnan(getattr(item.truth, column)) for item in evaluation.objects)
        if unknown:
            lines.append(f"  {'unknown':>10}   {unknown} objects")
    lines += completeness.to_text(evaluation)
    lines += _missed(evaluation) + _false(evaluation) + _remarks(evaluation)
    return "\n".join(lines) + "\n"


def _range(row: dict[str, Any]) -> str:
    return f"{row['low']:g}-{row['high']:g}" if math.isfinite(row["high"]) else f"over {row['low']:g}"


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"  ... and {more} more (--json lists all)"]


def _missed(evaluation: Evaluation) -> list[str]:
    missed = [item for item in evaluation.objects if item.detection is None]
    if not missed:
        return []
    lines = [
        f"  {item.path} {item.truth.object}: {item.outcome} "
        f"(signal-to-noise {item.truth.peak_snr:.1f}, {item.truth.speed:.1f} px/frame)"
        for item in missed
    ]
    counts = Counter(item.outcome for item in missed)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return ["", f"Not found: {len(missed)} ({summary})", *_cut(lines)]


def _false(evaluation: Evaluation) -> list[str]:
    alarms = evaluation.false_alarms
    if not alarms:
        return []
    lines = [
        f"  {item.path} frames {item.detection.get('frame_start', '?')}-"
        f"{item.detection.get('frame_end', '?')} at ({float(item.detection.get('x_start', math.nan)):.0f}, "
        f"{float(item.detection.get('y_start', math.nan)):.0f}): {item.explanation}"
        for item in alarms
    ]
    counts = Counter(item.explanation for item in alarms)
    summary = ", ".join(f"{count} {explanation}" for explanation, count in counts.most_common())
    return ["", f"False alarms: {len(alarms)} ({summary})", *_cut(lines)]


def _remarks(evaluation: Evaluation) -> list[str]:
    lines = []
    if evaluation.not_in_catalog:
        lines.append(
            f"{len(evaluation.not_in_catalog)} recordings of the truth are not in the catalog "
            f"({evaluation.objects_left_out} objects not counted): {_some(evaluation.not_in_catalog)}"
        )
    if evaluation.not_in_truth:
        lines.append(
            f"{len(evaluation.not_in_truth)} recordings of the catalog are not in the truth "
            f"(taken as empty unless --ignore-unlisted): {_some(evaluation.not_in_truth)}"
        )
    if evaluation.failed:
        lines.append(
            f"{len(evaluation.failed)} recordings failed, their objects count as missed: "
            f"{_some(evaluation.failed)}"
        )
    if evaluation.outside:
        lines.append(f"{len(evaluation.outside)} objects lie outside of their recordings and are not counted")
    return ["", *lines] if lines else []


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
