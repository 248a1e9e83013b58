"""What of a catalog is drawn: a detection, and its recording as the pipeline saw it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrodetect.catalogs.reader import Catalog
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.results import RecordingBlock
from astrodetect.report.reopen import Archive
from astrodetect.report.retrace import Traced, composed_plan, explain_again, retrace

if TYPE_CHECKING:
    from astrodetect.explanation.explain import Explanation


@dataclass(frozen=True)
class Chosen:
    """A detection, and the results of its recording.

    Attributes
    ----------
    block : RecordingBlock
        Everything that was found in the recording.
    row : int
        Which detection of it.
    """

    block: RecordingBlock
    row: int

    @property
    def track(self) -> dict[str, np.ndarray]:
        """Its points in order of frames."""
        return self.block.detections.track(self.row)

    @property
    def name(self) -> str:
        """A title: recording, frames and label."""
        found = self.block.detections
        return (
            f"{self.block.path}, frames {found['frame_start'][self.row]}-{found['frame_end'][self.row]}: "
            f"{found['label'][self.row]} {found['probability'][self.row]:.2f}"
        )


def choose(catalog: Catalog, detection: int | None = None, recording: str = "") -> Chosen:
    """Give a detection by its id; without one the brightest accepted of a recording, or of all.

    Parameters
    ----------
    catalog : Catalog
        Open.
    detection : int, optional
        ``detection_id``.
    recording : str
        Path of a recording, as in the catalog.

    Raises
    ------
    AstrodetectError
        There is none.
    """
    found = catalog.read_columns(["detection_id", "recording_id", "accepted", "flux"])
    recordings = catalog.read_columns(["recording_id", "path"], "recordings")
    rows = np.arange(len(found["detection_id"]))
    if detection is not None:
        rows = rows[found["detection_id"] == detection]
    if recording:
        ids = recordings["recording_id"][recordings["path"] == recording]
        rows = rows[np.isin(found["recording_id"][rows], ids)]
    if not len(rows):
        what = f"detection {detection}" if detection is not None else f"detection in {recording or 'it'}"
        raise AstrodetectError(f"{catalog.path}: holds no {what}; `astrodetect catalog query` lists them")
    flux = np.nan_to_num(found["flux"][rows], nan=-1.0)
    best = rows[np.lexsort([flux, found["accepted"][rows]])[-1]]
    for block in catalog.blocks():
        if block.recording_id == found["recording_id"][best]:
            at = np.flatnonzero(block.detections["detection_id"] == found["detection_id"][best])
            return Chosen(block, int(at[0]))
    raise AstrodetectError(f"{catalog.path}: a detection belongs to no recording; `catalog verify` says more")


def seen_again(catalog: Catalog, chosen: Chosen, root: Path | None = None) -> Traced:
    """Give what the stages of the catalog's pipeline see in the window of a detection.

    Raises
    ------
    AstrodetectError
        The recording cannot be read again, or the pipeline chooses no patches.
    """
    pipeline = catalog.provenance.get("pipeline", "")
    plan = composed_plan(pipeline)
    source, recording = Archive(pipeline, root).find(chosen.block.recording)
    found = chosen.block.detections
    middle = int(max(0, found["frame_start"][chosen.row] + found["frame_end"][chosen.row]) // 2)
    for traced in retrace(plan, source, recording, [middle]):
        return traced
    raise AstrodetectError(f"{recording.location}: has no frame {middle} any more")


def explained(catalog: Catalog, chosen: Chosen, root: Path | None = None) -> Explanation:
    """Explain the label of a detection: what its probability rests on.

    Raises
    ------
    AstrodetectError
        The recording cannot be read again.
    """
    from astrodetect.pipeline import Pipeline

    pipeline = catalog.provenance.get("pipeline", "")
    source, recording = Archive(pipeline, root).find(chosen.block.recording)
    row = {name: values[chosen.row] for name, values in chosen.block.detections.columns.items()}
    return explain_again(Pipeline(pipeline).plan, source, recording, row)


def detections_of(catalog: Catalog, recording: str = "", *, rejected: bool = False) -> Detections:
    """Give the accepted detections of a recording, or of all; with `rejected` the others too."""
    parts = [
        block.detections if rejected else block.detections.take(block.detections["accepted"].astype(bool))
        for block in catalog.blocks()
        if recording in ("", block.path) and len(block.detections)
    ]
    return Detections.concatenate(parts)
