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
        Seconds of wall time, medians of turns in one run; or what `unit` says.
    cpu : float
        Seconds of CPU time of ours.
    cpu_ratio : float or None
        CPU time of ours over that of the reference.
    reference_name, limit_name : str
        What they are.
    goal, limit_goal : float or None
        Largest ratios of ours to the reference, and to the limit, that are wanted.
    note : str
        More to say, as frames per second; of a row without a figure, why it has none.
    unit : str
        Of `ours`, `reference` and `limit`.
    """

    path: str
    ours: float | None
    cpu: float | None
    reference: float | None = None
    cpu_ratio: float | None = None
    limit: float | None = None
    reference_name: str = ""
    limit_name: str = ""
    goal: float | None = None
    limit_goal: float | None = None
    note: str = ""
    unit: str = "s"

    @property
    def reached(self) -> bool | None:
        """Whether every ratio that is wanted was reached; None where none is, or nothing was measured."""
        wanted = [(self.ratio, self.goal), (self.over_limit, self.limit_goal)]
        told = [ratio <= goal for ratio, goal in wanted if ratio is not None and goal is not None]
        return all(told) if told else None

    @property
    def ratio(self) -> float | None:
        """Ours over the reference: small is fast."""
        return None if not self.reference or self.ours is None else self.ours / self.reference

    @property
    def over_limit(self) -> float | None:
        """Ours over the limit."""
        return None if not self.limit or self.ours is None else self.ours / self.limit

    def to_dict(self) -> dict[str, object]:
        """Give plain values."""
        return {
            **asdict(self),
            "ratio": self.ratio,
            "over_limit": self.over_limit,
            "reached": self.reached,
        }


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
    limit_goal: float | None = None,
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
        limit_goal,
        note,
    )


def print_rows(rows: Iterable[Row]) -> None:
    """Print the table: ratios above 1 to the reference are slower than it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{'path':54}{'ours ms':>10}{'CPU ms':>9}{'ratio':>8}{'CPU':>7}{'goal':>7}{'x limit':>9}{'goal':>6}"
        f"{'reached':>9}  against (load {load:.1f})"
    )
    for item in rows:
        scale = 1e3 if item.unit == "s" else 1.0
        times = [None if value is None else value * scale for value in (item.ours, item.cpu)]
        cells = [
            *((value, ".2f", width) for value, width in zip(times, (10, 9), strict=True)),
            *zip((item.ratio, item.cpu_ratio, item.goal), (".3f",) * 3, (8, 7, 7), strict=True),
            *zip((item.over_limit, item.limit_goal), (".2f", ".1f"), (9, 6), strict=True),
        ]
        shown = "".join(
            f"{'-' if value is None else format(value, form):>{width}}" for value, form, width in cells
        )
        reached = {True: "yes", False: "no", None: "-"}[item.reached]
        limit = item.limit_name and f"limit: {item.limit_name}"
        text = ", ".join(part for part in (item.reference_name, limit, item.note) if part)
        unit = "" if item.unit == "s" else f" ({item.unit})"
        print(f"{item.path + unit:54}{shown}{reached:>9}  {text}", flush=True)
