"""How long ``import astrodetect`` takes over bare Python, and what it loads.

    python benchmarks/import_time.py

Each in processes of its own, by turns. Processor time counts, and the least of many: a busy machine
only adds to it.
"""

from __future__ import annotations

import resource
import subprocess
import sys

REPEATS = 15


def seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    codes = {"bare Python": "pass", "import astrodetect": "import astrodetect"}
    least = {name: float("inf") for name in codes}
    for _ in range(REPEATS):
        for name, code in codes.items():
            least[name] = min(least[name], seconds(code))
    for name, value in least.items():
        print(f"{name:20s} {1000 * value:6.1f} ms")
    bare, ours = least.values()
    print(f"{'difference':20s} {1000 * (ours - bare):6.1f} ms")
    told = (
        "import sys; before = set(sys.modules); import astrodetect; print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", told], check=True, capture_output=True, text=True
    ).stdout.split()
    strange = [name for name in loaded if name.split(".")[0] not in {*sys.stdlib_module_names, "astrodetect"}]
    print(f"modules loaded: {len(loaded)}; outside the standard library: {', '.join(strange) or 'none'}")


if __name__ == "__main__":
    main()
