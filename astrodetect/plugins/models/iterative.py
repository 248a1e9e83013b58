"""Iterative patch selection: score every patch a few at a time, keep little.

Bergner et al., "Iterative patch selection for high-resolution image recognition" (2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from astrodetect.plugins.models.aggregation import Bag
from astrodetect.plugins.models.scenes import Scene

if TYPE_CHECKING:
    from astrodetect.plugins.models.model import PatchModel


@contextmanager
def as_at_inference(model: PatchModel) -> Iterator[None]:
    """Turn off dropout, moving averages and jitter, and gradients."""
    before = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


def score_patches(model: PatchModel, scene: Scene) -> Tensor:
    """Give the score (B, h, w) of every patch on the grid of the model, `chunk` patches at a time."""
    batch, _, height, width = scene.shape
    rows, columns = -(-height // model.config.step), -(-width // model.config.step)
    scores = torch.empty((batch, rows * columns), device=scene.device)
    skip = model.training
    with as_at_inference(model):
        empty = _encode_empty(model, scene.device) if skip else None
        for start in range(0, rows * columns, model.config.chunk):
            stop = min(start + model.config.chunk, rows * columns)
            cells = torch.arange(start, stop, device=scene.device).expand(batch, -1)
            centres = model.centres(cells, columns)
            patches = model.cut(scene, centres)
            features = _encode(model, patches, empty)
            scores[:, start:stop] = model.aggregator.scores(_bag(features, centres, (height, width)))
    return scores.view(batch, rows, columns)


def _encode_empty(model: PatchModel, device: torch.device) -> Tensor:
    config = model.config
    return model.encode(torch.zeros((1, config.channels, *config.patch), device=device))


def _encode(model: PatchModel, patches: Tensor, empty: Tensor | None) -> Tensor:
    """Encode patches (B, n, C, h, w); those that are black everywhere share one result, if given."""
    flat = patches.flatten(0, 1)
    if empty is None:
        features = model.encode(flat)
    else:
        full = (flat != 0).flatten(1).any(dim=1)
        features = empty.expand(len(flat), -1).clone()
        if bool(full.any()):
            features[full] = model.encode(flat[full])
    return features.reshape(*patches.shape[:2], -1)


def _bag(features: Tensor, centres: Tensor, size: tuple[int, int]) -> Bag:
    ones = torch.ones(features.shape[:2], device=features.device)
    places = (centres + 0.5) / torch.tensor(size, device=centres.device)
    return Bag(features, ones.bool(), ones / ones.shape[1], ones, places)
