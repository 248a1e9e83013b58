"""Detections as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from astrodetect.report.drawing import light_curve, track_points
from astrodetect.report.markup import UNKNOWN, number, short, sort_key, text, when

#: Headings in the section of a recording, and in the table of the night.
OF_A_RECORDING = (
    "No.", "Picture", "Time (UTC)", "Label", "Probability", "Outcome", "Frames", "Speed (px/frame)",
    "Peak S/N", "Peak (ADU)", "Light curve", "Path (px)",
)  # fmt: skip
OF_THE_NIGHT = (
    "Recording", "Camera", "Picture", "Time (UTC)", "Label", "Probability", "Outcome", "Frames",
    "Speed (px/frame)", "Peak S/N", "Light curve",
)  # fmt: skip
#: Labels of what is not worth a second look.
DULL = frozenset({"static", "noise", "star"})
_NOT_SORTABLE = frozenset({"Picture", "Light curve", "Path (px)"})


class Place(NamedTuple):
    """The recording of a detection: anchor of its section, path, camera."""

    anchor: str
    path: str
    camera: str


@dataclass(frozen=True)
class Shown:
    """One detection that the page shows.

    Attributes
    ----------
    anchor : str
        Id of its row.
    name : str
        Number within its recording: ``3``, or ``C1`` for the camera's own.
    kind : str
        ``accepted``, ``rejected`` or ``camera``.
    row : mapping
        Its columns.
    track : mapping of str to (n,) array
        Its points.
    thumbnail : (str, int, int) or None
        File, relative to the page, with width and height.
    clip : str
        File of a moving picture, relative to the page; empty if there is none.
    """

    anchor: str
    name: str
    kind: str
    row: Mapping[str, Any]
    track: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: tuple[str, int, int] | None = None
    clip: str = ""

    @property
    def label(self) -> str:
        """Its class."""
        return str(self.row["label"])

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max."""
        x0, y0, x1, y1 = (float(self.row[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
        return x0, y0, x1, y1

    def value(self, name: str) -> float:
        """Give a number, NaN if it is not known."""
        value = float(self.row.get(name, math.nan))
        return math.nan if name in {"frame_start", "frame_end", "n_frames"} and value < 0 else value

    def mark(self) -> dict[str, Any]:
        """Give what `astrodetect.report.drawing.overlay` draws."""
        return {
            "kind": self.kind,
            "label": self.label,
            "of": self.anchor,
            "box": self.box,
            "track": track_points(self.row, self.track),
        }


def table(
    shown: Sequence[Shown],
    caption: str,
    section_of: Mapping[str, Place] | None = None,
    columns: Sequence[str] = OF_A_RECORDING,
) -> str:
    """Give a table of detections.

    Parameters
    ----------
    shown : sequence of Shown
        Rows in order.
    caption : str
        HTML.
    section_of : mapping of str to Place
        The recording by anchor of the detection, for a table of several: its rows link to the
        detection's own row instead of being it.
    columns : sequence of str
        Headings: `OF_A_RECORDING`, or some of `OF_THE_NIGHT`.
    """
    head = "".join(
        f'<th scope="col" class="plain">{name}</th>'
        if name in _NOT_SORTABLE
        else f'<th scope="col"><button type="button">{name}</button></th>'
        for name in columns
    )
    body = "\n".join(_row(one, columns, section_of) for one in shown)
    kind = "scroll" if section_of is None else "scroll of-the-night"
    return (
        f'<div class="{kind}"><table class="detections sortable">'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n"
    )


def _row(one: Shown, columns: Sequence[str], section_of: Mapping[str, Place] | None) -> str:
    cells = _cells(one)
    if section_of is None:
        data = f'{_data(one)} id="{one.anchor}"'
    else:
        _, path, camera = section_of[one.anchor]
        cells["Recording"] = sort_key(path), f'<a href="#{one.anchor}">{text(path)}</a>'
        cells["Camera"] = sort_key(camera), text(camera) or UNKNOWN
        data = f' data-of="{one.anchor}"'
    first, *others = columns
    key, content = cells[first]
    inner = f'<th scope="row" data-name="{first}"{key}>{content}</th>' + "".join(
        f'<td data-name="{name}"{cells[name][0]}>{cells[name][1]}</td>' for name in others
    )
    return (
        f'<tr class="{one.kind}" data-kind="{one.kind}" data-label="{text(one.label)}"'
        f"{_filtered_by(one)}{data}>{inner}</tr>"
    )


def _filtered_by(one: Shown) -> str:
    """Give the attributes that filters ask for: probability and time, where they are known."""
    known = {
        "p": math.nan if one.kind == "camera" else one.value("probability"),
        "t": one.value("time_start"),
    }
    digits = {"p": 4, "t": 3}
    return "".join(
        f' data-{name}="{value:.{digits[name]}f}"' for name, value in known.items() if math.isfinite(value)
    )


def _data(one: Shown) -> str:
    """Give the attributes of which a review is made: id, frames, ends, and what had been said before."""
    if one.kind == "camera" or "detection_id" not in one.row:
        return ""
    frames = [f"{one.value(name):.0f}".replace("nan", "-") for name in ("frame_start", "frame_end")]
    ends = [one.value(name) for name in ("x_start", "y_start", "x_end", "y_end")]
    places = " ".join(f"{end:.2f}" if math.isfinite(end) else "-" for end in ends)
    said = str(one.row.get("verdict", ""))
    former = f' data-said="{text(said)}" data-by="{text(one.row.get("reviewer", ""))}"' if said else ""
    return (
        f' data-id="{int(one.row["detection_id"])}" data-frames="{frames[0]} {frames[1]}" '
        f'data-ends="{places}"{former}'
    )


def _natural(name: str) -> float:
    """Ours in order, then the camera's own."""
    return 1e6 + float(name[1:]) if name.startswith("C") else float(name)


def _cells(one: Shown) -> dict[str, tuple[str, str]]:
    """Give the attribute by which it is sorted, and the HTML, of each cell by its heading."""
    value = one.value
    probability = math.nan if one.kind == "camera" else value("probability")
    return {
        "No.": (sort_key(_natural(one.name)), _number(one)),
        "Picture": ("", _thumbnail(one)),
        "Time (UTC)": (sort_key(value("time_start")), when(value("time_start"))),
        "Label": ("", text(one.label)),
        "Probability": (sort_key(probability), number(probability, 2)),
        "Outcome": ("", _outcome(one)),
        "Frames": (sort_key(value("frame_start")), _frames(one)),
        "Speed (px/frame)": (sort_key(value("speed")), number(value("speed"), 2)),
        "Peak S/N": (sort_key(value("snr")), number(value("snr"))),
        "Peak (ADU)": (sort_key(value("peak")), short(value("peak")) + _saturated(one)),
        "Light curve": ("", light_curve(one.track)),
        "Path (px)": ("", _path(one)),
    }


def _number(one: Shown) -> str:
    if one.thumbnail is None:
        return one.name
    return f'<a href="#m-{one.anchor}" aria-label="No. {one.name}, in the picture">{one.name}</a>'


def _thumbnail(one: Shown) -> str:
    if one.thumbnail is None:
        return UNKNOWN
    source, width, height = one.thumbnail
    said = f"Cut-out around {text(one.label)}, {one.kind}"
    image = (
        f'<img class="thumb" src="{source}" width="{width}" height="{height}" alt="{said}" loading="lazy">'
    )
    if not one.clip:
        return image
    return f'<a class="clip" href="{one.clip}" aria-label="{said}: play or stop the clip">{image}</a>'


def _outcome(one: Shown) -> str:
    if one.kind == "camera":
        return "the camera\u2019s own"
    said = "accepted"
    if one.kind != "accepted":
        said = "rejected: " + (text(one.row.get("reason", "")) or "no reason given")
    return said + (_reviewed(one) if one.row.get("verdict") else "")


def _reviewed(one: Shown) -> str:
    """Give who has reviewed it, and what the pipeline had said."""
    by = text(one.row.get("reviewer", "")) or "somebody"
    was = text(one.row.get("label_automatic", ""))
    return f"<br> <small>by {by}; automatic: {was} {number(one.value('probability_automatic'), 2)}</small>"


def _frames(one: Shown) -> str:
    first, last = one.value("frame_start"), one.value("frame_end")
    if not (math.isfinite(first) and math.isfinite(last)):
        return UNKNOWN
    seen = one.value("n_frames")
    shown = f"{first:.0f}\u2013{last:.0f}" if last > first else f"{first:.0f}"
    return shown + (f"<br> <small>({seen:.0f} seen)</small>" if math.isfinite(seen) and seen > 0 else "")


def _saturated(one: Shown) -> str:
    pixels = one.value("n_saturated")
    return f"<br><small>{int(pixels)} px saturated</small>" if pixels > 0 else ""


def _path(one: Shown) -> str:
    ends = [one.value(name) for name in ("x_start", "y_start", "x_end", "y_end")]
    if not np.isfinite(ends).all():
        return UNKNOWN
    x0, y0, x1, y1 = ends
    path = f"{x0:.1f}, {y0:.1f}<br>\u2192 {x1:.1f}, {y1:.1f}"
    for name, a, b in (("RA, Dec", "ra", "dec"), ("Az, Alt", "az", "alt")):
        sky = [one.value(f"{axis}_{end}") for end in ("start", "end") for axis in (a, b)]
        if np.isfinite(sky).all():
            path += "<br><small>{} {:.2f}, {:.2f} <br>\u2192 {:.2f}, {:.2f}\u00b0</small>".format(name, *sky)
    return path
