"""Progress on standard error: bars on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from astrodetect.core.data import Recording
from astrodetect.core.hooks import hookimpl
from astrodetect.core.printing import printable
from astrodetect.core.results import RecordingBlock


class Progress:
    """A hook plugin with one bar over recordings and one over the frames of the present one.

    Parameters
    ----------
    total : int or None
        Number of recordings, if known.
    quiet : bool
        Show nothing.
    frames : bool
        Whether one recording is in work at a time, so that its frames can be shown.
    """

    def __init__(self, total: int | None, quiet: bool, frames: bool = True) -> None:
        from tqdm import tqdm

        self.accepted = self.failed = 0
        hidden = quiet or not sys.stderr.isatty()
        self.recordings: Any = tqdm(total=total, unit="rec", disable=hidden, position=0, file=sys.stderr)
        self.frames: Any = tqdm(
            unit="frame", disable=hidden or not frames, position=1, leave=False, file=sys.stderr
        )

    @hookimpl
    def recording_started(self, recording: Recording, n_frames: int) -> None:
        """Begin the bar over frames anew."""
        self.frames.reset(total=n_frames if n_frames > 0 else None)
        self.frames.set_description(printable(recording.path)[-40:])

    @hookimpl
    def window_done(self, frames_done: int) -> None:
        """Move the bar over frames."""
        self.frames.update(frames_done - self.frames.n)

    @hookimpl
    def recording_done(self, block: RecordingBlock) -> None:
        """Move the bar over recordings."""
        self.recordings.update()
        self.failed += block.status == "failed"
        accepted = int(block.recording.get("n_accepted", 0))
        self.accepted += accepted
        if accepted or block.status == "failed":
            told = f"{self.accepted} accepted" + (f", {self.failed} failed" if self.failed else "")
            self.recordings.set_postfix_str(f"{told}, last in {printable(block.path)[-30:]}")

    def close(self) -> None:
        """Take the bars away."""
        self.frames.close()
        self.recordings.close()
