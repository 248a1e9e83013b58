"""How a run is told to stop: Ctrl-C, and what schedulers and service managers send."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from astrodetect.archive.follow import Halted, Watch, calm
from astrodetect.core.errors import StoppedError

#: Seconds that a watch has for finishing the recordings in work.
GRACE = 5.0


class _Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into a `StoppedError`; what is finished is kept, as after Ctrl-C."""

    def terminate(*_: Any) -> None:
        raise _Terminated

    try:
        with _handlers(terminate, signal.SIGTERM):
            yield
    except _Terminated as error:
        raise StoppedError("terminated (SIGTERM); what is finished is kept") from error


@contextmanager
def shut_down_by_signals(watch: Watch) -> Iterator[None]:
    """Let SIGTERM and SIGINT end a watch: within `GRACE` seconds, at once if they come twice."""

    def halt(*_: Any) -> None:
        raise Halted

    def stop(*_: Any) -> None:
        again = watch.stopping
        watch.stop()
        if again or not hasattr(signal, "setitimer"):
            raise Halted
        signal.signal(signal.SIGALRM, halt)
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    try:
        with _handlers(stop, signal.SIGTERM, signal.SIGINT):
            yield
    except Halted:  # between two recordings; the journal is kept
        pass
    finally:
        calm()


@contextmanager
def _handlers(handler: Callable[..., None], *signals: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
