"""What can be chosen about a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astrodetect.core.errors import AstrodetectError


@dataclass(frozen=True)
class ReportSettings:
    """How much a report shows.

    Attributes
    ----------
    candidates : int
        Recordings without an accepted detection that get a picture; those with one always do.
    rejected : int
        Rejected detections listed per recording; static and noise are the first to go.
    accepted : int
        Accepted detections in the table of the whole night.
    recordings : int
        Rows in the table of recordings, and lines in the list of warnings and failures.
    width : int
        Largest width of a picture, in pixels.
    clips : int
        Accepted detections per recording that get a moving picture.
    patches : bool
        Go through the pipeline again where something was accepted, to show the patches that it chose.
    explain : int
        Accepted detections in all for which it is drawn what their label rests on; each takes seconds.
    root : Path or None
        Where the recordings lie now, if not where they were when the catalog was made.

    Raises
    ------
    AstrodetectError
        A number is out of range.
    """

    candidates: int = 50
    rejected: int = 100
    accepted: int = 5000
    recordings: int = 5000
    width: int = 1600
    clips: int = 24
    patches: bool = True
    explain: int = 1
    root: Path | None = None

    def __post_init__(self) -> None:
        for name in ("candidates", "rejected", "accepted", "recordings", "clips", "explain"):
            if getattr(self, name) < 0:
                raise AstrodetectError(f"{name} is {getattr(self, name)}; a number from 0 is needed")
        if self.width < 64:
            raise AstrodetectError(f"width is {self.width}; at least 64 pixels are needed")
