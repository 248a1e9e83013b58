"""What the benchmarks share: taking turns, medians, rows of the table."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Taken:
    """Medians over the rounds (s)."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    path : str
        What is measured.
    ours, reference, limit : float or None
        Seconds of wall time, medians of turns in one run.
    cpu : float
        Seconds of CPU time of ours.
    cpu_ratio : float or None
        CPU time of ours over that of the reference.
    reference_name, limit_name : str
        What they are.
    goal : float or None
        Largest ratio of ours to the reference that is wanted.
    note : str
        More to say, as frames per second.
    """

    path: str
    ours: float
    cpu: float
    reference: float | None = None
    cpu_ratio: float | None = None
    limit: float | None = None
    reference_name: str = ""
    limit_name: str = ""
    goal: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the reference: small is fast."""
        return None if not self.reference else self.ours / self.reference

    @property
    def over_limit(self) -> float | None:
        """Ours over the limit."""
        return None if not self.limit else self.ours / self.limit

    def to_dict(self) -> dict[str, object]:
        """Give plain values."""
        return {**asdict(self), "ratio": self.ratio, "over_limit": self.over_limit}


def measured(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, Taken]:
    """Run the variants in turns, after one turn that does not count, and give medians."""
    wall: dict[str, list[float]] = {name: [] for name in variants}
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, call in variants.items():
            begin, spent = time.perf_counter(), time.process_time()
            call()
            if number:
                wall[name].append(time.perf_counter() - begin)
                cpu[name].append(time.process_time() - spent)
    return {name: Taken(statistics.median(wall[name]), statistics.median(cpu[name])) for name in variants}


def row(
    path: str,
    taken: dict[str, Taken],
    ours: str,
    reference: str = "",
    limit: str = "",
    goal: float | None = None,
    note: str = "",
) -> Row:
    """Make a row of medians."""
    mine, base, floor = taken[ours], taken.get(reference), taken.get(limit)
    return Row(
        path,
        mine.wall,
        mine.cpu,
        base.wall if base else None,
        mine.cpu / base.cpu if base and base.cpu else None,
        floor.wall if floor else None,
        reference,
        limit,
        goal,
        note,
    )


def print_rows(rows: Iterable[Row]) -> None:
    """Print the table: ratios above 1 to the reference are slower than it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{'path':54}{'ours ms':>10}{'CPU ms':>9}{'ratio':>8}{'CPU':>7}{'goal':>7}  {'x limit':>7}"
        f"  against (load {load:.1f})"
    )
    for item in rows:
        numbers = [item.ratio, item.cpu_ratio, item.goal]
        shown = "".join(
            f"{'-' if value is None else format(value, '.3f'):>{width}}"
            for value, width in zip(numbers, (8, 7, 7), strict=True)
        )
        limit = "-" if item.over_limit is None else f"{item.over_limit:.1f}"
        text = ", ".join(
            part
            for part in (item.reference_name, item.limit_name and f"limit: {item.limit_name}", item.note)
            if part
        )
        print(
            f"{item.path:54}{item.ours * 1e3:10.2f}{item.cpu * 1e3:9.2f}{shown}  {limit:>7}  {text}",
            flush=True,
        )
