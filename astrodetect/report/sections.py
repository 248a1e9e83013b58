"""One recording as a section of the page: its picture, what is drawn over it, its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from astrodetect.core.detections import Detections
from astrodetect.core.results import RecordingBlock
from astrodetect.report.drawing import overlay
from astrodetect.report.markup import count, number, text, when
from astrodetect.report.patches import Sheet, described, overlay_marks
from astrodetect.report.reasons import Reason, reasons_described
from astrodetect.report.rows import DULL, Shown, table


class Picture(NamedTuple):
    """A file relative to the page, its width and height, the first and last frame it is made of."""

    source: str
    width: int
    height: int
    first: int
    last: int


@dataclass(frozen=True)
class Drawn:
    """The pictures of a recording.

    Attributes
    ----------
    whole : Picture
        Of all frames in which something was found.
    accepted : Picture or None
        Of the frames of the accepted detections alone.
    shape : (int, int)
        Height and width of a frame.
    note : str
        What went wrong, or empty.
    thumbnails : list of (str, int, int) or None
        Of each detection shown, in their order.
    clips : mapping of int to str
        Files of moving pictures, by detection.
    sheets : sequence of Sheet
        The patches that the pipeline chose.
    reasons : sequence of Reason
        What labels rest on.
    """

    whole: Picture
    accepted: Picture | None
    shape: tuple[int, int]
    note: str = ""
    thumbnails: list[tuple[str, int, int] | None] = field(default_factory=list)
    clips: Mapping[int, str] = field(default_factory=dict)
    sheets: Sequence[Sheet] = ()
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True)
class Chosen:
    """The detections of a recording that the page shows: accepted, rejected, the camera's own."""

    found: Detections
    kinds: tuple[str, ...]
    n_left_out: int

    @property
    def n_accepted(self) -> int:
        """Number of accepted ones."""
        return self.kinds.count("accepted")


def choose(block: RecordingBlock, most_rejected: int) -> Chosen:
    """Choose the detections to show: all accepted ones, the rejected ones nearest to it, the camera's.

    Nearest is what was rejected for another reason than its label; then what moved or flashed; what
    is static or noise is the first to go. Among equals the more probable comes first.

    Parameters
    ----------
    block : RecordingBlock
        Of one recording.
    most_rejected : int
        Rejected ones beyond this number are left out.
    """
    found = block.detections
    accepted = np.zeros(len(found), dtype=bool)
    if "accepted" in found:
        accepted = found["accepted"].astype(bool)
    rejected = np.flatnonzero(~accepted)
    distance = np.array([_distance(found, int(i)) for i in rejected], dtype=np.int64)
    ranked = rejected[np.lexsort([-found["probability"][rejected], distance])]
    kept = np.sort(np.concatenate([np.flatnonzero(accepted), ranked[:most_rejected]]))
    kinds = ["accepted" if accepted[i] else "rejected" for i in kept]
    parts = [found.take(kept)]
    if block.camera is not None:
        parts.append(block.camera)
        kinds += ["camera"] * len(block.camera)
    return Chosen(Detections.concatenate(parts), tuple(kinds), len(rejected) - len(ranked[:most_rejected]))


def _distance(found: Detections, row: int) -> int:
    """Say how far a rejected detection is from being accepted, roughly."""
    reason = str(found["reason"][row]) if "reason" in found else ""
    if reason and reason != f"label {found['label'][row]}":
        return 0
    return 2 if found["label"][row] in DULL else 1


def shown_of(chosen: Chosen, anchor: str, drawn: Drawn | None) -> list[Shown]:
    """Give the detections of a recording as the page shows them."""
    shown = []
    numbers = {"camera": 0, "ours": 0}
    for i, (row, kind) in enumerate(zip(chosen.found, chosen.kinds, strict=True)):
        whose = "camera" if kind == "camera" else "ours"
        numbers[whose] += 1
        name = f"C{numbers[whose]}" if kind == "camera" else str(numbers[whose])
        thumbnail = drawn.thumbnails[i] if drawn is not None else None
        clip = drawn.clips.get(i, "") if drawn is not None else ""
        shown.append(Shown(f"{anchor}-{name}", name, kind, row, chosen.found.track(i), thumbnail, clip))
    return shown


