"""A comparison of sources as text, as JSON, and as figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from astrodetect.evaluation.rates import Rate
from astrodetect.evaluation.sources.judge import ClassResult, SourceEvaluation
from astrodetect.evaluation.sources.score import Score

#: What a limit is called.
_LIMIT = {"iou": "IoU at least", "distance": "centres within (px)", "shape": "shape distance at most"}


def to_dict(made: SourceEvaluation) -> dict[str, Any]:
    """Give a comparison as JSON has it; what is no number is None."""
    return {
        "match": made.how.match,
        "limit": made.how.least,
        "n_images": made.n_images,
        "mAP": {name: _finite(value) for name, value in made.mean_average_precision.items()},
        "classes": [_class_dict(own, made.how.purity) for own in made.classes],
        "not_in_catalog": list(made.not_in_catalog),
        "not_in_truth": list(made.not_in_truth),
        "failed": list(made.failed),
        "note": made.note,
    }


def _class_dict(own: ClassResult, purity: float) -> dict[str, Any]:
    return {
        "label": own.label,
        "n_true": own.n_true, "n_difficult": own.n_difficult, "n_found": own.n_found,
        **{name: _finite(value) for name, value in own.average_precision.items()},
        "completeness": own.completeness.to_dict(),
        "purity": own.purity.to_dict(),
        "completeness_at_purity": {"purity": purity, "completeness": _finite(own.completeness_at_purity)},
        "blended": own.blended.to_dict(),
        "score": None if own.score is None else own.score.to_dict(),
        "by_flux": [
            {name: value.to_dict() if isinstance(value, Rate) else value for name, value in row.items()}
            for row in own.by_flux
        ],
        "recall": own.curve.recall.tolist(),
        "precision": own.curve.precision.tolist(),
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_text(made: SourceEvaluation) -> str:
    """Give a comparison as text for a terminal."""
    limit = f"{_LIMIT[made.how.match]} {made.how.least:g}"
    lines = [f"Matched by {made.how.match} ({limit}) in {made.n_images} images (intervals: 95 %, Wilson)"]
    if made.note:
        lines.append(made.note)
    means = ", ".join(f"m{name} {value:.4f}" for name, value in made.mean_average_precision.items())
    if means:
        lines.append(f"  {means}  (mean over {len(made.classes)} classes)")
    for own in made.classes:
        lines += ["", *_class_lines(own, made.how.purity)]
    lines += _remarks(made)
    return "\n".join(lines) + "\n"


def _class_lines(own: ClassResult, purity: float) -> list[str]:
    precisions = ", ".join(f"{name} {value:.4f}" for name, value in own.average_precision.items())
    lines = [
        f"{own.label}: {own.n_true} sources and {own.n_difficult} difficult ones, {own.n_found} detections",
        f"  {precisions}",
        f"  completeness  {own.completeness}",
        f"  purity        {own.purity}",
        f"  completeness at purity {purity:g}: {own.completeness_at_purity:.3f}",
    ]
    if own.blended.n:
        lines.append(f"  completeness of blended sources  {own.blended}")
    if own.score is not None:
        lines += _score_lines(own.score)
    if own.by_flux:
        lines.append("  By flux (sum of pixels): completeness by what is true, purity by what was measured")
    lines += [
        f"    {row['low']:.2e} - {row['high']:.2e}   {row['completeness']!s:<40} {row['purity']!s}"
        for row in own.by_flux
    ]
    return lines


def _score_lines(score: Score) -> list[str]:
    given = score.to_dict()
    parts = ", ".join(f"{name} {value:.3f}" for name, value in given["parts"].items())
    return [
        f"  score {score.value:.1f}, per true source {score.per_source:.3f}: {score.n_match} matches, "
        f"{score.n_found - score.n_match} false",
        f"    marks: {parts or 'none'}",
    ]


def _remarks(made: SourceEvaluation) -> list[str]:
    lines = []
    for names, what in (
        (made.not_in_catalog, "images of the truth are not in the catalog"),
        (made.not_in_truth, "images of the catalog are not in the truth (empty, unless --ignore-unlisted)"),
        (made.failed, "images failed, their sources count as missed"),
    ):
        if names:
            more = ", ..." if len(names) > 3 else ""
            lines.append(f"{len(names)} {what}: {', '.join(names[:3])}{more}")
    return ["", *lines] if lines else []


def write_report(made: SourceEvaluation, folder: Path) -> list[Path]:
    """Write ``sources.json``, ``by-flux.csv`` and ``sources.png`` (curves, and completeness by flux).

    Raises
    ------
    AstrodetectError
        Matplotlib is not installed.
    """
    import csv
    import io
    import json

    from astrodetect.exchange.files import save

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["label", "flux_low", "flux_high", "n_true", "n_complete", "n_measured", "n_pure"])
    for own in made.classes:
        for row in own.by_flux:
            complete, pure = row["completeness"], row["purity"]
            writer.writerow(
                [own.label, row["low"], row["high"], complete.n, complete.hits, pure.n, pure.hits]
            )
    files = {
        "sources.json": json.dumps(to_dict(made), indent=2, allow_nan=False).encode(),
        "by-flux.csv": table.getvalue().encode(),
        "sources.png": _figure(made),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return save(files.items(), folder, overwrite=True)


def _figure(made: SourceEvaluation) -> bytes:
    import io

    from astrodetect.training.plots import figure

    drawn, axes = figure(2)
    left, right = axes[0]
    for own in made.classes:
        first = next(iter(own.average_precision.items()))
        label = f"{own.label}: {first[0]} {first[1]:.3f}"
        left.plot(own.curve.recall, own.curve.precision, drawstyle="steps-post", label=label)
        middles = [math.sqrt(row["low"] * row["high"]) for row in own.by_flux]
        for name, style in (("completeness", "o-"), ("purity", "s:")):
            right.plot(middles, [row[name].value for row in own.by_flux], style, label=f"{own.label}: {name}")
    left.set(xlabel="recall (completeness)", ylabel="precision (purity)", xlim=(0, 1.02), ylim=(0, 1.02))
    right.set(xlabel="flux (sum of pixels)", ylim=(0, 1.02))
    if any(own.by_flux for own in made.classes):
        right.set_xscale("log")
    for ax in (left, right):
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="small")
    held = io.BytesIO()
    drawn.savefig(held, dpi=110, format="png")
    return held.getvalue()
