"""YOLO labels: one text file for each image, boxes as fractions of its size."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import Content, Observed, detections_of
from astrodetect.exchange.outgoing import lacks_size, outgoing, require
from astrodetect.exchange.text import number, read_text

_ROW = re.compile(r"\s*\d{1,6}(\s+[-+.\deE]+){4,}\s*")
#: Beside the labels: names of the classes, and sizes of the images.
_CLASSES, _SIZES = ("classes.txt", "obj.names"), "images.csv"
_FITS = (".fits", ".fit")
_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", *_FITS)


class Yolo(Format):
    """YOLO labels: class, centre, width and height as fractions, and perhaps a probability.

    The size of the image comes from ``images.csv`` (file, width, height) beside the labels, which we write,
    or from the image, beside the labels or in the folder ``images`` next to theirs. Classes come from
    ``classes.txt``.
    """

    name = "yolo"
    description = "YOLO labels: one text file for each image, with classes.txt and images.csv"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the ending and the first row."""
        first = head.decode("latin-1").strip().split("\n")[0]
        return path.suffix.lower() == ".txt" and _ROW.fullmatch(first) is not None

    def read(self, path: Path) -> Content:
        """Read the labels of one image.

        Raises
        ------
        AstrodetectError
            A row is cut off or no box, or the size of the image is not known.
        """
        image, width, height = _size(path)
        names = _class_names(path)
        boxes: list[tuple[float, ...]] = []
        labels, scores = [], []
        for line, text in enumerate(read_text(path).split("\n"), 1):
            cells = text.split()
            if not cells:
                continue
            try:
                if not 5 <= len(cells) <= 6:
                    raise ValueError(f"{len(cells)} numbers")
                values = [number(cell) for cell in cells]
                x, y, w, h = values[1:5]
                score = values[5] if len(values) == 6 else 1.0
                good = w > 0 and h > 0 and max(x, y, w, h) <= 2 and min(x, y) >= -1 and 0 <= score <= 1
                if not good or not 0 <= values[0] < 1e6:
                    raise ValueError(f"{text.strip()[:60]!r}")
            except ValueError as error:
                expected = "class x y width height [probability], fractions of the image"
                raise AstrodetectError(f"{path}, line {line}: {error}; expected {expected}") from None
            boxes.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
            labels.append(names.get(int(values[0]), f"class {int(values[0])}"))
            scores.append(score)
        return Content((_observed(image, width, height, boxes, labels, scores),))

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each recording, ``classes.txt`` and ``images.csv``.

        Raises
        ------
        AstrodetectError
            The size of a frame is not known, or two recordings have the same name.
        """
        require(self.name, outgoing(content), no_frame_size=lacks_size)
        labels = sorted({str(v) for r in content.recordings for v in r.detections.columns.get("label", ())})
        number_of = {label: i for i, label in enumerate(labels)}
        sizes = io.StringIO()
        table = csv.writer(sizes, lineterminator="\n")
        table.writerow(["file", "width", "height"])
        seen: dict[str, str] = {}
        for recording in content.recordings:
            stem = PurePosixPath(recording.path).stem
            if stem in seen:
                raise AstrodetectError(
                    f"{self.name}: {seen[stem]} and {recording.path} would share the labels {stem}.txt; "
                    "export them apart, with --where"
                )
            seen[stem] = recording.path
            table.writerow([recording.path, recording.width, recording.height])
            yield f"{stem}.txt", _labels(recording, number_of)
        yield _CLASSES[0], "".join(f"{label}\n" for label in labels).encode("utf-8", "replace")
        yield _SIZES, sizes.getvalue().encode("utf-8", "replace")


def _labels(recording: Observed, number_of: dict[str, int]) -> bytes:
    lines = []
    for row in recording.detections:
        x0, y0, x1, y1 = (float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
        w, h = recording.width, recording.height
        values = (
            (x0 + x1) / 2 / w,
            (y0 + y1) / 2 / h,
            (x1 - x0) / w,
            (y1 - y0) / h,
            float(row["probability"]),
        )
        lines.append(f"{number_of[row['label']]} {' '.join(f'{value:.10g}' for value in values)}\n")
    return "".join(lines).encode()


def _observed(
    image: str,
    width: int,
    height: int,
    boxes: list[tuple[float, ...]],
    labels: list[str],
    scores: list[float],
) -> Observed:
    if not boxes:
        return Observed(image, width=width, height=height)
    x0, y0, x1, y1 = np.array(boxes).T * np.array([[width], [height], [width], [height]])
    tracks = [
        {"frame": [-1], "x": [x], "y": [y]} for x, y in zip((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2, strict=True)
    ]
    columns = {"x_min": x0, "y_min": y0, "x_max": x1, "y_max": y1, "probability": np.array(scores)}
    made = detections_of(tracks, columns, label=labels, absolute=False)
    return Observed(image, made, width=width, height=height)


def _class_names(path: Path) -> dict[int, str]:
    for folder in (path.parent, path.parent.parent):
        for name in _CLASSES:
            if (folder / name).is_file():
                lines = read_text(folder / name).split("\n")
                return {i: line.strip() for i, line in enumerate(lines) if line.strip()}
    return {}


def _size(path: Path) -> tuple[str, int, int]:
    """Give name, width and height of the image that labels belong to."""
    table = path.with_name(_SIZES)
    if table.is_file():
        for row in csv.reader(read_text(table).split("\n")):
            if len(row) == 3 and PurePosixPath(row[0]).stem == path.stem:
                if not all(re.fullmatch(r"[1-9]\d{0,5}", cell.strip()) for cell in row[1:]):
                    raise AstrodetectError(f"{table}: {','.join(row)!r}; expected file,width,height")
                return row[0], int(row[1]), int(row[2])
    folders = (
        path.parent,
        path.parent.parent / "images",
        path.parent.parent.parent / "images" / path.parent.name,
    )
    for folder in folders:
        for suffix in (*_IMAGES, *(s.upper() for s in _IMAGES)):
            image = folder / f"{path.stem}{suffix}"
            if image.is_file():
                return (image.name, *_image_size(image))
    raise AstrodetectError(
        f"{path}: the size of its image is not known; expected {_SIZES} (file,width,height) or the image "
        f"{path.stem}.png beside it"
    )


def _image_size(image: Path) -> tuple[int, int]:
    from astropy.io import fits
    from PIL import Image

    try:
        if image.suffix.lower() in _FITS:
            header = fits.getheader(image)
            return int(header["NAXIS1"]), int(header["NAXIS2"])
        with Image.open(image) as opened:
            width, height = opened.size
    except Exception as error:  # a damaged image raises what the library likes
        raise AstrodetectError(f"{image}: no image: {' '.join(str(error).split())[:80]}") from None
    return int(width), int(height)
