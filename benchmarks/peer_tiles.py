"""Training of the small network of the Desert Fireball Network's chain, on the tiles of a simulated night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peer_detectors import TILE, UNITS, blurred_differences, tiles_of

from astrodetect.core import registry
from astrodetect.core.data import Window
from astrodetect.core.discovery import discover
from astrodetect.core.windows import opened
from astrodetect.evaluation import read_tracks, read_truth


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


def train_tiles(folder: Path, out: Path, seed: int) -> str:
    """Train the network of ten units on tiles, as many with a streak as without, each eight ways.

    Gives a line that says on what, and how well it knows them.
    """
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
    return f"tiles: {len(wanted)} with a meteor, {len(others)} others; accuracy in training {accuracy:.3f}"
