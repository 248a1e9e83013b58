"""The rival that looks at everything: a small convolutional network at full resolution.

Its map of logits is pooled to one decision, and its peaks are detections.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from astrodetect.plugins.models.choice import forbid, only_peaks
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.geometry import Grid, Stack, matched
from astrodetect.plugins.models.model import Output, class_logits
from astrodetect.plugins.models.scenes import Scene, as_scene
from astrodetect.plugins.models.sparse import sparse_map

#: Pixels of a band of the frame at inference.
_BAND_PIXELS = 1 << 21


class FcnMil(nn.Module):
    """Fully convolutional network with top-r or log-sum-exp pooling.

    Parameters
    ----------
    config : ModelConfig
        ``feature_channels`` with ``feature_shrink`` (a step of 2), ``pooling``, ``top``, ``k``.

    Attributes
    ----------
    skip_empty : bool
        In training, compute only where the image is not black. The map is the same, but for the
        normalisation, whose averages are then over what was computed.
    progress : float
        Share of the training that is done; nothing depends on it here.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        strides = [1 + shrink for shrink in config.feature_shrink]
        first = [config.feature_kernel, *[3] * (len(strides) - 1)]
        kernels = [matched(kernel, stride) for kernel, stride in zip(first, strides, strict=True)]
        self.stack = Stack(tuple(zip(kernels, strides, strict=True)))
        layers: list[nn.Module] = []
        planes = config.channels
        for filters, (kernel, stride) in zip(config.feature_channels, self.stack.layers, strict=True):
            layers.append(nn.Conv2d(planes, filters, kernel, stride, bias=not config.feature_norm))
            if config.feature_norm:
                layers.append(nn.BatchNorm2d(filters))
            layers.append(nn.LeakyReLU(0.1))
            planes = filters
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Conv2d(planes, config.n_outputs, 1)
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self.skip_empty = False
        self.progress = 0.0

    @property
    def grid(self) -> Grid:
        """Where the cells are, in pixels: the same in y and x."""
        return self.stack.grid

    @property
    def reach(self) -> tuple[int, int]:
        """Cells on either side in which a better one suppresses a cell."""
        cells = int(self.config.suppress // self.grid.stride)
        return cells, cells

    def reseed(self, seed: int) -> None:
        """Do nothing: nothing is drawn here. For callers that do not know what model they have."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Give the parameters; there is one group."""
        return {"patch": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def head(self, padded: Tensor) -> Tensor:
        """Give logits (B, n_outputs, h, w) of images that are padded already."""
        logits: Tensor = self.last(self.dropout(self.body(padded)))
        return logits

    def map(self, images: Tensor | Scene) -> Tensor:
        """Give the map of logits (B, n_outputs, h, w) of images (B, C, H, W).

        Raises
        ------
        AstrodetectError
            Wrong number of planes, or pixels that are not numbers.
        """
        config = self.config
        scene = as_scene(images, config.channels)
        if self.training and self.skip_empty:
            return sparse_map(scene, self.stack, self.head, config.black, config.white)
        _, _, height, width = scene.shape
        rows = self.stack.cells(height)
        # At inference in bands, so that the memory of the hidden layers does not grow with the frame.
        band = rows if self.training else max(1, _BAND_PIXELS // (width * self.stack.stride))
        bands = [self._rows(scene, top, min(top + band, rows)) for top in range(0, rows, band)]
        return torch.cat(bands, dim=2)

    def _rows(self, scene: Scene, top: int, bottom: int) -> Tensor:
        """Give some rows of the map, from the pixels that they see."""
        config, stack = self.config, self.stack
        columns = stack.cells(scene.shape[3])
        corner = torch.tensor([top * stack.stride - stack.before, -stack.before], device=scene.device)
        height, width = ((cells - 1) * stack.stride + stack.field for cells in (bottom - top, columns))
        fill = config.black if config.padding == "zero" else None
        pixels = scene.cut(corner.expand(scene.shape[0], 1, 2), (height, width), fill)[:, 0]
        return self.head((pixels - config.black) / (config.white - config.black))

    def pool(self, cells: Tensor) -> Tensor:
        """Join logits (B, n, N) of cells to (B, n)."""
        if self.config.pooling == "top-r":
            return cells.topk(min(self.config.top, cells.shape[2]), dim=2).values.mean(dim=2)
        sharp = self.sharpness.clamp(0.1, 10)
        return torch.logsumexp(sharp * cells.float(), dim=2) / sharp

    def score(self, images: Tensor | Scene) -> tuple[Tensor, Tensor | None]:
        """Give score maps (B, h, w): the highest logit of the cell."""
        return self.map(images).float().amax(dim=1), None

    def forward(self, images: Tensor | Scene, k: int | None = None, ignore: Tensor | None = None) -> Output:
        """Decide about images (B, C, H, W); the K best peaks of the map are given as choice.

        Parameters
        ----------
        images : (B, C, H, W) tensor or Scene
            Any size.
        k : int, optional
            Number of peaks instead of that of the configuration.
        ignore : (H, W) or (B, H, W) bool tensor, optional
            True where nothing may be chosen.
        """
        logits = self.map(images)
        cells = logits.flatten(2)
        scores = logits.detach().float().amax(dim=1)
        flat = only_peaks(forbid(scores, ignore, self.grid), self.reach).flatten(1)
        best = flat.topk(min(k or self.config.k, flat.shape[1]), dim=1)
        valid = torch.isfinite(best.values)
        rows = torch.stack([best.indices // scores.shape[2], best.indices % scores.shape[2]], dim=-1)
        evidence = cells.detach().gather(2, best.indices[:, None].expand(-1, cells.shape[1], -1))
        return Output(
            logits=class_logits(self.pool(cells), self.config),
            scores=scores,
            attention=torch.softmax(scores.flatten(1), dim=1).view_as(scores),
            indices=best.indices,
            valid=valid,
            centres_yx=self.grid.origin + self.grid.stride * rows.float(),
            weights=functional.normalize(valid.float(), p=1, dim=1),
            evidence=evidence.transpose(1, 2),
        )
