"""COCO annotations: images, boxes and classes in one JSON file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import __version__
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Observed, detections_of
from astrodetect.exchange.outgoing import lacks_size, outgoing, require
from astrodetect.exchange.structured import dumps, items, mapping, read_json, real, reals, whole
from astrodetect.exchange.text import iso_text, iso_time

#: What we say of a detection beyond its box, in its ``attributes``.
_ATTRIBUTES = ("frame_start", "frame_end", "x_start", "y_start", "x_end", "y_end", "time_start", "time_end")


class Coco(Format):
    """COCO object detection. A box is x, y of its upper left corner, width and height, in pixels.

    ``score`` is the probability. Frames, ends and times are in ``attributes`` of an annotation.
    """

    name = "coco"
    description = "COCO annotations: images, boxes and classes in one JSON file"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the keys."""
        keys = (b'"annotations"', b'"categories"', b'"images"')
        return head.lstrip()[:1] == b"{" and any(key in head for key in keys)

    def read(self, path: Path) -> Content:
        """Read a file; every image becomes a recording.

        Raises
        ------
        AstrodetectError
            It is no COCO, a box is empty, or an annotation is of no image or no class.
        """
        value = mapping(path, read_json(path), "the file")
        if "images" not in value:
            raise AstrodetectError(f"{path}: no 'images'; expected COCO annotations")
        names = {
            whole(real(path, c.get("id"), "the id of a category")): str(c.get("name", "")) or "unknown"
            for c in (
                mapping(path, v, "a category") for v in items(path, value.get("categories"), "categories")
            )
        }
        members: dict[int, list[dict[str, Any]]] = {}
        for entry in items(path, value.get("annotations"), "annotations"):
            annotation = mapping(path, entry, "an annotation")
            owner = whole(real(path, annotation.get("image_id"), "image_id"))
            members.setdefault(owner, []).append(annotation)
        recordings = []
        for entry in items(path, value["images"], "images"):
            image = mapping(path, entry, "an image")
            number = whole(real(path, image.get("id"), "the id of an image"))
            recordings.append(_image(path, image, members.pop(number, []), names))
        if members:
            raise AstrodetectError(
                f"{path}: an annotation is of the image {next(iter(members))}, which is not there"
            )
        return Content(tuple(recordings))

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give one file.

        Raises
        ------
        AstrodetectError
            The size of a frame is not known.
        """
        require(self.name, outgoing(content), no_frame_size=lacks_size)
        labels = sorted({str(v) for r in content.recordings for v in r.detections.columns.get("label", ())})
        number_of = {label: i for i, label in enumerate(labels, 1)}
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, recording in enumerate(content.recordings, 1):
            image: dict[str, Any] = {"id": number, "file_name": recording.path, "width": recording.width,
                                     "height": recording.height}  # fmt: skip
            if math.isfinite(recording.time_start):
                image["date_captured"] = iso_text(recording.time_start)
            images.append(image)
            for row in recording.detections:
                annotations.append(_annotation(row, len(annotations) + 1, number, number_of))
        value = {
            "info": {"description": f"astrodetect {__version__}"},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": i, "name": label, "supercategory": ""} for label, i in number_of.items()],
        }
        yield "annotations.json", dumps(value)


def _annotation(
    row: Mapping[str, Any], number: int, image: int, number_of: Mapping[str, int]
) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
    attributes: dict[str, Any] = {}
    for name in _ATTRIBUTES:
        value = row.get(name, NAN)
        if name.startswith("time"):
            if math.isfinite(value):
                attributes[name] = iso_text(float(value))
        elif name.startswith("frame"):
            if value >= 0:
                attributes[name] = int(value)
        elif math.isfinite(value):
            attributes[name] = float(value)
    return {
        "id": number, "image_id": image, "category_id": number_of[str(row["label"])],
        "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0, "segmentation": [],
        "score": float(row["probability"]), "attributes": attributes,
    }  # fmt: skip


def _image(
    path: Path, image: Mapping[str, Any], found: list[dict[str, Any]], names: Mapping[int, str]
) -> Observed:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise AstrodetectError(f"{path}: an image has no file_name")
    width, height = (whole(real(path, image.get(key), key)) for key in ("width", "height"))
    start = _time(image.get("date_captured"))
    detections = detections_of([])
    if found:
        tracks, columns, labels = _tracks(path, found, names)
        timed = bool(np.isfinite([t["time"][0] for t in tracks]).any())
        detections = detections_of(tracks, columns, label=labels, absolute=timed)
    return Observed(name, detections, time_start=start, width=width, height=height)


def _time(value: Any) -> float:
    try:
        return iso_time(str(value)) if value else NAN
    except ValueError:
        return NAN  # date_captured is free text in many files


def _tracks(
    path: Path, found: list[dict[str, Any]], names: Mapping[int, str]
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    tracks, labels = [], []
    columns: dict[str, list[float]] = {n: [] for n in ("x_min", "y_min", "x_max", "y_max", "probability")}
    for annotation in found:
        x, y, w, h = reals(path, annotation.get("bbox"), 4, "bbox")
        score = real(path, annotation.get("score"), "score")
        if not (w > 0 and h > 0 and math.isfinite(x + y)):
            raise AstrodetectError(f"{path}: a bbox of {w:g} x {h:g} pixels; expected x, y, width, height")
        category = whole(real(path, annotation.get("category_id"), "category_id"))
        if category not in names:
            raise AstrodetectError(f"{path}: category_id {category} is in no category")
        labels.append(names[category])
        given = annotation.get("attributes")
        tracks.append(_track(path, given if isinstance(given, dict) else {}, (x, y, w, h)))
        values = (x, y, x + w, y + h, min(1.0, max(0.0, score)) if math.isfinite(score) else 1.0)
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    return tracks, columns, labels


def _track(path: Path, given: Mapping[str, Any], box: tuple[float, ...]) -> dict[str, Any]:
    """Give first and last point, or the centre of the box."""
    frames = [whole(real(path, given.get(name), name)) for name in ("frame_start", "frame_end")]
    ends = [real(path, given.get(name), name) for name in ("x_start", "y_start", "x_end", "y_end")]
    times = [_time(given.get(name)) for name in ("time_start", "time_end")]
    if any(map(math.isnan, ends)):
        x, y = box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2
        if max(frames) < 0:
            return {"frame": [-1], "time": [NAN], "x": [x], "y": [y]}
        ends = [x, y, x, y]
    return {"frame": frames, "time": times, "x": [ends[0], ends[2]], "y": [ends[1], ends[3]]}
