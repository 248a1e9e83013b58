"""What a run makes of one recording, and hands to whoever stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from astrodetect.core.detections import Detections


@dataclass(frozen=True)
class RecordingBlock:
    """Everything that was found in one recording. Picklable: worker processes send it.

    Attributes
    ----------
    recording : dict
        The row of ``/recordings``: keys as in `astrodetect.core.columns.RECORDING_COLUMNS`, at
        least ``recording_id`` and ``path``; other keys become columns of their own. ``n_detections``
        and ``n_accepted`` are counted when it is stored.
    detections : Detections
        All of them, rejected ones too, with ``detection_id``.
    camera : Detections or None
        What the camera's own software had found.
    summary : dict
        Statistics of the stages, of what JSON can hold.
    """

    recording: dict[str, Any]
    detections: Detections = field(default_factory=Detections.empty)
    camera: Detections | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recording_id(self) -> int:
        """Id of the recording."""
        return int(self.recording["recording_id"])

    @property
    def path(self) -> str:
        """Path of the recording relative to the input under which it was found."""
        return str(self.recording["path"])

    @property
    def status(self) -> str:
        """``done``, ``partial`` or ``failed``; ``changed`` is never stored."""
        return str(self.recording.get("status", "done"))
