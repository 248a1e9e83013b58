"""A small recurrent network on tracks: positions and light over time, as Gural (2019) had for meteors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.model import Output, without_regions

#: Units of the recurrent layer where the configuration names none.
_UNITS = 32


class TrackNet(nn.Module):
    """Gated recurrent units over the frames of a track, in both directions, and a linear classifier.

    Parameters
    ----------
    config : ModelConfig
        ``channels`` (of a series), ``dense_units`` (of the recurrent layer), ``dropout``, the classes.

    Attributes
    ----------
    progress : float
        Share of the training that is done; nothing depends on it here.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        units = config.dense_units or _UNITS
        self.recurrent = nn.GRU(config.channels, units, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Linear(4 * units, config.n_outputs)
        self.progress = 0.0

    def forward(self, images: object, k: int | None = None, ignore: Tensor | None = None) -> Output:
        """Decide about series (B, C, 1, T); the first channel is 1 where a frame has a point.

        What of the output speaks of regions is empty: there are none.

        Raises
        ------
        AstrodetectError
            They have other channels.
        """
        del k, ignore
        series = images if isinstance(images, Tensor) else images.images  # type: ignore[attr-defined]
        if series.shape[1] != self.config.channels or series.shape[2] != 1:
            raise AstrodetectError(
                f"tracks are series of {self.config.channels} channels (channels) in one row; "
                f"given are {series.shape[1]} x {series.shape[2]}"
            )
        steps = series.float()[:, :, 0].transpose(1, 2)
        known = steps[:, :, :1] > 0
        states, _ = self.recurrent(steps)
        count = known.sum(dim=1).clamp_min(1)
        mean = (states * known).sum(dim=1) / count
        highest = states.masked_fill(~known, -1.0).amax(dim=1)
        joined = self.last(self.dropout(torch.cat([mean, highest], dim=1)))
        return without_regions(joined, self.config)
