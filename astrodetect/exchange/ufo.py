"""UFOCapture and UFOAnalyzer XML: one clip a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Observed, detections_of
from astrodetect.exchange.outgoing import (
    Outgoing,
    lacks_pixels,
    lacks_rate,
    lacks_site,
    lacks_sky,
    lacks_time,
    lacks_track,
    outgoing,
    require,
    unique_names,
)  # fmt: skip
from astrodetect.exchange.structured import read_xml, real, whole

_CAPTURE, _ANALYSIS = "ufocapture_record", "ufoanalyzer_record"
#: What is kept of a record as it stands.
_KEPT = ("observer", "cam", "lens", "cap", "comment", "memo", "tz", "u2")
_SKY = {"az": "az", "alt": "ev", "ra": "ra", "dec": "dec"}


class Ufo(Format):
    """XML of UFOCapture (triggers, in pixels) and of UFOAnalyzer (meteors, on the sky).

    The time of a record is that of the trigger, ``head`` frames after the beginning of the clip, in local
    time. The analysis counts fields where the video is interlaced (two a frame), and y from the bottom.
    """

    name = "ufo"
    description = "UFOCapture and UFOAnalyzer XML: one clip a file; without a calibration, the capture"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the root element."""
        text = head.replace(b"\0", b"")
        return _CAPTURE.encode() in text or _ANALYSIS.encode() in text

    def read(self, path: Path) -> Content:
        """Read a clip.

        Raises
        ------
        AstrodetectError
            It is no XML of UFO, is cut off, declares entities, or states no time.
        """
        root = read_xml(path)
        if root.tag == _CAPTURE:
            return Content((_clip(path, root, path.stem, _capture),))
        if root.tag == _ANALYSIS:
            stem = root.get("clip_name") or path.stem.removesuffix("A")
            return Content((_clip(path, root, stem, _analysis),))
        raise AstrodetectError(
            f"{path}: the root is <{root.tag[:40]}>; expected <{_CAPTURE}> or <{_ANALYSIS}>"
        )

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give an analysis for each clip that has detections; without positions on the sky, a capture.

        Raises
        ------
        AstrodetectError
            Detections have no absolute time or no frame rate, or neither a position on the sky with a known
            site nor one in the image.
        """
        from astrodetect.exchange.ufo_write import analysis, capture

        items = require(
            self.name, outgoing(content), no_track=lacks_track, no_absolute_time=lacks_time,
            no_frame_rate=lacks_rate,
        )  # fmt: skip
        clips: dict[int, list[Outgoing]] = {}
        for item in items:
            clips.setdefault(id(item.recording), []).append(item)
        for members in clips.values():
            if all(map(lacks_sky, members)):
                require(self.name, members, no_position_in_the_image=lacks_pixels)
            else:
                require(self.name, members, no_position_on_the_sky=lacks_sky, no_known_site=lacks_site)
        yield from unique_names(
            capture(members) if all(map(lacks_sky, members)) else analysis(members)
            for members in clips.values()
        )


def _clip(path: Path, root: Element, stem: str, read: Any) -> Observed:
    """Give what both records have in common; `read` gives the detections."""
    values = {key: value.strip() for key, value in root.attrib.items()}

    def value(key: str) -> float:
        return real(path, values.get(key), key)

    rate = value("fps")
    if not rate > 0:
        raise AstrodetectError(f"{path}: fps is {values.get('fps')!r}; expected frames per second")
    head = value("head") if math.isfinite(value("head")) else 0.0
    start = _moment(path, values) - head / rate
    width, height = whole(value("cx")), whole(value("cy"))
    place = [value(key) for key in ("lat", "lng", "alt")]
    meta = {"head": whole(head), **{key: values[key] for key in _KEPT if values.get(key)}}
    return Observed(
        f"{stem}.avi",
        read(path, root, start, rate, (width, height)),
        camera="_".join(values[key] for key in ("lid", "sid") if values.get(key)),
        site=None if any(map(math.isnan, place)) else Site(*place),
        time_start=start,
        frame_rate=rate,
        width=width,
        height=height,
        n_frames=whole(value("frames")),
        meta=meta,
    )


def _moment(path: Path, values: Mapping[str, str]) -> float:
    """Give the time of the trigger; the fields are of the clock of the PC, ``tz`` hours ahead of UTC."""
    numbers = [real(path, values.get(key), key) for key in ("y", "mo", "d", "h", "m", "s")]
    zone = real(path, values.get("tz"), "tz")
    try:
        year, month, day, hour, minute = (int(v) for v in numbers[:5])
        if not 0 <= numbers[5] < 61:
            raise ValueError("seconds")
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() + numbers[5]
    except ValueError:
        shown = " ".join(values.get(key, "?") for key in ("y", "mo", "d", "h", "m", "s"))
        raise AstrodetectError(f"{path}: {shown!r} is no time; expected y mo d h m s") from None
    return moment - (0.0 if math.isnan(zone) else zone * 3600)


def _capture(path: Path, root: Element, start: float, rate: float, size: tuple[int, int]) -> Any:
    """Give the trigger: its label is unknown, most are no meteors. Points are blobs that UFOCapture saw."""
    points = [element.attrib for element in root.iter("uc_path")]
    if not points:
        return detections_of([])
    columns = {name: _column(path, points, name) for name in ("fno", "x", "y", "pixel", "bmax", "ono")}
    track = {
        "frame": _frames(path, columns["fno"]), "time": start + columns["fno"] / rate, "x": columns["x"],
        "y": columns["y"], "n_pixels": columns["pixel"], "peak": columns["bmax"], "ono": columns["ono"],
    }  # fmt: skip
    return detections_of([track], label="unknown", width=size[0], height=size[1])


def _analysis(path: Path, root: Element, start: float, rate: float, size: tuple[int, int]) -> Any:
    tracks, peaks, classes = [], [], []
    fields = 2 if root.get("interlaced", "0").strip() == "1" else 1
    for element in root.iter("ua2_object"):
        tracks.append(_object(path, element, start, rate * fields, size, fields))
        peaks.append(real(path, element.get("mag"), "mag"))
        classes.append((element.get("class") or "").strip())
    if not tracks:
        return detections_of([])
    columns: dict[str, Any] = {"peak_magnitude": peaks, "ufo_class": classes}
    return detections_of(tracks, columns, width=size[0], height=size[1])


def _object(
    path: Path, element: Element, start: float, rate: float, size: tuple[int, int], fields: int
) -> dict[str, Any]:
    """Give the track of a meteor; pixels are known of its ends alone."""
    points: Sequence[Mapping[str, str]] = [point.attrib for point in element.iter("ua2_fdata2")]
    ends = [{key: element.get(f"{name}{n}", "") for key, name in (("az", "az"), ("ev", "ev"), ("ra", "ra"),
            ("dec", "dc"))} | {"fno": element.get(f, "")} for n, f in ((1, "fs"), (2, "fe"))]  # fmt: skip
    if not points:
        points = ends
    numbers = _column(path, points, "fno")
    track: dict[str, Any] = {ours: _column(path, points, theirs) for ours, theirs in _SKY.items()}
    track["magnitude"], track["flux"] = _column(path, points, "mag"), _column(path, points, "Lsum")
    track["frame"] = _frames(path, numbers) // fields
    track["time"] = start + numbers / rate
    x, y = np.full(len(points), NAN), np.full(len(points), NAN)
    for row, n in ((0, 1), (-1, 2)):
        x[row] = real(path, element.get(f"x{n}"), f"x{n}")
        y[row] = size[1] - 0.5 - real(path, element.get(f"y{n}"), f"y{n}") if size[1] > 0 else NAN
    return {**track, "x": x, "y": y}


def _column(path: Path, points: Sequence[Mapping[str, str]], name: str) -> Any:
    return np.array([real(path, (point.get(name) or "").strip(), name) for point in points])


def _frames(path: Path, numbers: Any) -> Any:
    if not np.all(np.abs(numbers) < 1e9):
        raise AstrodetectError(f"{path}: fno is missing or absurd; expected the number of a frame")
    return np.floor(numbers).astype(np.int64)
