"""The network of the postprocessor ``verify``, for training: pictures of a track and numbers about it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.along_track import CHANNELS, COLUMNS, ROWS
from astrodetect.methods.verifying import EPSILON, FARTHEST, NUMBERS
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.model import Output, without_regions

#: Units of the dense layers where the configuration names none.
_UNITS = 48


class VerifyNet(nn.Module):
    """Convolutions with a step of 2 over the pictures, joined with the numbers, and dense layers.

    Parameters
    ----------
    config : ModelConfig
        ``feature_channels`` (a convolution each), ``dense_units``, ``dropout``, the classes; ``channels`` is
        5: what `astrodetect.methods.verifying.samples` gives.

    Attributes
    ----------
    progress : float
        Share of the training that is done; nothing depends on it here.

    Raises
    ------
    AstrodetectError
        The configuration has another number of channels.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.channels != len(CHANNELS) + 1:
            raise AstrodetectError(
                f"[model] channels = {config.channels}: verify looks at {len(CHANNELS)} pictures and a plane "
                f"of numbers; expected {len(CHANNELS) + 1}"
            )
        self.config = config
        units = config.dense_units or _UNITS
        widths = (len(CHANNELS), *config.feature_channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after, eps=EPSILON),
                nn.ReLU(),
            )
            for before, after in pairwise(widths)
        )
        cells = (ROWS >> len(self.blocks)) * (COLUMNS >> len(self.blocks))
        self.numbers = nn.BatchNorm1d(len(NUMBERS), affine=False, eps=EPSILON)
        self.dropout = nn.Dropout(config.dropout)
        self.seen = nn.Linear(widths[-1] * cells, units)
        self.joined = nn.Linear(units + len(NUMBERS), units)
        self.last = nn.Linear(units, config.n_outputs)
        self.progress = 0.0

    def forward(self, images: object, k: int | None = None, ignore: Tensor | None = None) -> Output:
        """Decide about tracks (B, 5, 32, 64).

        What of the output speaks of regions is empty: there are none.
        """
        del k, ignore
        given = images if isinstance(images, Tensor) else images.images  # type: ignore[attr-defined]
        given = given.to(self.last.weight.dtype)
        image = given[:, :-1]
        for block in self.blocks:
            image = block(image)
        numbers = self.numbers(given[:, -1, 0, : len(NUMBERS)]).clamp(-FARTHEST, FARTHEST)
        seen = torch.relu(self.seen(self.dropout(image.flatten(1))))
        joined = torch.relu(self.joined(torch.cat([seen, numbers], dim=1)))
        return without_regions(self.last(self.dropout(joined)), self.config)
