"""Windows read, preprocessed and scored: the next one in a thread beside the work on the last."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from astrodetect.core.calibrator import Placement
from astrodetect.core.compose import Chosen, Clock, require_planes
from astrodetect.core.cores import available_cores
from astrodetect.core.data import Stream, Window
from astrodetect.core.stages import FrameSource, Preprocessor
from astrodetect.core.windows import reading

_Ready = tuple[Window, Chosen | None] | None


@dataclass
class Preparation:
    """Gives the windows of one recording as the detector wants them.

    Where the process may use several cores, a thread reads and preprocesses the next window while the
    detector works on the last; while it is not yet waited for, it scores it, too. Stages keep no state
    between windows and none is called by two threads at once, so the result does not depend on it.

    Attributes
    ----------
    stream : Stream
        The recording, with calibrated times.
    place : Placement
        Gives windows these times.
    preprocessors : list of (str, Preprocessor)
        By name, opened.
    clock : Clock
        Of the thread that detects. It tells which stage failed.
    choose : callable or None
        Scores and selects, where the detector is made of such stages.
    beside : Clock
        Of what ran beside it.
    waited : float
        Seconds for which the detector waited for what ran beside it.
    """

    stream: Stream
    place: Placement
    preprocessors: list[tuple[str, Preprocessor]]
    clock: Clock
    choose: Callable[[Window, Clock], Chosen] | None = None
    beside: Clock = field(default_factory=Clock)
    waited: float = 0.0
    #: Whether the next window is waited for. In the beginning the detector is not open yet.
    _wanted: bool = True
    #: Held by who scores.
    _scoring: threading.Lock = field(default_factory=threading.Lock)

    def windows(
        self, source: FrameSource, size: int, step: int, device: str, meanwhile: Callable[[], None]
    ) -> Generator[tuple[Window, Chosen | None]]:
        """Give the windows of an opened source, with their planes, and what was chosen in them.

        Parameters
        ----------
        source : FrameSource
            Opened.
        size, step : int
            Frames per window, and from one window to the next.
        device : str
            Where stages work: a graphics card belongs to one thread.
        meanwhile : callable
            Opens the detector, while the first window is prepared or before.

        Yields
        ------
        Window, Chosen or None
            Valid until the next is asked for. None where `choose` is None.

        Raises
        ------
        TruncatedError, SourceError, AstrodetectError
            Of the source and the preprocessors, after the windows before.
        """
        still = source.still() if source.in_tiles else None
        if still is None and device == "cpu" and self._several(source, size):
            yield from self._beside(source, size, step, meanwhile)
            return
        meanwhile()
        given = source.windows(size, step) if still is None else iter([still])
        while (window := self._next(given, self.clock)) is not None:
            yield window, self._choose_here(window)

    def _several(self, source: FrameSource, size: int) -> bool:
        """Tell whether there are several windows, in a ring that holds two, and cores for both."""
        in_a_ring = type(source).windows is FrameSource.windows
        return in_a_ring and not 0 <= self.stream.n_frames <= size and available_cores() > 1

    def _beside(
        self, source: FrameSource, size: int, step: int, meanwhile: Callable[[], None]
    ) -> Iterator[tuple[Window, Chosen | None]]:
        with ThreadPoolExecutor(1, "astrodetect-ahead") as pool, reading(source, size, step) as ring:
            windows = iter(ring.take, None)
            coming = pool.submit(self._ahead, windows)
            meanwhile()
            while (ready := self._wait(coming)) is not None:
                coming = pool.submit(self._ahead, windows)
                window, chosen = ready
                yield window, chosen or self._choose_here(window)
                ring.release()

    def _wait(self, coming: Future[_Ready]) -> _Ready:
        start = perf_counter()
        self._wanted = True
        try:
            return coming.result()
        except Exception:
            self.clock.current = self.beside.current
            raise
        finally:
            self._wanted = False
            self.waited += perf_counter() - start

    def _ahead(self, windows: Iterator[Window]) -> _Ready:
        """Prepare a window in the thread; if nobody waits for it then, score it, too."""
        window = self._next(windows, self.beside)
        if window is None:
            return None
        if self.choose is None or self._wanted:
            return window, None
        with self._scoring:  # of the window before
            return window, None if self._wanted else self.choose(window, self.beside)

    def _choose_here(self, window: Window) -> Chosen | None:
        if self.choose is None:
            return None
        with self._scoring:
            return self.choose(window, self.clock)

    def _next(self, windows: Iterator[Window], clock: Clock) -> Window | None:
        with clock.time("read"):
            window = next(windows, None)
        if window is None:
            return None
        window = self.place.window(window, self.stream)
        for name, preprocessor in self.preprocessors:
            require_planes(preprocessor, name, window)
            with clock.time(name):
                window = preprocessor.process(window)
        return window

    def summary(self) -> dict[str, Any]:
        """Give ``seconds`` by stage, beside each other or not; which of them beside, and what was waited."""
        both = Counter(self.clock.seconds) + Counter(self.beside.seconds)
        return {"seconds": dict(both), "beside": self.beside.seconds, "waited": self.waited}
