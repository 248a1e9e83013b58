"""How many cores this process may use, so that several processes do not fight for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrodetect.core.plan import Plan

#: Environment variable that limits the cores of a process.
VARIABLE = "ASTRODETECT_CORES"
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def available_cores() -> int:
    """Give the number of cores that this process may use.

    ``ASTRODETECT_CORES`` where it is set, else those that the system leaves to the process.
    """
    told = os.environ.get(VARIABLE, "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(jobs: int) -> int:
    """Give the number of cores for each of some processes that work side by side."""
    return max(1, available_cores() // jobs)


@contextmanager
def limited(cores: int) -> Iterator[None]:
    """Start processes that use so many cores, numerical libraries included.

    The libraries look at the environment once, when they are loaded: so it has to be there before.
    What the user has set for them stays.
    """
    before = {name: os.environ.get(name) for name in (VARIABLE, *_LIBRARIES)}
    os.environ[VARIABLE] = str(cores)
    for name in _LIBRARIES:
        os.environ.setdefault(name, str(cores))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def limit_threads(plan: Plan, cores: int) -> None:
    """Lower the setting ``threads`` of every stage to at most `cores`. Results do not depend on it."""
    for use in plan.uses.values():
        stage: Any = use
        threads = getattr(stage, "threads", None)
        if isinstance(threads, int) and threads > cores:
            stage.threads = cores
