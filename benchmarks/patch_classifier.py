"""A small network that tells patches with a galaxy in their middle from others: for the sliding window.

`benchmarks/fields.py` trains it on simulated fields and gives it to the detector ``sliding-window``: the
baseline of Cornu's lectures, a classifier of cut-outs with a class for the background.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from skimage.transform import resize
from torch import nn

from astrodetect import Classifier, Detections
from astrodetect.core.data import Stream, Window
from astrodetect.core.maps import Patches
from astrodetect.methods.patches import extract_patches
from astrodetect.simulation.fields.radio import RadioScene

#: Side of a patch, and sides and strides of the windows that are scaled to it, in pixels.
SIDE, SIZES, STRIDES = 16, (8, 12, 20), (2, 3, 5)
#: Sources with boxes up to these are looked for in the windows of each size.
LARGEST = (7.0, 12.0, 1e9)


class PatchNet(nn.Sequential):
    """Three convolutions and two dense layers; 1.6 million multiply-adds for a patch."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1), nn.LeakyReLU(0.1),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.LeakyReLU(0.1),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.LeakyReLU(0.1),
            nn.Flatten(), nn.Linear(64 * (SIDE // 4) ** 2, 64), nn.LeakyReLU(0.1), nn.Linear(64, 1),
        )  # fmt: skip


def stretched(patches: Any, noise: float) -> torch.Tensor:
    """Give patches in units of the noise, bright ones compressed."""
    return torch.asinh(torch.as_tensor(np.asarray(patches, np.float32)) / (3 * noise))


@dataclass
class GalaxyPatches(Classifier):
    """Calls a patch ``galaxy`` with the probability of the network; what is below `least` is nothing."""

    #: The trained network.
    weights: Path
    #: Noise that it was trained for.
    noise: float = 2.55e-7
    #: Least probability.
    least: float = 0.05

    needs: ClassVar[tuple[str, ...]] = ("max",)
    _net: PatchNet = field(default_factory=PatchNet, init=False, repr=False, compare=False)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the network."""
        self._net.load_state_dict(load_file(self.weights))

    def classify(self, patches: Patches, window: Window) -> Detections:
        """Give the patches that show a galaxy; the box is the patch."""
        with torch.inference_mode():
            chance = self._net(stretched(patches.data, self.noise)).sigmoid().numpy()[:, 0]
        good = chance >= self.least
        y, x = patches.corners_yx[good].T.astype(float)
        columns = {"x_min": x, "y_min": y, "x_max": x + SIDE, "y_max": y + SIDE}
        return Detections({**columns, "label": ["galaxy"] * int(good.sum()), "probability": chance[good]})


def cut_outs(scene: RadioScene, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give patches (n, 1, 16, 16) of a new field, as the sliding window cuts them, and which are galaxies."""
    made = scene.make(rng)
    own = made.sources
    box = np.maximum(own["x_max"] - own["x_min"], own["y_max"] - own["y_min"])
    group = np.searchsorted(LARGEST, box)
    patches, labels = [], []
    for number, (size, stride) in enumerate(zip(SIZES, STRIDES, strict=True)):
        factor = SIDE / size
        shape = tuple(round(side * factor) for side in made.image.shape)
        image = resize(made.image, shape, order=1, preserve_range=True).astype(np.float32)
        places = (np.stack([own["y"], own["x"]], axis=-1) + 0.5) * factor - 0.5
        reach = stride * factor / 2  # the nearest window lies within half a stride
        sure = places[(group == number) & ~own["difficult"]]
        right = sure + rng.uniform(-reach, reach, sure.shape)
        others = rng.uniform(SIDE / 2, np.array(shape) - SIDE / 2, (max(3 * len(sure), 200), 2))
        nearest = np.abs(others[:, None] - places).max(axis=2).min(axis=1, initial=np.inf)
        wrong = others[nearest > 1.3 * reach]
        corners = np.floor(np.concatenate([right, wrong]) - (SIDE - 1) / 2 + 0.5).astype(np.int64)
        patches.append(extract_patches(image[None, None], corners[None], (SIDE, SIDE))[0])
        labels.append(np.arange(len(corners)) < len(right))
    return np.concatenate(patches), np.concatenate(labels)


def train(scene: RadioScene, path: Path, seconds: float, seed: int = 73_000) -> None:
    """Train the network on new fields for some time of the processor, and write it."""
    torch.manual_seed(seed)
    net, rng, start = PatchNet(), np.random.default_rng(seed), time.process_time()
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    while (spent := (time.process_time() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1 - spent) + 2e-5
        patches, labels = cut_outs(scene, rng)
        order = rng.permutation(len(labels))
        images, wanted = (
            stretched(patches[order], scene.noise),
            torch.as_tensor(labels[order], dtype=torch.float32),
        )
        for part in range(0, len(order), 256):
            loss = nn.functional.binary_cross_entropy_with_logits(
                net(images[part : part + 256])[:, 0], wanted[part : part + 256]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    save_file(net.state_dict(), path)


def pipeline_text(weights: Path, noise: float, limit: float) -> str:
    """Give the pipeline of a sliding window with the network."""
    return (
        '[[preprocess]]\nuse = "background"\nborder = "keep"\n[detect]\nuse = "sliding-window"\n'
        f'classifier = "patch_classifier:GalaxyPatches"\nweights = "{weights}"\n'
        f"options = {{noise = {noise}}}\n"
        f"sizes = {list(SIZES)}\nstrides = {list(STRIDES)}\ninput = {SIDE}\nlimit = {limit}\n"
        '[accept]\nlabels = ["galaxy"]\n'
    )
