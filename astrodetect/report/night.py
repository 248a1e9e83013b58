"""What a whole run amounts to, added up recording by recording."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrodetect.core.results import RecordingBlock
from astrodetect.core.summary import Summary
from astrodetect.report.maps import Maps
from astrodetect.report.markup import count
from astrodetect.report.rows import DULL, Place, Shown
from astrodetect.report.timeline import Timeline


@dataclass
class Night:
    """Everything that the top of the page says.

    Attributes
    ----------
    summary : Summary
        Counts of recordings, labels, reasons, stages.
    rows : list of dict
        Rows of ``/recordings``, as far as they are listed.
    troubles : list of (str, str, str)
        Status, path and message of recordings with a failure or a warning.
    accepted, rejected : list of Shown
        Detections of all recordings, as far as they are listed; of the rejected ones, those worth a
        second look.
    section_of : dict of str to Place
        The recording by anchor of the detection.
    anchors : dict of int to str
        Anchor of the section by ``recording_id``.
    missing : dict of str to list of str
        Paths of the recordings of which there is no picture, by reason.
    timeline : Timeline
        When cameras recorded, and what was accepted.
    maps : Maps
        Tracks of all accepted detections.
    cameras : Counter
        Recordings of each camera.
    camera : Counter
        Recordings with a detection by ``both``, ``camera``, ``ours``; and ``detections`` of cameras.
    """

    most_rows: int
    most_accepted: int
    summary: Summary = field(default_factory=Summary)
    rows: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    accepted: list[Shown] = field(default_factory=list)
    rejected: list[Shown] = field(default_factory=list)
    section_of: dict[str, Place] = field(default_factory=dict)
    anchors: dict[int, str] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    camera: Counter[str] = field(default_factory=Counter)
    timeline: Timeline = field(default_factory=Timeline)
    maps: Maps = field(default_factory=Maps)
    cameras: Counter[str] = field(default_factory=Counter)
    n_troubles: int = 0
    n_sections: int = 0
    n_rejected_only: int = 0
    n_undrawn: int = 0
    n_rejected_left_out: int = 0
    time_first: float = math.inf
    time_last: float = -math.inf

    def add(self, block: RecordingBlock) -> None:
        """Add a recording."""
        self.summary.add(block)
        row = block.recording
        message = str(row.get("message", ""))
        if block.status != "done" or message:
            self.n_troubles += 1
            # Failures first: a warning gives way to them when there are too many.
            if len(self.troubles) < self.most_rows or block.status == "failed":
                self.troubles.append((block.status, block.path, message))
        if len(self.rows) < self.most_rows:
            self.rows.append(row)
        name = str(row.get("camera", ""))
        self.cameras[name] += 1
        self.timeline.add_recording(
            name, float(row.get("time_start", math.nan)), float(row.get("time_end", math.nan))
        )
        for name in ("time_start", "time_end"):
            time = float(row.get(name, math.nan))
            if math.isfinite(time):
                self.time_first, self.time_last = min(self.time_first, time), max(self.time_last, time)
        theirs = 0 if block.camera is None else len(block.camera)
        ours = "accepted" in block.detections and bool(block.detections["accepted"].any())
        self.camera["detections"] += theirs
        if theirs or ours:
            self.camera["both" if theirs and ours else "camera" if theirs else "ours"] += 1

    def add_section(self, block: RecordingBlock, anchor: str, shown: Sequence[Shown], left_out: int) -> None:
        """Add what the section of a recording shows."""
        self.n_sections += 1
        self.anchors[block.recording_id] = anchor
        self.n_rejected_left_out += left_out
        self.n_rejected_only += not any(one.kind == "accepted" for one in shown)
        camera = str(block.recording.get("camera", ""))
        for one in shown:
            if one.kind == "accepted" and len(self.accepted) < self.most_accepted:
                self.accepted.append(one)
                self.timeline.add_detection(camera, one)
                self.maps.add(block.recording, one)
            elif one.kind == "rejected" and one.label not in DULL and len(self.rejected) < self.most_accepted:
                self.rejected.append(one)
            else:
                continue
            self.section_of[one.anchor] = Place(anchor, block.path, camera)

    @property
    def listed(self) -> list[Shown]:
        """What the table of the night shows: accepted detections, and rejected ones as there is room."""
        return [*self.accepted, *self.rejected[: self.most_accepted - len(self.accepted)]]

    @property
    def n_accepted(self) -> int:
        """Accepted detections."""
        return sum(self.summary.accepted.values())

    @property
    def n_rejected(self) -> int:
        """Rejected detections."""
        return sum(self.summary.labels.values()) - self.n_accepted

    def why_nothing(self) -> list[str]:
        """Say where everything went when nothing was accepted, one line each; none if something was."""
        summary = self.summary
        if self.n_accepted:
            return []
        if not summary.n_recordings:
            return ["No recording has been looked at."]
        if summary.statuses["failed"] == summary.n_recordings:
            return ["Every recording failed."]
        if not summary.n_frames:
            return ["No frame was read."]
        if summary.labels:
            reasons = summary.reasons.most_common(20)
            return [
                f"{count(n, 'detection')} rejected: {reason or 'no reason given'}" for reason, n in reasons
            ]
        candidates = summary.counts["candidates"]
        frames = count(summary.n_frames, "frame")
        if candidates:
            return [f"Of {count(candidates, 'candidate region')} in {frames} none showed an object."]
        return [f"No region of {frames} stood out from the noise."]


def versions_of(provenance: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give the distributions that made a catalog, with their versions.

    Examples
    --------
    >>> versions_of({"versions": '{"numpy": "2.1"}'}), versions_of({"versions": "?"})
    ([('numpy', '2.1')], [])
    """
    try:
        found = json.loads(provenance.get("versions", "{}"))
    except ValueError:
        return []
    return (
        sorted((str(name), str(version)) for name, version in found.items())
        if isinstance(found, dict)
        else []
    )
