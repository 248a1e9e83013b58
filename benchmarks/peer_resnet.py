"""A ResNet-18 that verifies meteors by their picture, by transfer learning (Galindo and Lorena 2018).

The network (He et al. 2016) is written here with the names of torchvision's and timm's weights, so that a
file of theirs (safetensors) can be its start. ImageNet's weights cannot be had without a download: where no
file is given, it is trained on drawn digits first. Then it learns from the trails of
`benchmarks/fit_meteor_nights.py`, its last layer alone for a quarter of the steps. It sees brightness alone:
the picture along the trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from astrodetect.core.data import Stream
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Postprocessor
from astrodetect.methods.along_track import COLUMNS, ROWS
from astrodetect.training.data.candidates import Candidates
from astrodetect.training.data.glyphs import drawn_digits
from astrodetect.training.data.splits import Split

#: Images in a step, and steps of the training on digits and on trails.
BATCH, FIRST, STEPS = 32, 100, 250


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(after))

    def forward(self, image: Tensor) -> Tensor:
        """Give the features after the block."""
        found = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(image)))))
        return torch.relu(found + self.downsample(image))


class ResNet18(nn.Module):
    """Eight blocks of two convolutions; 11 million weights."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        for number, (before, after) in enumerate(((64, 64), (64, 128), (128, 256), (256, 512)), 1):
            own = nn.Sequential(Block(before, after, 1 + (number > 1)), Block(after, after, 1))
            setattr(self, f"layer{number}", own)
        self.fc = nn.Linear(512, n_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Give the logits (B, n) of images (B, 3, H, W)."""
        found = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        for number in range(1, 5):
            found = getattr(self, f"layer{number}")(found)
        logits: Tensor = self.fc(found.mean(dim=(2, 3)))
        return logits


def three(pictures: Any) -> Tensor:
    """Give pictures (n, H, W) in the three channels that the network looks at."""
    grey = torch.as_tensor(np.asarray(pictures, np.float32))
    return grey[:, None].expand(-1, 3, -1, -1)


@dataclass
class ResNetVerifier(Postprocessor):
    """Calls what the network takes for a meteor a meteor, and what it does not anything else."""

    #: The trained network.
    weights: Path
    #: Least probability of a meteor.
    least: Annotated[float, Ge(0), Le(1)] = 0.5

    _network: ResNet18 | None = field(default=None, init=False, repr=False, compare=False)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the network."""
        self._network = ResNet18(2).eval()
        self._network.load_state_dict(load_file(self.weights))

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections with new labels."""
        if not len(detections) or detections.cutouts is None or self._network is None:
            return detections
        with torch.inference_mode():
            said = torch.softmax(self._network(three(detections.cutouts[:, 0])), dim=1).numpy()[:, 1]
        moved = np.array([len(detections.track(row).get("frame", ())) > 2 for row in range(len(detections))])
        meteor = moved & (said >= self.least)
        labels = np.array(detections["label"], dtype=object)
        labels[~meteor & (labels == "meteor")] = "unknown"
        labels[meteor] = "meteor"
        return detections.with_columns(label=labels, probability=np.where(meteor, said, 1 - said))


def steps(
    pictures: NDArray[Any], labels: NDArray[Any], number: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give so many batches in which all classes are alike frequent, half of them mirrored."""
    classes = [np.flatnonzero(labels == value) for value in np.unique(labels)]
    for _ in range(number):
        chosen = np.concatenate([rng.choice(own, max(1, BATCH // len(classes))) for own in classes])
        batch = np.asarray(pictures[chosen], np.float32)
        if rng.random() < 0.5:
            batch = batch[:, ::-1]
        yield three(np.ascontiguousarray(batch)), torch.as_tensor(labels[chosen])


def fit(network: ResNet18, batches: Iterator[tuple[Tensor, Tensor]], total: int, held: float = 0.0) -> None:
    """Train; the last layer alone for a part `held` of all steps."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    network.train()
    for step, (images, wanted) in enumerate(batches):
        for name, weights in network.named_parameters():
            weights.requires_grad_(step >= held * total or name.startswith("fc."))
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 - step / total) + 1e-5
        loss = nn.functional.cross_entropy(network(images), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()


def start(file: Path | None, rng: np.random.Generator) -> ResNet18:
    """Give the network that is begun with: weights from a file, or trained on drawn digits."""
    network = ResNet18(10)
    if file is not None:
        given = {name: value for name, value in load_file(file).items() if not name.startswith("fc.")}
        missing = network.load_state_dict(given, strict=False).missing_keys
        if any(not name.startswith("fc.") for name in missing):
            raise SystemExit(f"{file}: no ResNet-18: {missing[0]} is missing")
        return network
    digits = drawn_digits(3000, seed=1)
    canvas = np.zeros((3000, ROWS, COLUMNS), np.float32)
    for number, place in enumerate(rng.integers(0, (ROWS - 27, COLUMNS - 27), (3000, 2))):
        canvas[number, place[0] : place[0] + 28, place[1] : place[1] + 28] = digits.images[number] / 64.0
    fit(network, steps(canvas, digits.labels.astype(np.int64), FIRST, rng), FIRST)
    return network


def trails(split: Split) -> NDArray[Any]:
    """Give the first picture of every track of a split, (n, 32, 64)."""
    return np.stack([split.image(number)[0] for number in range(len(split))])


def train(nights: Path, out: Path, file: Path | None = None, seed: int = 0) -> str:
    """Train on the catalogs of nights and write the weights; say on what, and how well it tells the rest."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = start(file, rng)
    network.fc = nn.Linear(512, 2)
    data = Candidates(nights=(nights,))
    meteor = data.classes.index("meteor")
    own, others = data.split("train"), data.split("validation")
    pictures, labels = trails(own), (own.targets == meteor).astype(np.int64)
    fit(network, steps(pictures, labels, STEPS, rng), STEPS, held=0.25)
    save_file(network.state_dict(), out)
    with torch.inference_mode():
        parts = np.array_split(trails(others), max(1, len(others) // 256))
        said = np.concatenate([network(three(part)).argmax(dim=1).numpy() for part in parts])
    right = float((said == (others.targets == meteor)).mean())
    known = f"{len(labels)} trails, {int(labels.sum())} of meteors"
    return f"ResNet-18: {known}; right on {right:.3f} of those of other nights"
