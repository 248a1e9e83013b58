"""Compare two runs of the benchmarks.

    python benchmarks/compare.py before.json after.json [--tolerance 0.1]

The ratios to the reference are compared, as each was measured in one run with it; rows that got worse in
wall and in CPU time by more than the tolerance are marked, and the program ends with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def rows_of(path: Path) -> dict[str, dict[str, Any]]:
    """Read the rows of a run by what they measure."""
    return {row["path"]: row for row in json.loads(path.read_text())["rows"]}


def change(before: dict[str, Any], after: dict[str, Any], name: str) -> float | None:
    """Give the factor from one run to the other; of our own time where there is no reference."""
    name = name if before[name] and after[name] else {"ratio": "ours", "cpu_ratio": "cpu"}[name]
    return after[name] / before[name] if before[name] and after[name] else None


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.1)
    given = parser.parse_args()
    before, after = rows_of(given.before), rows_of(given.after)
    worse = 0
    print(f"{'path':54}{'before':>9}{'after':>9}{'change':>8}{'CPU':>7}")
    for path in before.keys() | after.keys():
        if path not in before or path not in after:
            print(f"{path:54}only {'after' if path in after else 'before'}")
    for path in [path for path in before if path in after]:
        wall, cpu = (change(before[path], after[path], name) for name in ("ratio", "cpu_ratio"))
        slower = all(value is not None and value > 1 + given.tolerance for value in (wall, cpu))
        worse += slower
        ratios = "".join(
            "        -" if row["ratio"] is None else f"{row['ratio']:9.3f}"
            for row in (before[path], after[path])
        )
        changes = "".join(
            f"{'-' if value is None else format(value, '.2f'):>{width}}"
            for value, width in ((wall, 8), (cpu, 7))
        )
        print(f"{path:54}{ratios}{changes}{'  slower' if slower else ''}")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
