"""Everything here that finds meteors, and classical peers, on the same nights of stations nobody has seen.

    python benchmarks/peers.py [--recordings 120] [--stations 40] [--seed 991027] [--shape 320x480]
        [--work FOLDER] [--rows NAME ...] [--pipeline FILE.toml ...] [--nights FOLDER [--resnet WEIGHTS]]

Rows: the built-in pipelines whose names begin with ``meteor``, pipeline files (`--pipeline`), and peers
(`benchmarks/peer_detectors.py`): freeture's frame difference with tests of linearity, a threshold with the
probabilistic Hough transform, the Desert Fireball Network's chain, and a ResNet-18 that verifies what the
classical pipeline finds (`benchmarks/peer_resnet.py`; `--nights` are the catalogs of
`benchmarks/fit_meteor_nights.py`). Each peer's threshold is the best of a few by F1 on a night of stations of
their own (seed + 1), on which the tiles of the third learn; what is built in is taken as it is.

Prints recall of all meteors and of those with a peak signal-to-noise over 5 and 6 (brightest frame, aperture
of 2 FWHM, on the sensor), precision, false alarms per hour with the 95 % interval of a Poisson count, and
seconds of the processor per frame. Nights, trained peers and catalogs in `--work` are used again; a file
beside each catalog lists what was missed and what was false.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from peer_resnet import train as train_resnet
from peer_tiles import train_tiles
from station_nights import judged, seconds_per_frame, shape_of, station_night

from astrodetect import Pipeline, pipelines
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation import Evaluation
from astrodetect.evaluation.report import to_text


@dataclass(frozen=True)
class Peer:
    """A classical way to find meteors: its name in the table, its threshold, the values that are tried."""

    title: str
    values: tuple[float, ...]
    threshold: str = "sigma"


PEERS = {
    "FrameDifference": Peer("frame difference, linearity (freeture)", (4.0, 5.5, 7.5)),
    "ThresholdHough": Peer("threshold, probabilistic Hough", (4.5, 6.0, 8.0)),
    "DesertFireball": Peer("blurred differences, tiles, 10 units, Hough (DFN)", (4.0, 6.0, 9.0)),
    "ResNetVerifier": Peer("`meteor-classical`, ResNet-18 on the trails", (0.3, 0.5, 0.8), "least"),
}
_HEAD = (
    "method", "recall, all", "recall, signal-to-noise over 5", "over 6", "precision",
    "false alarms per hour", "ms per frame",
)  # fmt: skip


def peer_pipeline(peer: str, value: float, weights: Path) -> Pipeline:
    """Give the pipeline of a peer."""
    extra = f'weights = "{weights}"\n' if weights.is_file() else ""
    if peer == "ResNetVerifier":
        text = Pipeline.from_toml("meteor-classical").text
        text = text.replace('use = "streak"', 'use = "streak"\npictures = true')
        stage = f'[[postprocess]]\nuse = "peer_resnet:{peer}"\nleast = {value}\n{extra}\n[accept]'
        return Pipeline(text.replace("[accept]", stage), peer)
    return Pipeline(
        '[[preprocess]]\nuse = "max-minus-median"\n'
        f'[detect]\nuse = "peer_detectors:{peer}"\nsigma = {value}\n'
        f'{extra}[[postprocess]]\nuse = "peer_detectors:Longest"\n',
        peer,
    )


def f1(result: Evaluation) -> float:
    """Give the harmonic mean of recall and precision."""
    hits = len(result.found)
    return 2 * hits / max(1, len(result.objects) + hits + len(result.false_alarms))


def tuned(peer: str, own: Path, args: argparse.Namespace, work: Path) -> tuple[str, Pipeline]:
    """Give a peer with the threshold that is best on a night of its own, and its name with it."""
    weights = work / f"{peer}.{'npz' if peer == 'DesertFireball' else 'safetensors'}"
    if peer == "DesertFireball" and not weights.exists():
        print(train_tiles(own, weights, 2027), file=sys.stderr, flush=True)
    if peer == "ResNetVerifier" and not weights.exists():
        print(train_resnet(args.nights, weights, args.resnet), file=sys.stderr, flush=True)
    tried = {value: peer_pipeline(peer, value, weights) for value in PEERS[peer].values}
    best = max(tried, key=lambda value: f1(judged(tried[value], own, work / "tuning")))
    return f"{PEERS[peer].title}; {PEERS[peer].threshold} {best:g}", tried[best]


def all_rows(
    args: argparse.Namespace, own: Path, work: Path
) -> Iterator[tuple[str, Callable[[], tuple[str, Pipeline]]]]:
    """Give the name of each row, and what makes its title and its pipeline."""
    for name in [name for name in pipelines.names() if name.startswith("meteor")]:
        yield name, lambda name=name: (f"`{name}`", Pipeline.from_toml(name))
    for path in args.pipeline:
        yield path.stem, lambda path=path: (f"`{path.stem}`", Pipeline.from_toml(path))
    for peer in PEERS:
        if peer != "ResNetVerifier" or args.nights is not None:
            yield peer, lambda peer=peer: tuned(peer, own, args, work)


def row(title: str, result: Evaluation, seconds: float) -> str:
    """Give a row of the table."""
    often = result.alarms_per_hour
    low, high = often.interval
    rates = [
        result.recall,
        *(result.recall_where("peak_snr", least) for least in (5.0, 6.0)),
        result.precision,
    ]
    cells = [title, *(str(rate) for rate in rates)]
    cells += [f"{often.value:.0f} [{low:.0f}, {high:.0f}] ({often.n})", f"{1000 * seconds:.1f}"]
    return "| " + " | ".join(cells) + " |"


def measured(title: str, pipeline: Pipeline, test: Path, work: Path) -> str:
    """Run a pipeline on the night of the test, write what it missed, and give its row."""
    result = judged(pipeline, test, work / "catalogs")
    (work / "catalogs" / f"{Path(pipeline.name).stem}.txt").write_text(to_text(result), encoding="utf-8")
    return row(title, result, seconds_per_frame(pipeline, test))


def compare(args: argparse.Namespace, work: Path) -> None:
    """Make the nights, and print the table row by row."""
    shape = shape_of(args.shape)
    test = station_night(work / f"night-{args.seed}", args.recordings, args.stations, args.seed, shape)
    own = station_night(
        work / f"night-{args.seed + 1}", max(2, args.recordings // 5), max(1, args.recordings // 10),
        args.seed + 1, shape,
    )  # fmt: skip
    settings = f"recordings = {args.recordings}, stations = {args.stations}, seed = {args.seed}"
    print(f"{settings}, shape = {args.shape}, 100 frames each")
    print(f"| {' | '.join(_HEAD)} |\n|{' --- |' * len(_HEAD)}", flush=True)
    for name, make in all_rows(args, own, work):
        if args.rows and name not in args.rows:
            continue
        try:
            print(measured(*make(), test, work), flush=True)
        except AstrodetectError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)


def main() -> int:
    """Simulate, tune, run, print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--recordings", type=int, default=120)
    parser.add_argument("--stations", type=int, default=40)
    parser.add_argument("--seed", type=int, default=991027)
    parser.add_argument("--shape", default="320x480", help="height and width of the frames")
    parser.add_argument("--rows", nargs="+", help="only these: names of pipelines, files, classes of peers")
    parser.add_argument("--pipeline", nargs="+", type=Path, default=[], help="pipeline files: a row each")
    parser.add_argument("--nights", type=Path, help="catalogs that ResNet-18 learns from; none: no such row")
    parser.add_argument("--resnet", type=Path, help="weights that it starts from (safetensors)")
    parser.add_argument("--work", type=Path, help="folder for what is made; kept, and used again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        compare(args, work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
