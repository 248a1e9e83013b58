"""DS9 regions: lines and boxes over the image of a recording."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Item, Observed, detections_of
from astrodetect.exchange.outgoing import Outgoing, outgoing, unique_names
from astrodetect.exchange.text import iso_text, iso_time, number, read_text

_HEAD = "# Region file format: DS9 version 4.1"
_SHAPE = re.compile(
    r"\s*(?P<sign>[+-]?)(?P<shape>[a-z]+)\s*\(?(?P<numbers>[^)#]*)\)?\s*(?:#(?P<text>.*))?", re.IGNORECASE
)
_SYSTEMS = (
    "image", "physical", "fk5", "icrs", "j2000", "fk4", "b1950", "galactic", "ecliptic", "linear", "wcs",
    "amplifier", "detector",
)  # fmt: skip
_SKY = ("fk5", "icrs", "j2000")
#: Numbers that a shape needs, and how many of them are positions.
_SHAPES = {
    "line": (4, 4),
    "vector": (4, 2),
    "box": (4, 2),
    "circle": (3, 2),
    "ellipse": (4, 2),
    "point": (2, 2),
}
_TAG = re.compile(r"tag=\{([^}]*)\}")
_TEXT = re.compile(r"text=\{([^}]*)\}")
#: Sources whose arrays are stored upside down, so that DS9 shows them upright.
_BOTTOM_UP = ("freeture",)


class Ds9(Format):
    """DS9 regions in image coordinates, from 1; y as the rows of the array are stored.

    A detection is a line from its first to its last place, or a box; label, probability, frames and times are
    in its text and tags. Regions on the sky are read too: their places in the image are not known.
    """

    name = "ds9"
    description = "DS9 regions: a line or box for each detection, one file for each recording"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the first line, or by the ending and a shape."""
        has_shape = re.search(rb"\b(line|box|circle|ellipse|point|vector|polygon)\s*\(", head) is not None
        return b"Region file format: DS9" in head[:200] or (path.suffix.lower() == ".reg" and has_shape)

    def read(self, path: Path) -> Content:
        """Read regions of the shapes line, vector, box, circle, ellipse, point; others are named as faults.

        Raises
        ------
        AstrodetectError
            A shape has too few numbers, or no numbers, or there is no region at all.
        """
        reader = _Reader(path)
        for line, text in enumerate(read_text(path).split("\n"), 1):
            reader.take(Item(line, text.strip()))
        return reader.content()

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each recording that has detections."""
        members: dict[int, list[Outgoing]] = {}
        for item in outgoing(content):
            members.setdefault(id(item.recording), []).append(item)
        yield from unique_names(_file(items) for items in members.values())


class _Reader:
    """Takes a file line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.system = "image"
        self.name = path.stem
        self.size = (-1, -1)
        self.bottom_up = False
        self.camera = ""
        self.tracks: list[dict[str, Any]] = []
        self.boxes: list[tuple[float, ...]] = []
        self.labels: list[str] = []
        self.probabilities: list[float] = []
        self.regions = 0

    def take(self, item: Item) -> None:
        text = item.text
        if text.startswith("#"):
            self._comment(text)
            return
        for part in text.split(";"):
            word = part.strip().lower()
            if word in _SYSTEMS:
                self.system = word
            elif word and not word.startswith("global"):
                self._shape(item.line, part)

    def _comment(self, text: str) -> None:
        for key, value in re.findall(r"(Filename|Camera|Size|Rows): (.+)$", text):
            if key == "Filename":
                self.name = PurePosixPath(value.strip()).name if "/" not in value else value.strip()
            elif key == "Camera":
                self.camera = value.strip()
            elif key == "Rows":
                self.bottom_up = "bottom" in value
            elif re.fullmatch(r"\d{1,6} x \d{1,6}", value.strip()):
                width, height = value.split("x")
                self.size = (int(width), int(height))

    def _shape(self, line: int, text: str) -> None:
        match = _SHAPE.fullmatch(text)
        if match is None or match["shape"].lower() not in {*_SHAPES, "polygon"}:
            raise AstrodetectError(
                f"{self.path}, line {line}: {text.strip()[:40]!r} is no region that is read; expected "
                f"{', '.join(_SHAPES)}, polygon"
            )
        shape = match["shape"].lower()
        needed, places = _SHAPES.get(shape, (6, 0))
        cells = [cell for cell in re.split(r"[,\s]+", match["numbers"].strip()) if cell]
        try:
            values = [_angle(cell, i) for i, cell in enumerate(cells)]
        except ValueError as error:
            raise AstrodetectError(f"{self.path}, line {line}: {error}; expected numbers") from None
        if len(values) < needed or not all(map(math.isfinite, values[:needed])):
            raise AstrodetectError(
                f"{self.path}, line {line}: {shape} of {len(values)} numbers; expected {needed}"
            )
        self.regions += 1
        comment = match["text"] or ""
        self._add(self._ends(shape, values, places or len(values)), comment)

    def _ends(self, shape: str, values: list[float], places: int) -> tuple[Any, Any, Any]:
        """Give x and y of the first and the last place, and the box or None."""
        if shape in ("line", "polygon"):
            x, y = np.array(values[0:places:2]), np.array(values[1:places:2])
            if shape == "line":
                return x, y, None
            return np.array([x.mean()]), np.array([y.mean()]), (x.min(), y.min(), x.max(), y.max())
        x, y = np.array(values[:1]), np.array(values[1:2])
        if shape == "vector":
            angle = math.radians(values[3])
            end = (x[0] + values[2] * math.cos(angle), y[0] + values[2] * math.sin(angle))
            return np.array([x[0], end[0]]), np.array([y[0], end[1]]), None
        half = {"box": (values[2:4] if shape == "box" else [0, 0]), "point": [0, 0]}.get(
            shape, values[2:4] * 2
        )
        w, h = (
            (half[0] / 2, half[1] / 2)
            if shape == "box"
            else (half[0], half[1] if shape == "ellipse" else half[0])
        )
        return x, y, (x[0] - w, y[0] - h, x[0] + w, y[0] + h)

    def _add(self, ends: tuple[Any, Any, Any], comment: str) -> None:
        x, y, box = ends
        label, probability, frames, times = _said(comment)
        on_sky = self.system in _SKY
        track: dict[str, Any] = {}
        n = len(x)
        if on_sky:
            track["ra"], track["dec"] = x, y
            box = None
        elif self.system in ("image", "physical"):
            track["x"], track["y"] = x - 1, self._row(y)
            if box is not None and box[2] > box[0] and box[3] > box[1]:
                low, high = sorted((self._row(box[1]), self._row(box[3])))
                box = (box[0] - 0.5, low + 0.5, box[2] - 0.5, high + 0.5)
            else:
                box = None
        track["frame"] = [frames[0], frames[1]][:n] if frames else [-1] * n
        track["time"] = np.array(times[:n]) if times else np.full(n, NAN)
        self.tracks.append(track if track.keys() - {"frame", "time"} else {**track, "x": np.full(n, NAN)})
        self.boxes.append(box if box is not None else ())
        self.labels.append(label)
        self.probabilities.append(probability)

    def _row(self, y: Any) -> Any:
        """Give y from the top; rows that DS9 shows upright count from the bottom."""
        return self.size[1] - y if self.bottom_up and self.size[1] > 0 else y - 1

    def content(self) -> Content:
        if not self.regions:
            raise AstrodetectError(f"{self.path}: no region in it")
        width, height = self.size
        made = detections_of(self.tracks, label=self.labels, width=width, height=height)
        columns = {name: np.array(made[name]) for name in ("x_min", "y_min", "x_max", "y_max")}
        for row, box in enumerate(self.boxes):
            for name, value in zip(("x_min", "y_min", "x_max", "y_max"), box, strict=False):
                columns[name][row] = value
        made = made.with_columns(**columns, probability=np.array(self.probabilities))
        meta = {"source": _BOTTOM_UP[0]} if self.bottom_up else {}
        return Content((Observed(self.name, made, self.camera, width=width, height=height, meta=meta),))


