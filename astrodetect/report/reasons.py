"""What the labels of detections rest on, as pictures for the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from astrodetect.core.data import Recording
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.plan import Plan
from astrodetect.core.stages import FrameSource
from astrodetect.pipeline import Pipeline
from astrodetect.report.markup import text
from astrodetect.report.retrace import explain_again

#: Pixels per inch of the pictures.
_DPI = 110


class Reason(NamedTuple):
    """A picture of what a label rests on: file relative to the page, width, height, label, probability."""

    source: str
    width: int
    height: int
    label: str
    probability: float
    with_gradients: bool


class Explainer:
    """Explains the labels of the first accepted detections of a report.

    Parameters
    ----------
    pipeline : str
        TOML text.
    most : int
        So many detections.
    """

    def __init__(self, pipeline: str, most: int) -> None:
        self.left = most
        self._plan: Plan | None = None
        try:
            self._plan = Pipeline(pipeline).plan if most else None
        except AstrodetectError:
            self.left = 0  # the pipeline cannot be built here: the page says so where patches are missing

    def pictures(
        self, source: FrameSource, recording: Recording, found: Detections, rows: Sequence[int], stem: Path
    ) -> list[Reason]:
        """Draw the reasons for some rows of `found`, as far as any are left to draw.

        Raises
        ------
        AstrodetectError
            The recording cannot be read, or matplotlib is not installed.
        """
        from PIL import Image

        from astrodetect.plots.explanations import plot_explanations
        from astrodetect.plots.style import save

        drawn: list[Reason] = []
        for row in rows[: self.left] if self._plan is not None else ():
            assert self._plan is not None
            self.left -= 1
            columns = {name: values[row] for name, values in found.columns.items()}
            one = explain_again(self._plan, source, recording, columns)
            path = stem.with_name(f"{stem.name}-{row + 1}-reason.png")
            save(plot_explanations([one]), path, _DPI)
            with Image.open(path) as picture:
                size = picture.size
            file, seen = f"{stem.parent.name}/{path.name}", one.gradients is not None
            drawn.append(Reason(file, *size, one.label, one.probability, seen))
        return drawn


def reasons_described(reasons: Sequence[Reason], path: str) -> str:
    """Give the pictures of a recording, to be opened."""
    if not reasons:
        return ""
    figures = []
    for one in reasons:
        more = "; right, where the network looks (Grad-CAM)" if one.with_gradients else ""
        figures.append(
            f'<figure><img class="reason" src="{one.source}" width="{one.width}" height="{one.height}" '
            f'alt="What the label {text(one.label)} in {text(path)} rests on" loading="lazy"><figcaption>'
            f"{text(one.label)} {one.probability:.2f}: the image, and the probability that is lost where a "
            f"part of it is hidden{more}.</figcaption></figure>"
        )
    return f'<details class="patches"><summary>What labels rest on</summary>{"".join(figures)}</details>\n'