def section(
    block: RecordingBlock,
    anchor: str,
    chosen: Chosen,
    shown: Sequence[Shown],
    drawn: Drawn | None,
    missing: str,
) -> str:
    """Give the section of a recording.

    Parameters
    ----------
    block : RecordingBlock
        What was found in it.
    anchor : str
        Id of the section.
    chosen, shown
        Its detections.
    drawn : Drawn or None
        Its picture.
    missing : str
        Why there is none.
    """
    state = "accepted" if chosen.n_accepted else "rejected-only"
    head = (
        f'<section class="recording {state}" id="{anchor}" aria-labelledby="{anchor}-h" '
        f'data-path="{text(block.path)}" data-camera="{text(block.recording.get("camera", ""))}">\n'
        f'<h2 id="{anchor}-h">{text(block.path)}</h2>\n<p class="facts">{_facts(block.recording)}</p>\n'
    )
    if block.recording.get("message"):
        head += f'<p class="warn">{text(block.status)}: {text(block.recording["message"])}</p>\n'
    picture = _figure(block, shown, drawn) if drawn is not None else f'<p class="warn">{text(missing)}</p>\n'
    caption = _caption(block, chosen)
    patches = described(drawn.sheets, block.path) if drawn is not None else ""
    reasons = reasons_described(drawn.reasons, block.path) if drawn is not None else ""
    return f"{head}{picture}{table(shown, caption)}{patches}{reasons}</section>\n"


def _facts(row: dict[str, Any]) -> str:
    facts = [text(row["camera"])] if row.get("camera") else []
    facts.append(when(row.get("time_start", np.nan)) + " UTC")
    if facts[-1].startswith("\u2013"):
        facts[-1] = "no absolute time"
    facts.append(count(int(row.get("n_frames", 0)), "frame"))
    if np.isfinite(row.get("frame_rate", np.nan)):
        facts.append(f"{number(row['frame_rate'], 2)} Hz")
    if row.get("width", 0) > 0:
        facts.append(f"{row['width']}\u00d7{row['height']} px")
    return " \u00b7 ".join([*facts, f"source {text(row.get('source', ''))}"])


def _caption(block: RecordingBlock, chosen: Chosen) -> str:
    n = len(block.detections)
    caption = f"{chosen.n_accepted} accepted, {n - chosen.n_accepted} rejected"
    if block.camera is not None and len(block.camera):
        caption += f", {len(block.camera)} by the camera\u2019s own software (C)"
    if chosen.n_left_out:
        caption += f"; {count(chosen.n_left_out, 'rejected detection')} left out, static and noise first"
    return caption


def _figure(block: RecordingBlock, shown: Sequence[Shown], drawn: Drawn) -> str:
    pictures = [("of-all", drawn.whole, "")]
    if drawn.accepted is not None:
        pictures.insert(0, ("of-accepted", drawn.accepted, ", those of the accepted detections"))
    else:
        pictures = [("", drawn.whole, "")]
    images = "".join(
        f'<img class="{kind}" src="{picture.source}" width="{picture.width}" height="{picture.height}" '
        f'alt="Maximum image of {text(block.path)}, {_span(picture)}{more}, with '
        f'{count(len(shown), "detection")} drawn over it; the table below lists them" loading="lazy">'
        for kind, picture, more in pictures
    )
    captions = "".join(
        f'<span class="{kind}">Maximum minus background of {_span(picture)}{more}. </span>'
        for kind, picture, more in pictures
    )
    note = f'<span class="warn">{text(drawn.note)}</span>' if drawn.note else ""
    names = "".join(_name(one, drawn.shape) for one in shown)
    return (
        f'<figure><div class="sky" style="max-width:{max(drawn.whole.width, 960)}px">{images}'
        f"{overlay(drawn.shape, [one.mark() for one in shown], overlay_marks(drawn.sheets))}{names}</div>\n"
        f"<figcaption>{captions}{note}</figcaption></figure>\n"
    )


def _span(picture: Picture) -> str:
    if picture.last > picture.first:
        return f"frames {picture.first}\u2013{picture.last}"
    return f"frame {picture.first}"


def _name(one: Shown, shape: tuple[int, int]) -> str:
    """Give the name beside a box, inside the picture wherever the box is.

    Ours stands above the box, the camera's below it, so that they do not hide each other; where one side
    has no room, the camera's stands a line farther.
    """
    height, width = shape
    x0, y0, x1, y1 = np.nan_to_num(np.clip(one.box, 0, [width, height, width, height])).tolist()
    left = (x0 + x1) / 2 < width / 2
    place = f"left:{100 * x0 / width:.2f}%" if left else f"right:{100 * (1 - x1 / width):.2f}%"
    above, below = y0 > height / 12, y1 < height * 11 / 12
    if above and (one.kind != "camera" or not below):
        place += f";bottom:{100 * (1 - y0 / height):.2f}%"
    elif below:
        place += f";top:{100 * y1 / height:.2f}%"
    else:
        place += ";bottom:0" if one.kind == "camera" else ";top:0"
    if one.kind == "camera" and above != below:
        place += f";margin-{'bottom' if above else 'top'}:1.2rem"
    said = one.name if one.kind == "rejected" else f"{one.name} {text(one.label)}"
    if one.kind == "accepted":
        said += f" {number(one.value('probability'), 2)}"
    return (
        f'<a class="name {one.kind}" id="m-{one.anchor}" href="#{one.anchor}" style="{place}" '
        f'data-label="{text(one.label)}" title="{text(one.label)}, {one.kind}">{said}</a>'
    )
