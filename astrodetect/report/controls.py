"""What a reader can choose: filters, what is drawn, and the panel in which detections are judged."""

from __future__ import annotations

import hashlib

from astrodetect.catalogs.reader import Catalog
from astrodetect.catalogs.reviews import wanted_labels
from astrodetect.core.columns import LABELS
from astrodetect.report.markup import text
from astrodetect.report.night import Night

_OFF = 'autocomplete="off"'


def controls(night: Night) -> str:
    """Give the bar of filters and switches."""
    labels = sorted(night.summary.labels.items())
    fields = [_select("by-label", "Label", "all", labels)]
    if len(night.cameras) > 1:
        fields.append(_select("by-camera", "Camera", "all", sorted(night.cameras.items())))
    fields.append(
        '<label>Probability \u2265 <input type="number" id="by-probability" min="0" max="1" step="0.05" '
        f'value="0" {_OFF}></label>'
    )
    if night.time_first <= night.time_last:
        for name, said in (("since", "From (UTC)"), ("until", "to")):
            fields.append(f'<label>{said} <input type="datetime-local" id="{name}" step="1" {_OFF}></label>')
    fields.append(
        f'<label>Review <select id="by-review" {_OFF}><option value="">all</option>'
        '<option value="open">not reviewed</option><option value="done">reviewed</option></select></label>'
    )
    return (
        '<form class="controls" aria-label="What is shown">'
        f'{"".join(fields)}{_switches(night)}<button type="button" id="review-start" '
        'aria-keyshortcuts="v">Review\u2026</button></form>\n'
    )


def _select(name: str, said: str, every: str, counted: list[tuple[str, int]]) -> str:
    options = "".join(
        f'<option value="{text(value)}">{text(value) or "unnamed"} ({n})</option>' for value, n in counted
    )
    options = f'<option value="*">{every}</option>{options}'
    return f'<label>{said} <select id="{name}" {_OFF}>{options}</select></label>'


def _switches(night: Night) -> str:
    boxes = [
        ("show-rejected", f"Rejected ({night.n_rejected})", not night.n_accepted),
        ("show-boxes", "Boxes", True),
        ("show-tracks", "Tracks", True),
        ("show-names", "Names", True),
        ("show-patches", "Patches", False),
        ("show-cards", "Cards", False),
    ]
    if night.camera["detections"]:
        boxes.append(("show-camera", "Camera\u2019s own", True))
    return "".join(
        f'<label class="{name}"><input type="checkbox" id="{name}" {_OFF}{" checked" if on else ""}> '
        f"{said}</label>"
        for name, said, on in boxes
    )


def review_panel(catalog: Catalog) -> str:
    """Give the panel of the review, hidden until it is asked for."""
    wanted = wanted_labels(catalog.provenance.get("pipeline", ""))
    known = [*wanted, *(label for label in LABELS if label not in wanted)]
    made = catalog.provenance.get("created", "")
    key = hashlib.blake2b(f"{catalog.path.name} {made}".encode(), digest_size=8).hexdigest()
    options = "".join(f'<option value="{text(label)}">{text(label)}</option>' for label in known)
    keys = "".join(f"<li><kbd>{i}</kbd> {text(label)}</li>" for i, label in enumerate(known[:9], 1))
    buttons = "".join(
        f'<button type="button" id="review-{name}" aria-keyshortcuts="{short}">'
        f"{said} <kbd>{short}</kbd></button>"
        for name, short, said in (
            ("accept", "a", "Accept"), ("reject", "r", "Reject"), ("undo", "u", "Undo"),
            ("previous", "k", "Previous"), ("next", "j", "Next"), ("save", "s", "Save CSV"),
        )
    )  # fmt: skip
    return (
        f'<aside id="review" aria-label="Review" tabindex="-1" hidden data-key="{key}" '
        f'data-catalog="{text(catalog.path.stem)}" data-wanted="{text(" ".join(wanted))}">\n'
        '<p class="head"><strong id="review-count" role="status"></strong>'
        '<button type="button" id="review-close" aria-label="Close the review" aria-keyshortcuts="Escape">'
        "\u00d7</button></p>\n"
        '<div id="review-picture"></div><div id="review-facts" role="status"></div>\n'
        f'<p class="buttons">{buttons}</p>\n'
        f'<p><label>Label <kbd>l</kbd> <select id="review-label" {_OFF}>{options}</select></label> '
        f'<label>Your name <input id="review-name" size="12" autocomplete="name"></label></p>\n'
        f'<details><summary>Keys</summary><ul class="keys">{keys}<li><kbd>p</kbd> play or stop</li>'
        "<li><kbd>Esc</kbd> close</li></ul></details>\n"
        f"<p><small>Saved in this browser until you save the CSV file; then: <code>astrodetect catalog label "
        f"{text(catalog.path.name)} {text(catalog.path.stem)}-review.csv</code></small></p></aside>\n"
    )