def _angle(text: str, position: int) -> float:
    """Give a number: plain, in sexagesimal form, or with a unit sign after it."""
    plain = text.rstrip("\"'dpri")
    parts = re.split(r"[:hms]", plain.rstrip("s"))
    if len(parts) == 3:
        sign = -1 if parts[0].startswith("-") else 1
        value = abs(number(parts[0])) + number(parts[1]) / 60 + number(parts[2]) / 3600
        hours = position % 2 == 0
        return sign * value * (15 if hours else 1)
    return number(plain)


def _said(comment: str) -> tuple[str, float, list[int], list[float]]:
    """Give label, probability, frames and times of a text and tags."""
    found = _TEXT.search(comment)
    words = found[1].split() if found else []
    label, probability = "unknown", 1.0
    if words and re.fullmatch(r"[01](\.\d+)?", words[-1]):
        probability = min(1.0, float(words.pop()))
    if words:
        label = " ".join(words)
    frames: list[int] = []
    times: list[float] = []
    for tag in _TAG.findall(comment):
        kind, *rest = tag.split()
        if kind == "frames" and len(rest) == 2 and all(re.fullmatch(r"\d{1,9}", v) for v in rest):
            frames = [int(v) for v in rest]
        if kind == "times" and len(rest) == 2:
            try:
                times = [iso_time(v) for v in rest]
            except ValueError:
                continue
    return label, probability, frames, times


