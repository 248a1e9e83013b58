"""Look at a folder of recordings and write a pipeline file for it."""

from __future__ import annotations

import math
import os
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from astrodetect import pipelines
from astrodetect.core.data import Stream
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.printing import printable
from astrodetect.core.registry import load_sources
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened

#: Recordings that are looked for, and of each source and folder so many that are opened.
_LOOKED_FOR, _OPENED = 500, 2


@dataclass
class Seen:
    """What a folder holds.

    Attributes
    ----------
    folder : Path
        Where.
    sources : Counter
        Recordings by source.
    streams : list of (str, Stream)
        Path of a recording, and what it says of itself.
    more : bool
        There are more recordings than were counted.
    unreadable : list of str
        Messages of recordings that could not be opened.
    """

    folder: Path
    sources: Counter[str] = field(default_factory=Counter)
    streams: list[tuple[str, Stream]] = field(default_factory=list)
    more: bool = False
    unreadable: list[str] = field(default_factory=list)


def look(folder: Path) -> Seen:
    """Look at the first recordings of a folder.

    Raises
    ------
    AstrodetectError
        There is no such folder, or nothing in it that a source knows.
    """
    if not folder.exists():
        raise AstrodetectError(f"{folder}: no such file or folder; expected recordings")
    sources, _ = load_sources()
    seen = Seen(folder)
    n_opened: Counter[tuple[str, Path]] = Counter()
    found = discover([folder], sources)
    for recording in islice(found, _LOOKED_FOR):
        if not recording.source:
            continue
        seen.sources[recording.source] += 1
        place = (recording.source, recording.location.parent)
        if n_opened[place] < _OPENED and sum(n_opened.values()) < 20:
            n_opened[place] += 1
            try:
                made: Any = sources[recording.source]
                source: FrameSource = made()
                with opened(source, recording) as stream:
                    seen.streams.append((recording.path, stream))
            except Exception as error:  # init tells what it sees; the run will name what cannot be read
                seen.unreadable.append(f"{recording.path}: {' '.join(str(error).split())}")
    seen.more = next(found, None) is not None
    if not seen.sources:
        raise AstrodetectError(f"{folder}: no recording found; looked for {', '.join(sorted(sources))}")
    return seen


def pipeline_for(seen: Seen, target: Path) -> str:
    """Give a pipeline file (TOML) with comments for what was seen.

    Parameters
    ----------
    seen : Seen
        From `look`.
    target : Path
        Where the file will lie: paths in it are relative to that.
    """
    counted = ", ".join(f"{n} {name}" for name, n in seen.sources.most_common())
    least = "at least " if seen.more else ""
    lines = [
        f"# Pipeline for {printable(seen.folder.absolute().name)}: {least}{counted} recordings.",
        "# Every setting of a stage: astrodetect plugins show NAME. What is wrong here: astrodetect check.",
        *(f"# Seen: {printable(line)}" for line in _told(seen)),
        *(f"# Not readable: {printable(line)}" for line in seen.unreadable[:5]),
        "",
        *_source(seen, target.absolute().parent),
        *_stages(seen),
        *_stations(seen),
        "[catalog]",
        "# Where the results go; relative to this file. --out on the command line overrides it.",
        f"path = {_quoted(f'{target.stem}.h5')}",
    ]
    return "\n".join(lines) + "\n"


def _told(seen: Seen) -> list[str]:
    told = []
    for path, stream in seen.streams[:5]:
        height, width = stream.shape
        rate = f"{stream.frame_rate:g} Hz" if math.isfinite(stream.frame_rate) else "unknown frame rate"
        frames = f"{stream.n_frames} frames" if stream.n_frames > 0 else "unknown number of frames"
        camera = f", camera {stream.camera}" if stream.camera else ""
        told.append(f"{path}: {width}x{height} {stream.dtype}, {frames}, {rate}{camera}")
    return told


def _source(seen: Seen, base: Path) -> list[str]:
    path = os.path.relpath(seen.folder.absolute(), base)
    many = len(seen.sources) > 1
    (name, _) = seen.sources.most_common(1)[0]
    return [
        "[source]",
        "# Which source reads the recordings. Without it each is recognised by its files"
        + (", as is needed here." if many else "."),
        f"{'# ' if many else ''}use = {_quoted(name)}",
        "# Where they are, relative to this file. INPUT on the command line overrides it.",
        f"path = {_quoted(Path(path).as_posix())}",
        "",
    ]


#: What stands above each table of the built-in pipeline.
_COMMENTS = {
    "window": ["Longer than a meteor, shorter than what drifts."],
    "preprocess": ["What moved or flashed: the maximum of each pixel, minus its median."],
    "score": ["Where to look: the regions with the highest score ..."],
    "select": ["... so many of them per window. More find fainter ones and take longer."],
    "classify": ["What it is: the path is measured in every frame."],
    "postprocess": ["What goes on over windows or patches becomes one detection."],
    "verify": ["The last word: what its track looks like, shown to a small network."],
    "accept": [
        "What counts as found. A lower threshold loses fewer meteors and accepts more of other things;",
        "rejected detections stay in the catalog either way.",
    ],
}


def _stages(seen: Seen) -> list[str]:
    """Give the stages of the built-in pipeline, with a word on each, and on what was seen."""
    import tomli_w

    lines: list[str] = []
    for name, value in tomllib.loads(pipelines.text("meteor") or "").items():
        head = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
        for table in value if isinstance(value, list) else [value]:
            comments = _COMMENTS.get(table.get("use", ""), _COMMENTS.get(name, []))
            comments = [*comments, *(_window(seen) if name == "window" else [])]
            lines += [*(f"# {comment}" for comment in comments), head]
            lines += [*tomli_w.dumps(table, multiline_strings=False).rstrip().split("\n"), ""]
    return lines


def _window(seen: Seen) -> list[str]:
    rates = [stream.frame_rate for _, stream in seen.streams if math.isfinite(stream.frame_rate)]
    if seen.streams and all(stream.n_frames == 1 for _, stream in seen.streams):
        return ["The recordings are single images: each is one window, whatever stands here."]
    if not rates and seen.streams:
        return ["The frame rate is unknown; give size and step in frames if 30 Hz is far off."]
    return [f"Seen: {min(rates):g} to {max(rates):g} Hz."] if rates else []


def _stations(seen: Seen) -> list[str]:
    lines: list[str] = []
    cameras = {stream.camera: stream for _, stream in seen.streams if stream.camera}
    for camera, stream in sorted(cameras.items()):
        lines.append(
            f"# What is different for the camera {camera}; take off the # of what you need.".replace(
                "\n", " "
            )
        )
        if stream.mask is not None:
            share = 100 * float(stream.mask.mean())
            lines.append(f"# Its recordings come with a mask already ({share:.0f} % of the frame).")
        lines += [
            f"# [station.{_quoted(camera)}]",
            "# threshold = 0.8",
            '# mask = "mask.png"  # black is ignored',
            "",
        ]
    return lines


def _quoted(text: str) -> str:
    """Give a TOML string."""
    import tomli_w

    return tomli_w.dumps({"x": text}).partition("=")[2].strip()
