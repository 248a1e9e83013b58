"""The built-in pipeline beside classical peers, on simulated nights.

    python benchmarks/peers.py [--recordings 40] [--seed 2027] [--shape 480x640] [--work FOLDER]

Peers (`benchmarks/peer_detectors.py`): freeture's frame difference with tests of linearity, a threshold
with the probabilistic Hough transform, the Desert Fireball Network's chain. Each peer's threshold is the
best of a few by F1 on a night of its own (seed + 1), on which the network of the latter is trained, too;
the built-in pipeline is taken as it is. Prints recall, recall at a signal-to-noise over 6, precision and
seconds for each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peer_detectors import TILE, UNITS, blurred_differences, tiles_of
from simulated_night import judged

from astrodetect import Pipeline
from astrodetect.core import registry
from astrodetect.core.data import Window
from astrodetect.core.discovery import discover
from astrodetect.core.windows import opened
from astrodetect.evaluation import Evaluation, read_tracks, read_truth
from astrodetect.simulation.night import simulate_night

#: Thresholds that are tried, in standard deviations.
SIGMAS = {
    "FrameDifference": (4.0, 5.5, 7.5),
    "ThresholdHough": (4.5, 6.0, 8.0),
    "DesertFireball": (4.0, 6.0, 9.0),
}
NAMES = {
    "FrameDifference": "frame difference, linearity (freeture)",
    "ThresholdHough": "threshold, probabilistic Hough",
    "DesertFireball": "blurred differences, tiles, 10 units, Hough (DFN)",
}


def pipeline(peer: str, sigma: float, weights: Path) -> Pipeline:
    """Give the pipeline of a peer."""
    extra = f'weights = "{weights}"\n' if peer == "DesertFireball" else ""
    return Pipeline.from_toml(
        '[[preprocess]]\nuse = "max-minus-median"\n'
        f'[detect]\nuse = "peer_detectors:{peer}"\nsigma = {sigma}\n'
        f'{extra}[[postprocess]]\nuse = "peer_detectors:Longest"\n'
    )


def windows_of(folder: Path) -> Iterator[tuple[str, Window]]:
    """Give the windows of all recordings of a night."""
    for recording in sorted(discover([folder], registry.load_sources()[0])):
        source = registry.make_source(recording.source)
        with opened(source, recording):
            for window in source.windows(63, 48):
                yield recording.path, window


def tiles_with_truth(folder: Path) -> tuple[Any, Any]:
    """Give tiles, and whether a meteor lies in them: through at least eight pixels of the tile."""
    truth = read_tracks(folder / "tracks.csv", read_truth(folder / "truth.csv"))
    tiles, labels = [], []
    for path, window in windows_of(folder):
        own, corners = tiles_of(blurred_differences(window, 6.0)[1])
        meteors = [item for item in truth if item.path == path and item.label == "meteor"]
        inside = np.zeros(len(own), bool)
        for item in meteors:
            first = max(item.frame_first, window.start)
            last = min(item.frame_last, window.start + window.n_frames - 1)
            if first > last:
                continue
            points = np.array([item.position(f) for f in np.linspace(first, last, 200)])[:, ::-1] / 2
            hits = ((points[None] >= corners[:, None]) & (points[None] < corners[:, None] + TILE)).all(-1)
            reach = np.array([np.ptp(points[hit], axis=0).max() if hit.any() else 0 for hit in hits])
            inside |= reach >= 8
        tiles.append(own)
        labels.append(inside)
    return np.concatenate(tiles), np.concatenate(labels)


def train_tiles(folder: Path, out: Path, seed: int) -> None:
    """Train the network of ten units on tiles, as many with a streak as without, each eight ways."""
    from sklearn.neural_network import MLPClassifier

    tiles, labels = tiles_with_truth(folder)
    rng = np.random.default_rng(seed)
    wanted = np.flatnonzero(labels)
    others = rng.choice(np.flatnonzero(~labels), min(len(wanted), int((~labels).sum())), replace=False)
    chosen = np.concatenate([wanted, others])
    both = (tiles[chosen], tiles[chosen][:, :, ::-1])
    eight = [np.rot90(part, turns, axes=(1, 2)) for part in both for turns in range(4)]
    network = MLPClassifier((UNITS,), activation="logistic", alpha=1e-2, max_iter=300, random_state=seed)
    network.fit(np.concatenate(eight).reshape(-1, TILE * TILE), np.tile(labels[chosen], 8))
    (w1, w2), (b1, b2) = network.coefs_, network.intercepts_
    np.savez(out, w1=w1, b1=b1, w2=w2, b2=b2)
    accuracy = network.score(tiles[chosen].reshape(len(chosen), -1), labels[chosen])
    print(f"tiles: {len(wanted)} with a meteor, {len(others)} others; accuracy in training {accuracy:.3f}")


def f1(result: Evaluation) -> float:
    """Give the harmonic mean of recall and precision."""
    hits = len(result.found)
    return 2 * hits / max(1, len(result.objects) + hits + len(result.false_alarms))


def show(name: str, result: Evaluation, seconds: float) -> None:
    """Print a row of the table."""
    print(
        f"| {name} | {result.recall} | {result.recall_where('peak_snr', 6.0)} | {result.precision} | "
        f"{seconds:.0f} |",
        flush=True,
    )


def night(work: Path, recordings: int, seed: int, shape: tuple[int, int]) -> Path:
    """Make a night, if it is not there."""
    folder = work / f"night-{seed}"
    if not (folder / "truth.csv").exists():
        simulate_night(folder, recordings, "fits", seed, shape=shape)
    return folder


def main() -> int:
    """Simulate, tune, run, print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--shape", default="480x640", help="height and width of the frames")
    parser.add_argument("--work", type=Path, help="folder for the nights; kept, and used again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        height, width = map(int, args.shape.split("x"))
        nights = [night(work, args.recordings, seed, (height, width)) for seed in (args.seed + 1, args.seed)]
        own, test = nights
        weights = work / "tiles.npz"
        train_tiles(own, weights, args.seed)
        print(f"recordings = {args.recordings}, seed = {args.seed}, shape = {args.shape}", flush=True)
        print("| method | recall | recall, signal-to-noise over 6 | precision | seconds |")
        print("| --- | --- | --- | --- | --- |")
        started = time.perf_counter()
        result = judged(Pipeline.from_toml("meteor"), test)
        show("`meteor` (this program)", result, time.perf_counter() - started)
        for peer, sigmas in SIGMAS.items():
            tuned = {sigma: f1(judged(pipeline(peer, sigma, weights), own)) for sigma in sigmas}
            best = max(sigmas, key=lambda sigma, tuned=tuned: tuned[sigma])
            started = time.perf_counter()
            result = judged(pipeline(peer, best, weights), test)
            show(f"{NAMES[peer]}, {best:g} sigma", result, time.perf_counter() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
