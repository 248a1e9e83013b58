"""Errors in the user's terms: what, where, what was expected."""

from __future__ import annotations

from collections.abc import Sequence


class AstrodetectError(Exception):
    """A mistake of the user or a fault of the input, told in one line.

    The command line prints it without a traceback.
    """


class SourceError(AstrodetectError):
    """A recording cannot be read; it becomes a failed row of ``/recordings``, the run goes on."""


class TruncatedError(SourceError):
    """A recording could be decoded only up to some frame.

    Raised by ``FrameSource.frames`` after the last good frame; what came before is kept and the
    recording is marked ``partial``.
    """


class ConfigurationError(AstrodetectError):
    """One or more mistakes in a pipeline file, all of them listed.

    Parameters
    ----------
    problems : sequence of str
        One line each: file, table, key, what was given, what is accepted.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class PluginError(AstrodetectError):
    """A plugin is missing, declared twice, fails on import, or is not what was asked for."""


class StoppedError(AstrodetectError):
    """The run cannot go on (full disk, scheduler lost); what is finished is kept. Exit status 3."""
