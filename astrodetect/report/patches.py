"""The patches that the pipeline chose in a recording, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from astrodetect.core.data import Recording
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.plan import Plan
from astrodetect.core.stages import FrameSource
from astrodetect.report.markup import count, short, text
from astrodetect.report.retrace import Traced, composed_plan, retrace
from astrodetect.report.stretch import Floats, block_maximum, grey, levels_of

#: Most windows of a recording of which patches are shown; patches side by side in a sheet; their side.
_MOST_WINDOWS, _COLUMNS, _SIDE = 3, 8, 64


class Patch(NamedTuple):
    """Rank (1 is best), score, first pixel and size of a patch, and the first frame of its window."""

    rank: int
    score: float
    y: int
    x: int
    height: int
    width: int
    window: int


@dataclass(frozen=True)
class Sheet:
    """The patches of one window side by side.

    Attributes
    ----------
    source : str
        File, relative to the page.
    width, height : int
        Of the picture.
    first, last : int
        Frames of the window.
    n_regions : int
        Regions that were scored.
    patches : list of Patch
        Best first.
    """

    source: str
    width: int
    height: int
    first: int
    last: int
    n_regions: int
    patches: list[Patch]


class PatchMaker:
    """Goes through the pipeline of a catalog again where something was accepted.

    Parameters
    ----------
    pipeline : str
        TOML text.
    """

    def __init__(self, pipeline: str) -> None:
        self._plan: Plan | None = None
        self.why_none = ""
        try:
            self._plan = composed_plan(pipeline)
        except AstrodetectError as error:
            self.why_none = str(error)

    def sheets(
        self, source: FrameSource, recording: Recording, found: Detections, rows: Sequence[int], stem: Path
    ) -> list[Sheet]:
        """Write a sheet for each window in which some rows of `found` lie.

        Raises
        ------
        SourceError
            The recording cannot be read.
        OSError
            A picture cannot be written.
        """
        if self._plan is None or not rows:
            return []
        first, last = (found[name][np.asarray(rows)] for name in ("frame_start", "frame_end"))
        frames = [int(frame) for frame in np.maximum(0, (first + last) // 2)]
        sheets = []
        for number, traced in enumerate(retrace(self._plan, source, recording, frames)):
            if number >= _MOST_WINDOWS:
                break
            sheets.append(_save(traced, stem.with_name(f"{stem.name}-patches-{number + 1}")))
        return sheets


def _save(traced: Traced, stem: Path) -> Sheet:
    from PIL import Image

    picture = Image.fromarray(grey(contact_sheet(traced), levels_of(traced.image)))
    name = f"{stem.name}.png"
    picture.save(stem.with_name(name))
    height, width = traced.patches.data.shape[2:]
    patches = [
        Patch(rank, float(score), int(y), int(x), height, width, traced.start)
        for rank, (score, (y, x)) in enumerate(
            zip(traced.patches.selection.scores, traced.patches.corners_yx, strict=True), 1
        )
    ]
    last = traced.start + traced.n_frames - 1
    n_regions = int(traced.scores.data.size)
    folder = stem.parent.name
    return Sheet(
        f"{folder}/{name}", picture.width, picture.height, traced.start, last, n_regions, patches
    )  # fmt: skip


def contact_sheet(traced: Traced) -> Floats:
    """Give all patches side by side, best first, rows of eight, with a line of black between."""
    data = np.asarray(traced.patches.data[:, 0], dtype=np.float32)
    factor = max(1, -(-max(data.shape[1:]) // (2 * _SIDE)))
    cells = [np.nan_to_num(block_maximum(cell, factor), posinf=0, neginf=0) for cell in data]
    if not cells:
        return np.zeros((_SIDE, _SIDE), np.float32)
    height, width = cells[0].shape[0] + 2, cells[0].shape[1] + 2
    rows = -(-len(cells) // _COLUMNS)
    sheet = np.full((rows * height, min(_COLUMNS, len(cells)) * width), float(traced.image.min()), np.float32)
    for i, cell in enumerate(cells):
        y, x = i // _COLUMNS * height, i % _COLUMNS * width
        sheet[y : y + height - 2, x : x + width - 2] = cell
    return sheet


def overlay_marks(sheets: Sequence[Sheet]) -> str:
    """Give the patches as SVG squares with their scores, for the drawing over a picture."""
    drawn = []
    for sheet in sheets:
        for patch in sheet.patches:
            x, y = patch.x - 0.5, patch.y - 0.5
            drawn.append(
                f'<g class="patch"><rect x="{x:g}" y="{y:g}" width="{patch.width}" height="{patch.height}"/>'
                f'<text x="{x + 2:g}" y="{y + patch.height / 6 + 1:g}" font-size="{patch.height / 6:.3g}">'
                f"{patch.rank}: {short(patch.score)}</text></g>"
            )
    return "".join(drawn)


def described(sheets: Sequence[Sheet], path: str) -> str:
    """Give the sheets with a list of scores, to be opened."""
    if not sheets:
        return ""
    figures = []
    for sheet in sheets:
        scores = ", ".join(f"{patch.rank}: {short(patch.score)}" for patch in sheet.patches)
        said = (
            f"{count(len(sheet.patches), 'patch').replace('patchs', 'patches')} of {sheet.n_regions} regions"
        )
        figures.append(
            f'<figure><img class="sheet" src="{sheet.source}" width="{sheet.width}" height="{sheet.height}" '
            f'alt="Patches chosen in frames {sheet.first} to {sheet.last} of {text(path)}, best first" '
            f'loading="lazy"><figcaption>{said} chosen in frames {sheet.first}\u2013{sheet.last}, best '
            f"first, in rows of {_COLUMNS}. Scores: {scores}.</figcaption></figure>"
        )
    summary = "<summary>Patches chosen and their scores</summary>"
    return f'<details class="patches">{summary}{"".join(figures)}</details>\n'
