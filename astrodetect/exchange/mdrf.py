"""MDRF of MetDetPy: truth and predictions of videos and images, in one schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from astrodetect import __version__
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Observed, detections_of
from astrodetect.exchange.outgoing import (
    Outgoing,
    frame_rate,
    lacks_pixels,
    lacks_size,
    outgoing,
    require,
    unique_names,
)  # fmt: skip
from astrodetect.exchange.structured import dumps, items, mapping, read_json, real, reals, texts, whole

_CLOCK = re.compile(r"(\d+):(\d\d?):(\d\d?(?:\.\d*)?)")
#: Classes of MetDetPy that have another name here.
_LABELS = {"plane": "aircraft", "others": "unknown", "other": "unknown", "": "unknown"}


class Mdrf(Format):
    """MDRF. Times count from the beginning of the video; points are in pixels of ``anno_size``."""

    name = "mdrf"
    description = "MetDetPy MDRF JSON: truth or predictions of one video, begin and end of each"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the keys."""
        keys = (b'"basic_info"', b'"anno_size"', b'"performance"')
        return head.lstrip()[:1] == b"{" and any(key in head for key in keys) and b'"annotations"' not in head

    def read(self, path: Path) -> Content:
        """Read a file; also the older form of annotations, with ``meteors``.

        Raises
        ------
        AstrodetectError
            It is no MDRF, or a value is no number, no point or no time.
        """
        value = mapping(path, read_json(path), "the file")
        if not isinstance(value.get("results", value.get("meteors")), list):
            raise AstrodetectError(f"{path}: no 'results'; expected MDRF of MetDetPy")
        info = mapping(path, value.get("basic_info") or {}, "basic_info")
        video = texts(info, ("video",)) or texts(value, ("video",)) or path.stem
        size = _size(path, info.get("resolution"))
        drawn = _size(path, value.get("anno_size"))
        size = size if size[0] > 0 else drawn
        scale = (size[0] / drawn[0], size[1] / drawn[1]) if min(*size, *drawn) > 0 else (1.0, 1.0)
        rate = real(path, info.get("fps"), "fps")
        base: dict[str, Any] = {
            "frame_rate": rate if rate > 0 else NAN, "width": size[0], "height": size[1],
            "meta": {"type": str(value.get("type", ""))},
        }  # fmt: skip
        results = items(path, value.get("results"), "results")
        if any(isinstance(record, dict) and "boxes" in record for record in results):
            return Content(tuple(_images(path, results, base, PurePosixPath(video).name)))
        targets = items(path, value.get("meteors"), "meteors")
        for record in results:
            targets = targets + items(path, mapping(path, record, "results").get("target"), "target")
        detections = _targets(path, targets, base, scale)
        total = whole(real(path, info.get("total_frames"), "total_frames"))
        name = PurePosixPath(video.replace("\\", "/")).name
        return Content((Observed(name, detections, n_frames=total, **base),))

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each recording, of the type ``prediction`` where nothing else was read.

        Raises
        ------
        AstrodetectError
            Detections have no place in the image, or the size of a frame is not known.
        """
        found = require(
            self.name, outgoing(content), no_position_in_the_image=_lacks_ends, no_frame_size=lacks_size
        )
        members: dict[int, list[Outgoing]] = {id(recording): [] for recording in content.recordings}
        for item in found:
            members[id(item.recording)].append(item)
        yield from unique_names(_file(r, members[id(r)]) for r in content.recordings)


def _lacks_ends(item: Outgoing) -> bool:
    ends = [float(item.value(name, NAN)) for name in ("x_start", "y_start", "x_end", "y_end")]
    return lacks_pixels(item) and any(map(math.isnan, ends))


def _size(path: Path, value: Any) -> tuple[int, int]:
    if value is None:
        return -1, -1
    width, height = reals(path, value, 2, "a resolution")
    if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
        raise AstrodetectError(
            f"{path}: a resolution of {width:g} x {height:g}; expected 1 to 1000000 pixels"
        )
    return int(width), int(height)


def _label(text: Any) -> str:
    label = str(text or "").strip().lower()
    return _LABELS.get(label, label)


def _category(label: str) -> str:
    """Give the class of MetDetPy: its points are whole numbers, its classes in capitals."""
    return {"aircraft": "PLANE", "unknown": "OTHERS"}.get(label, label.upper())


def _seconds(path: Path, value: Any, what: str) -> float:
    if value is None:
        return NAN
    match = _CLOCK.fullmatch(str(value).strip())
    if match is None:
        raise AstrodetectError(f"{path}: {what} is {str(value)[:30]!r}; expected HH:MM:SS.sss")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


def _targets(path: Path, targets: list[Any], base: Mapping[str, Any], scale: tuple[float, float]) -> Any:
    rate = base["frame_rate"]
    tracks, labels, scores = [], [], []
    for target in targets:
        values = mapping(path, target, "a target")
        seconds = np.array([_seconds(path, values.get(k), k) for k in ("start_time", "end_time")])
        frames = seconds * rate
        first = real(path, values.get("start_frame"), "start_frame")
        if math.isfinite(first):
            length = frames[1] - frames[0]
            duration = real(path, values.get("duration"), "duration")
            length = length if math.isfinite(length) else duration - 1
            frames = np.array([first, first + (length if math.isfinite(length) else 0)])
        points = [reals(path, values.get(name), 2, name) for name in ("pt1", "pt2")]
        x, y = np.array(points).T
        numbers = np.array([whole(round(v)) if math.isfinite(v) else -1 for v in frames])
        known = np.where(np.isfinite(seconds), seconds, frames / rate)
        tracks.append({"frame": numbers, "time": known, "x": x * scale[0], "y": y * scale[1]})
        labels.append(_label(values.get("category", "meteor")))
        score = real(path, values.get("score"), "score")
        scores.append(min(1.0, max(0.0, score)) if math.isfinite(score) else 1.0)
    columns = {"probability": np.array(scores)}
    return detections_of(
        tracks, columns, label=labels, absolute=False, width=base["width"], height=base["height"]
    )


def _images(path: Path, results: list[Any], base: Mapping[str, Any], video: str) -> Iterator[Observed]:
    for number, record in enumerate(results):
        values = mapping(path, record, "results")
        boxes = [reals(path, box, 4, "a box") for box in items(path, values.get("boxes"), "boxes")]
        labels = [_label(name) for name in items(path, values.get("preds"), "preds")]
        scores = [real(path, score, "prob") for score in items(path, values.get("prob"), "prob")]
        if len(labels) != len(boxes):
            raise AstrodetectError(
                f"{path}: result {number + 1}: {len(boxes)} boxes, but {len(labels)} preds"
            )
        frame = whole(real(path, values.get("num_frame"), "num_frame"))
        name = texts(values, ("img_filename",)) or video
        yield Observed(
            PurePosixPath(name.replace("\\", "/")).name,
            _boxes(path, boxes, labels, scores, max(frame, 0)), **base,
        )  # fmt: skip


def _boxes(path: Path, boxes: list[list[float]], labels: list[str], scores: list[float], frame: int) -> Any:
    if not boxes:
        return detections_of([])
    x0, y0, x1, y1 = np.array(boxes).T
    if not np.all((x1 > x0) & (y1 > y0)):
        raise AstrodetectError(f"{path}: a box is empty; expected x1, y1, x2, y2")
    tracks = [{"frame": [frame], "x": [(a + b - 1) / 2], "y": [(c + d - 1) / 2]} for a, b, c, d in zip(
        x0, x1, y0, y1, strict=True)]  # fmt: skip
    full = [score if math.isfinite(score) else 1.0 for score in scores] + [1.0] * (len(boxes) - len(scores))
    columns = {
        "x_min": x0,
        "x_max": x1,
        "y_min": y0,
        "y_max": y1,
        "probability": np.clip(full[: len(boxes)], 0, 1),
    }
    return detections_of(tracks, columns, label=labels, absolute=False)


def _clock(seconds: float) -> str:
    total = round(max(seconds, 0.0) * 1e6)
    return f"{total // 3_600_000_000:02d}:{total // 60_000_000 % 60:02d}:{total % 60_000_000 / 1e6:09.6f}"


def _file(recording: Observed, found: list[Outgoing]) -> tuple[str, bytes]:
    rates = [frame_rate(item) for item in found]
    rate = next((r for r in rates if r > 0), recording.frame_rate)
    size = [recording.width, recording.height]
    targets = [_target(item, rate, size) for item in found]
    start = min((t["start_time"] for t in targets), default=_clock(0))
    end = max((t["end_time"] for t in targets), default=_clock(0))
    record = {"start_time": start, "end_time": end, "video_size": size, "target": targets}
    value = {
        "version": f"astrodetect {__version__}",
        "basic_info": {
            "loader": "astrodetect", "video": recording.path, "mask": None, "start_time": 0,
            "end_time": round(max(recording.n_frames, 0) / rate * 1000) if rate > 0 else 0,
            "resolution": size, "runtime_resolution": size, "exp_time": 1 / rate if rate > 0 else None,
            "total_frames": recording.n_frames, "fps": rate,
        },
        "config": None, "type": recording.meta.get("type") or "prediction", "anno_size": size,
        "results": [record] if targets else [], "performance": None,
    }  # fmt: skip
    return f"{PurePosixPath(recording.path).stem}.json", dumps(value)


def _target(item: Outgoing, rate: float, size: list[int]) -> dict[str, Any]:
    x = [float(item.value(name)) for name in ("x_start", "x_end")]
    y = [float(item.value(name)) for name in ("y_start", "y_end")]
    frames = [int(item.value("frame_start", -1)), int(item.value("frame_end", -1))]
    times = item.track.get("time", np.array([]))
    start = item.recording.time_start if math.isfinite(item.value("time_start", NAN)) else 0.0
    seconds = [float(times[i] - start) if len(times) else frames[i] / rate for i in (0, -1)]
    if not all(map(math.isfinite, seconds)):
        seconds = [frame / rate if rate > 0 else 0.0 for frame in frames]
    length, duration = math.dist((x[0], y[0]), (x[1], y[1])), seconds[1] - seconds[0]
    fixed = length / max(size) * 100
    probability = float(item.value("probability", 1.0))
    return {
        "start_frame": frames[0], "start_time": _clock(seconds[0]), "end_time": _clock(seconds[1]),
        "last_activate_frame": frames[1], "last_activate_time": _clock(seconds[1]),
        "duration": frames[1] - frames[0] + 1, "speed": float(item.value("speed", NAN)), "dist": length,
        "fix_dist": fixed, "fix_motion_duration": duration, "fix_duration": duration,
        "fix_speed": fixed / duration if duration > 0 else None, "num_pts": len(times),
        "category": _category(str(item.value("label"))),
        "pt1": [round(x[0]), round(y[0])], "pt2": [round(x[1]), round(y[1])],
        "drct_loss": 0.0, "score": probability, "real_dist": length, "raw_score": probability,
        "recheck_score": None,
    }  # fmt: skip
