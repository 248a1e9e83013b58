"""Break recordings of every kind, and headers and texts, and see that readers only ever say a line.

    python benchmarks/fuzz.py [--inputs 5000] [--only NAME ...] [--atheris SECONDS] [--folder .]

Each case (the sound samples are those of the tests, `tests/hostile/hostile_samples.py`) is broken by
that many seeds and found and read as a run does, in processes of their own: a finding is an exception
other than the one line that readers promise, more than ten seconds of the processor, a hang, memory
beyond what the limits explain, or the death of the process. With --atheris the parsers of headers and
texts are also driven by coverage, where atheris is installed. Exit status 1 if there is any finding.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "hostile"))

import hostile_samples

from astrodetect.core import limits
from astrodetect.core.errors import AstrodetectError

_BATCH = 250
_PARSERS = ("header", "time", "name", "positions", "pipeline", "condition", "journal")


def try_seeds(name: str, first: int, last: int, folder: Path) -> list[str]:
    """Try seeds in this process and give the findings."""
    warnings.simplefilter("ignore")
    limits.use(hostile_samples.TIGHT)
    case = hostile_samples.samples()[name]
    with tempfile.TemporaryDirectory(dir=folder) as place:

        def work() -> list[str]:
            found = []
            for seed in range(first, last):
                (folder / "seed").write_text(str(seed))
                wrong = hostile_samples.attempt(Path(place), case, seed)
                found += [f"seed {seed}: {wrong}"] if wrong else []
            return found

        return hostile_samples.quietly(work)  # type: ignore[no-any-return]


def fuzz(name: str, inputs: int, folder: Path) -> list[str]:
    """Try a case, batch by batch, each in a process of its own."""
    findings: list[str] = []
    first = 0
    while first < inputs:
        last = min(first + _BATCH, inputs)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            future = pool.submit(try_seeds, name, first, last, folder)
            try:
                findings += future.result(timeout=_BATCH * 2)
                first = last
            except (BrokenProcessPool, TimeoutError) as error:
                for process in list((pool._processes or {}).values()):
                    process.kill()
                seed = int((folder / "seed").read_text())
                findings.append(f"seed {seed}: {'hangs' if isinstance(error, TimeoutError) else 'crashes'}")
                first = seed + 1
    return findings


def parse_anything(kind: str, data: bytes) -> None:
    """Give bytes to one of the parsers; raises only what it should not."""
    from astrodetect.catalogs import blocks
    from astrodetect.catalogs.expressions import parse
    from astrodetect.core.columns import DETECTION_COLUMNS
    from astrodetect.methods.fits_headers import Header, data_bytes, image_layout, site_of
    from astrodetect.methods.fits_times import observation_time, parse_utc
    from astrodetect.methods.freeture_positions import parse_positions
    from astrodetect.methods.names import time_from_name
    from astrodetect.pipeline import Pipeline

    text = data.decode("utf-8", "replace")
    if kind == "header":
        header = Header(data)
        for read in (image_layout, data_bytes):
            with suppress(ValueError, OverflowError):
                read(header)
        observation_time(header)
        site_of(header)
    elif kind == "pipeline":
        with suppress(AstrodetectError):
            Pipeline(text).check()
    elif kind == "condition":
        with suppress(AstrodetectError):
            parse(text, {column.name: column for column in DETECTION_COLUMNS})
    elif kind == "journal":
        import io

        list(blocks.scan(io.BytesIO(data)))
    else:
        {"time": parse_utc, "name": time_from_name, "positions": parse_positions}[kind](text)


def drive(kind: str, seconds: int, folder: Path) -> None:
    """Drive one parser by coverage, in this process; atheris ends it."""
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["astrodetect"]):
        parse_anything(kind, b"")
    corpus = folder / kind
    corpus.mkdir()
    sound = [data for _, files in hostile_samples.samples().values() for data in files.values()]
    for number, data in enumerate(sound):
        (corpus / str(number)).write_bytes(data[:2880])
    options = [
        f"-max_total_time={seconds}",
        "-max_len=2880",
        "-timeout=10",
        "-rss_limit_mb=2048",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], lambda data: parse_anything(kind, data))
    atheris.Fuzz()


def fuzz_parsers(seconds: int, folder: Path) -> list[str]:
    """Drive every parser in a process of its own."""
    import subprocess

    findings = []
    for kind in _PARSERS:
        line = [sys.executable, __file__, "--drive", kind, "--atheris", str(seconds), "--folder", str(folder)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, errors="replace")
        told = [text for text in done.stderr.splitlines() if text.startswith("Done ") or "DONE" in text]
        print(f"{kind:20s} {' '.join(told[-1:]) or 'no end'}", flush=True)
        if done.returncode or not told:
            findings.append(f"{kind}: {done.stderr[-600:]}")
    return findings


def main() -> None:
    """Try everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--atheris", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(arguments.drive, arguments.atheris, arguments.folder)
        return
    bad = 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        for name in arguments.only or hostile_samples.samples():
            start = time.perf_counter()
            findings = fuzz(name, arguments.inputs, Path(place))
            taken = time.perf_counter() - start
            print(
                f"{name:20s} {arguments.inputs:8d} inputs {taken:6.0f} s  {len(findings)} findings",
                flush=True,
            )
            for finding in findings[:5]:
                print(f"    {finding}", flush=True)
            bad += len(findings)
        if arguments.atheris:
            findings = fuzz_parsers(arguments.atheris, Path(place))
            print("\n".join(findings))
            bad += len(findings)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
