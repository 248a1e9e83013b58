"""What a run did, added up: for the lines at its end and for machines."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from astrodetect.core.results import RecordingBlock

#: Failures and warnings that are printed one by one; of the rest only the number.
_SHOWN = 20
#: Failures for one reason that are printed; and reasons that are told apart.
_EXAMPLES = 3
_CAUSES = 200


def cause_of(path: str, message: str) -> str:
    """Give what is common to failures for the same reason: the message without names and numbers.

    Examples
    --------
    >>> cause_of("a/b1.avi", "/data/a/b1.avi: decoded 0 of 12 frames")
    'decoded N of N frames'
    """
    name = path.rsplit("/", 1)[-1]
    text = re.sub(rf"[^\s'\"]*{re.escape(name)}[^\s:'\"]*(: )?", "", message) if name else message
    return re.sub(r"\d+(\.\d+)?", "N", text).strip() or message


@dataclass
class Summary:
    """Statistics over recordings.

    Attributes
    ----------
    statuses, labels, accepted, reasons, warnings : Counter
        Recordings by status; detections by label; accepted ones by label; rejected ones by reason;
        recordings by warning.
    seconds, counts : Counter
        By stage: time, and how many it let through.
    failures : list of str
        ``path: message`` of the first ones.
    causes : dict of str to (int, list of str)
        How many failed for the same reason, and the first of them as in `failures`.
    later : list of str
        The first recordings that were left for later because they are still being written.
    tracebacks : list of str
        Of stages that raised.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    causes: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    later: list[str] = field(default_factory=list)
    n_later: int = 0
    peak_memory: int = 0
    tracebacks: list[str] = field(default_factory=list)
    n_frames: int = 0
    busy: float = 0.0
    skipped: int = 0

    def add(self, block: RecordingBlock) -> None:
        """Add the results of one recording."""
        row = block.recording
        self.statuses[block.status] += 1
        self.n_frames += int(row.get("n_frames", 0))
        self.busy += float(row.get("seconds", 0.0))
        message = str(row.get("message", ""))
        if block.status == "failed":
            self._fail(block.path, message)
        elif message:
            self.warnings.update(message.split("; "))
        self.labels.update(block.detections["label"])
        if "accepted" in block.detections:
            accepted = block.detections["accepted"]
            self.accepted.update(block.detections["label"][accepted])
            self.reasons.update(block.detections["reason"][~accepted])
        self.seconds.update(block.summary.get("seconds", {}))
        self.counts.update(block.summary.get("counts", {}))
        self.peak_memory = max(self.peak_memory, int(block.summary.get("peak_memory", 0)))
        if block.summary.get("traceback") and len(self.tracebacks) < _SHOWN:
            self.tracebacks.append(f"{block.path}:\n{block.summary['traceback']}")

    def _fail(self, path: str, message: str) -> None:
        text = f"{path}: {message}"
        if len(self.failures) < _SHOWN:
            self.failures.append(text)
        cause = cause_of(path, message)
        if cause not in self.causes and len(self.causes) >= _CAUSES:
            cause = "other reasons"
        count, examples = self.causes.get(cause, (0, []))
        self.causes[cause] = (count + 1, [*examples, text] if count < _EXAMPLES else examples)

    def leave(self, path: str) -> None:
        """Note a recording that is still being written."""
        self.n_later += 1
        if len(self.later) < _EXAMPLES:
            self.later.append(path)

    @property
    def n_recordings(self) -> int:
        """Recordings processed in this run."""
        return sum(self.statuses.values())

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain values."""
        names = ("statuses", "labels", "accepted", "reasons", "warnings", "seconds", "counts")
        plain = {name: dict(getattr(self, name)) for name in names}
        causes = {cause: count for cause, (count, _) in self.causes.items()}
        return {
            **plain, "n_frames": self.n_frames, "failures": list(self.failures), "causes": causes,
            "skipped": self.skipped, "left_for_later": self.n_later, "peak_memory": self.peak_memory,
        }  # fmt: skip

    def lines(self, elapsed: float) -> list[str]:
        """Give the lines that a user reads at the end.

        Parameters
        ----------
        elapsed : float
            Seconds of the whole run.
        """
        done = ", ".join(f"{n} {status}" for status, n in sorted(self.statuses.items())) or "none"
        rate = f", {self.n_frames / elapsed:.0f} frames/s" if elapsed > 0 and self.n_frames else ""
        lines = [f"recordings: {done}" + (f"; {self.skipped} done before" if self.skipped else "")]
        lines.append(f"frames:     {self.n_frames} in {elapsed:.1f} s{rate}")
        if self.seconds:
            lines.append("stages:     " + ", ".join(self._stage(name) for name in self.seconds))
        lines.append("candidates: " + self._funnel())
        found = ", ".join(
            f"{n} {label} ({self.accepted[label]} accepted)" for label, n in self.labels.most_common()
        )
        lines.append(f"detections: {found or 'none'}")
        if not sum(self.accepted.values()) and (self.n_recordings or not self.skipped):
            lines.append(f"nothing was accepted: {self._why_nothing()}")
        lines += [f"warning: {text} ({n} recordings)" for text, n in self.warnings.most_common(_SHOWN)]
        if self.n_later:
            some = ", ".join(self.later) + (", ..." if self.n_later > len(self.later) else "")
            lines.append(f"left for later, still being written: {self.n_later} ({some})")
        return lines + self.failure_lines()

    def failure_lines(self) -> list[str]:
        """Give the failures, those for the same reason together, the most frequent reason first."""
        causes = sorted(self.causes.items(), key=lambda item: -item[1][0])
        lines: list[str] = []
        told = 0
        for cause, (count, examples) in causes:
            if len(lines) >= _SHOWN:
                break
            told += count
            if count <= _EXAMPLES:
                lines += [f"failed: {text}" for text in examples]
            else:
                lines += [f"failed: {count} recordings: {cause}; the first:"]
                lines += [f"failed:   {text}" for text in examples]
        more = self.statuses["failed"] - told
        return [*lines, f"failed: and {more} more"] if more > 0 else lines

    def _stage(self, name: str) -> str:
        seconds = self.seconds[name]
        rate = f" ({self.n_frames / seconds:.0f} frames/s)" if seconds > 0.005 and self.n_frames else ""
        return f"{name} {seconds:.2f} s{rate}"

    def _funnel(self) -> str:
        steps = ("cells", "candidates", "found in windows", "detections", "accepted")
        parts = [f"{self.counts[step]} {step}" for step in steps if step in self.counts]
        return " -> ".join(parts) or "none"

    def _why_nothing(self) -> str:
        if self.n_recordings and self.statuses["failed"] == self.n_recordings:
            return "every recording failed"
        if not self.n_frames:
            return "no frame was read"
        if not self.labels:
            return "no region stood out from the noise" if self.counts["candidates"] == 0 else (
                f"of {self.counts['candidates']} candidate regions none showed an object"
            )  # fmt: skip
        return ", ".join(f"{n} x {reason}" for reason, n in self.reasons.most_common(5))
