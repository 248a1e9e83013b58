"""CALSTARS: the stars that RMS or CAMS found in the FF files of a night."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Item, Observed
from astrodetect.exchange.text import number, read_text
from astrodetect.methods.names import time_from_name

#: Names of the columns in a file, small, and ours.
_NAMES = {
    "y": "y", "x": "x", "intenssum": "flux", "ampltd": "peak", "fwhm": "fwhm", "bglvl": "background",
    "snr": "snr", "nsatpx": "n_saturated",
}  # fmt: skip
_HEADER = "      Y       X IntensSum Ampltd  FWHM  BgLvl   SNR NSatPx"
_FORMATS = ("7.2f", "7.2f", "9.0f", "6.0f", "5.2f", "6.0f", "5.2f", "6.0f")
_RULE = re.compile(r"[=#]{20,}\s*")
_KEY = re.compile(r"([A-Za-z# ]+?)\s*=\s*(.*)")


class CalStars(Format):
    """CALSTARS. The line of the header that names the columns counts, not their usual order.

    ``time`` of a star is that of its FF file; the light is the mean of all its frames, so the middle is
    half of them later, but the file does not state the frame rate.
    """

    name = "calstars"
    description = "CALSTARS of RMS and CAMS: the stars found in the FF files of a night"
    observes = False

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the line that names the columns."""
        return b"IntensSum" in head and head.lstrip()[:5] == b"====="

    def read(self, path: Path) -> Content:
        """Read a night. Columns of `Content.stars` that a file does not have are NaN.

        Raises
        ------
        AstrodetectError
            No line names the columns, a row has another number of them, or the file is cut off.
        """
        lines = [Item(i, line.rstrip()) for i, line in enumerate(read_text(path).split("\n"), 1)]
        columns = next((t.lower().split() for _, t in lines[:8] if "intenssum" in t.lower()), None)
        if columns is None or not {"x", "y"} <= set(columns):
            raise AstrodetectError(
                f"{path}: no line names the columns; expected Y X IntensSum ... (CALSTARS)"
            )
        if not any(text.startswith("####") for _, text in lines):
            raise AstrodetectError(f"{path}: cut off: the line of # at the end is missing")
        keys: dict[str, str] = {}
        stars = list(_stars(path, lines, columns, keys))
        names = list(dict.fromkeys(star["recording"] for star in stars))
        made = {
            n: np.array([star[n] for star in stars]) for n in ("recording", "time", *_NAMES.values())
        } if stars else {}  # fmt: skip
        camera, width, height = (keys.get(key, "") for key in ("cam #", "ncols", "nrows"))
        frames = keys.get("nframes", "")
        recordings = tuple(
            Observed(
                name, camera=camera, time_start=_time(name), width=_whole(width), height=_whole(height),
                n_frames=_whole(frames),
            )
            for name in names
        )  # fmt: skip
        return Content(recordings, made)

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file of all stars.

        Raises
        ------
        AstrodetectError
            There are none.
        """
        stars = content.stars
        if not len(stars.get("x", ())) or "recording" not in stars:
            raise AstrodetectError(
                "calstars: no stars to write; only what was read from such files can be written"
            )
        first = content.recordings[0] if content.recordings else Observed("")
        rule = "=" * 74
        lines = [
            rule, "RMS star extractor", "Cal time = FF header time plus 255/(2*framerate_Hz) seconds",
            _HEADER, rule, "FF folder = ", f"Cam #   = {first.camera}", f"Nrows   = {first.height}",
            f"Ncols   = {first.width}",
            f"Nframes = {first.n_frames if first.n_frames > 0 else 256}", "Nstars  = -1",
        ]  # fmt: skip
        names = np.asarray(stars["recording"]).astype(str)
        for name in dict.fromkeys(names.tolist()):
            lines += [rule, name, "Star area dim = -1", "Integ pixels  = -1"]
            for row in np.flatnonzero(names == name).tolist():
                lines.append(" ".join(_cell(stars, ours, row, form) for ours, form in zip(
                    _NAMES.values(), _FORMATS, strict=True)))  # fmt: skip
        lines.append("#" * 74)
        code = first.camera or "unknown"
        text = "".join(f"{line}\n" for line in lines)
        yield f"CALSTARS_{re.sub(r'[^A-Za-z0-9-]+', '-', code)}.txt", text.encode("utf-8", "replace")


def _cell(stars: Any, name: str, row: int, form: str) -> str:
    value = float(stars[name][row]) if name in stars else NAN
    return format(value if np.isfinite(value) else -1.0, form)


def _stars(
    path: Path, lines: list[Item], columns: list[str], keys: dict[str, str]
) -> Iterator[dict[str, Any]]:
    name = ""
    for line, text in lines:
        key = _KEY.fullmatch(text)
        if key is not None:
            keys.setdefault(key[1].strip().lower(), key[2].strip())
            continue
        if _RULE.fullmatch(text) or not text.strip():
            name = ""
            continue
        cells = text.split()
        if not name and len(cells) == 1 and text[:2].upper() == "FF":
            name = text.strip()
        elif name:
            yield {"recording": name, "time": _time(name), **_row(path, line, cells, columns)}


def _row(path: Path, line: int, cells: list[str], columns: list[str]) -> dict[str, float]:
    if not 4 <= len(cells) <= len(columns):
        raise AstrodetectError(f"{path}, line {line}: {len(cells)} numbers; expected {len(columns)}")
    star = dict.fromkeys(_NAMES.values(), NAN)
    for column, cell in zip(columns, cells, strict=False):
        try:
            value = number(cell)
        except ValueError:
            raise AstrodetectError(f"{path}, line {line}: {cell!r} is no number; expected {column}") from None
        if column in _NAMES:
            unknown = value < 0 and column not in ("x", "y")
            star[_NAMES[column]] = NAN if unknown else value
    return star


def _time(name: str) -> float:
    named = time_from_name(name)
    return NAN if named is None else named.time


def _whole(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 7 else -1
