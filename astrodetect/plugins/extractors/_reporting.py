"""Tell the user once what concerns a whole recording."""

from __future__ import annotations

from astrodetect.core.stages import Stage


def report_once(stage: Stage, message: str) -> None:
    """Report once per recording, not once per window."""
    if message not in stage.__dict__.get("_reports", []):
        stage.report(message)