def _file(found: list[Outgoing]) -> tuple[str, bytes]:
    recording = found[0].recording
    bottom_up = recording.meta.get("source") in _BOTTOM_UP and recording.height > 0
    lines = [_HEAD, f"# Filename: {_plain(recording.path)}"]
    if recording.camera:
        lines.append(f"# Camera: {_plain(recording.camera)}")
    if recording.width > 0 and recording.height > 0:
        lines.append(f"# Size: {recording.width} x {recording.height}")
    if bottom_up:
        lines.append("# Rows: from the bottom")
    lines += ["global color=green dashlist=8 3 width=1 select=1 edit=1 move=1 delete=1", "image"]
    height = recording.height if bottom_up else -1
    lines += [_region(item, height) for item in found]
    return f"{PurePosixPath(recording.path).stem}.reg", "".join(f"{line}\n" for line in lines).encode(
        "utf-8", "replace"
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _region(item: Outgoing, height: int) -> str:
    def row(y: float) -> float:
        return height - y if height > 0 else y + 1

    ends = [float(item.value(name, NAN)) for name in ("x_start", "y_start", "x_end", "y_end")]
    if all(map(math.isfinite, ends)) and ends[:2] != ends[2:]:
        numbers = [ends[0] + 1, row(ends[1]), ends[2] + 1, row(ends[3])]
        shape = "line"
    else:
        x0, y0, x1, y1 = (float(item.value(name)) for name in ("x_min", "y_min", "x_max", "y_max"))
        numbers = [(x0 + x1 + 1) / 2, row((y0 + y1 - 1) / 2), x1 - x0, y1 - y0, 0.0]
        shape = "box"
    label = re.sub(r"[{}]", "", _plain(str(item.value("label"))))
    said = f"text={{{label} {float(item.value('probability')):.4f}}}"
    frames = [int(item.value(name, -1)) for name in ("frame_start", "frame_end")]
    if min(frames) >= 0:
        said += f" tag={{frames {frames[0]} {frames[1]}}}"
    times = [float(item.value(name, NAN)) for name in ("time_start", "time_end")]
    if all(map(math.isfinite, times)):
        said += f" tag={{times {iso_text(times[0])} {iso_text(times[1])}}}"
    return f"{shape}({','.join(f'{value:.4f}' for value in numbers)}) # {said}"
