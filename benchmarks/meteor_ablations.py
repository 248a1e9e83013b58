"""What each part of `meteor-v1` is worth: trained by its own file, one thing changed at a time.

    python benchmarks/meteor_ablations.py [--config examples/learned/meteor-v1.toml] [--nights FOLDER]
        [--instead NAME=FOLDER ...] [--seeds 3] [--epochs N] --work FOLDER

Each row is trained `--seeds` times, with other nights (all of their stations) held out for validation and
test each time, and judged on the candidates of the test nights, meteor or not. The first row changes nothing;
the next leave out one of the pictures of a track, all of them, or the numbers (`[data] leave_out`);
`--instead` learns from the nights of another folder (of `benchmarks/fit_meteor_nights.py`, such as stations
without patterns of noise), and is judged on the same test nights as all others. Prints recall at a false
discovery rate of 0.004 and of 0.02, the false discovery rate at a recall of 0.999, and the area under the
precision-recall curve: mean and deviation. Models in FOLDER are used again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve

from astrodetect.methods.along_track import CHANNELS
from astrodetect.methods.verifying import PARTS
from astrodetect.plugins.models.checkpoints import load
from astrodetect.training.config import TrainingPlan, read_training
from astrodetect.training.data.candidates import Candidates
from astrodetect.training.data.splits import Split
from astrodetect.training.predict import predict
from astrodetect.training.trainer import MODEL, Trainer


@cache
def samples_of(path: Path, least: int) -> list[tuple[NDArray[np.float16], NDArray[np.int64]]]:
    """Give all samples of a catalog, whole; read once."""
    return list(Candidates(nights=(path,), least=least)._read(path))


@dataclass(frozen=True, kw_only=True)
class Remembered(Candidates):
    """Candidates that are read once for all rows."""

    def _read(self, path: Path) -> Iterator[tuple[NDArray[np.float16], NDArray[np.int64]]]:
        out = [number for number, part in enumerate(PARTS) if part in self.leave_out]
        for pictures, classes in samples_of(path, self.least):
            kept = pictures.copy()
            kept[:, out] = 0
            yield kept, classes


@dataclass(frozen=True)
class Row:
    """A row of the table: its name, what is left out of the samples, and other nights to learn from."""

    name: str
    leave_out: tuple[str, ...] = ()
    instead: Path | None = None


ROWS = (
    Row("as it is"),
    Row("without the frame of the maximum (`when`)", ("when",)),
    Row("without the light beside its path (`along`, `aside`)", ("along", "aside")),
    Row("without the trail (`trail`)", ("trail",)),
    Row("without any picture: numbers alone", CHANNELS),
    Row("without the numbers", ("numbers",)),
)


def trained(plan: TrainingPlan, row: Row, seed: int, work: Path) -> NDArray[np.float64]:
    """Train a row with a seed, and give the probability of a meteor for the candidates of the test nights."""
    assert isinstance(plan.data, Candidates)
    data = replace(plan.data, leave_out=row.leave_out, seed=seed)
    learned = data if row.instead is None else replace(data, nights=(row.instead,))
    out = work / f"{ROWS.index(row) if row in ROWS else row.name}-{seed}"
    own = replace(plan, data=learned, train=replace(plan.train, out=out, seed=seed))
    Trainer(own, device="cpu").run(resume=True)
    model = load(out / MODEL).model
    return predict(model, data.split("test"), torch.device("cpu"), 256)[:, data.classes.index("meteor")]


def figures(chances: NDArray[np.float64], right: NDArray[np.bool_]) -> list[float]:
    """Give recall at two false discovery rates, the rate at a recall of 0.999, and the average precision."""
    precision, recall, _ = precision_recall_curve(right, chances)
    at = [float(recall[precision >= 1 - rate].max(initial=0.0)) for rate in (0.004, 0.02)]
    return [*at, 1 - float(precision[recall >= 0.999].max()), float(average_precision_score(right, chances))]


def cells(plan: TrainingPlan, row: Row, seeds: int, work: Path) -> Iterator[str]:
    """Give the cells of a row."""
    yield row.name
    found = []
    for seed in range(seeds):
        test = test_split(plan, seed)
        found.append(figures(trained(plan, row, seed, work), test.targets == meteor(plan)))
    for values in np.array(found).T:
        yield f"{values.mean():.3f} ± {values.std(ddof=1) if seeds > 1 else 0:.3f}"


def meteor(plan: TrainingPlan) -> int:
    """Give the number of the class."""
    return plan.data.classes.index("meteor")


def test_split(plan: TrainingPlan, seed: int) -> Split:
    """Give the test nights of a seed."""
    assert isinstance(plan.data, Candidates)
    return replace(plan.data, seed=seed).split("test")


def main() -> int:
    """Train all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--config", type=Path, default=Path("examples/learned/meteor-v1.toml"))
    parser.add_argument("--nights", type=Path, help="instead of those of the training file")
    parser.add_argument("--instead", nargs="+", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of those of the training file")
    parser.add_argument("--work", type=Path, required=True, help="folder for the models; used again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan = read_training(args.config)
    assert isinstance(plan.data, Candidates)
    given = {item.name: getattr(plan.data, item.name) for item in fields(plan.data)}
    data = Remembered(**{**given, "test": 0.25, **({"nights": (args.nights,)} if args.nights else {})})
    plan = replace(plan, data=data, train=replace(plan.train, epochs=args.epochs or plan.train.epochs))
    splits = [test_split(plan, seed) for seed in range(args.seeds)]
    counts = [f"{int((split.targets == meteor(plan)).sum())} of {len(split.targets)}" for split in splits]
    print(f"{len(data.groups)} nights; candidates of the test nights that are meteors: {', '.join(counts)}")
    print("| | recall at FDR 0.004 | at FDR 0.02 | FDR at recall 0.999 | AUC-PR |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    more = [Row(name, (), Path(folder)) for name, _, folder in (item.partition("=") for item in args.instead)]
    for row in (*ROWS, *more):
        print(f"| {' | '.join(cells(plan, row, args.seeds, args.work))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
