"""Networks that turn a patch into a vector."""

from __future__ import annotations

from torch import Tensor, nn

from astrodetect.plugins.models.config import ModelConfig


def convolution(kind: str, planes: int, filters: int, kernel: int, stride: int, bias: bool) -> nn.Module:
    """Give a convolution that keeps the size but for its stride; depthwise separable on request."""
    half = kernel // 2
    if kind == "standard":
        return nn.Conv2d(planes, filters, kernel, stride, half, bias=bias)
    depthwise = nn.Conv2d(planes, planes, kernel, stride, half, groups=planes, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(planes, filters, 1, bias=bias))


class FeatureNet(nn.Module):
    """Blocks of convolution, normalisation, leaky ReLU and pooling; then one vector per patch.

    Parameters
    ----------
    config : ModelConfig
        ``channels``, ``feature_*``, ``convolution``, ``dense_units``, ``dropout``.

    Attributes
    ----------
    size : int
        Length D of the vector.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        planes = config.channels
        shrinks = zip(config.feature_channels, config.feature_shrink, strict=True)
        for number, (filters, shrink) in enumerate(shrinks):
            kernel = config.feature_kernel if number == 0 else 3
            by_stride = bool(shrink) and number == 0 and config.feature_stem == "stride"
            stride = 2 if by_stride else 1
            blocks.append(
                convolution(config.convolution, planes, filters, kernel, stride, not config.feature_norm)
            )
            if config.feature_norm:
                blocks.append(nn.BatchNorm2d(filters))
            blocks.append(nn.LeakyReLU(0.1))
            if shrink and not by_stride:
                blocks.append(nn.MaxPool2d(2, ceil_mode=True))
            planes = filters
        self.blocks = nn.Sequential(*blocks)
        self.pool = config.feature_pool
        self.dense = nn.Identity() if not config.dense_units else _dense(planes, config.dense_units)
        self.dropout = nn.Dropout(config.dropout)
        self.size = config.dense_units or planes

    def forward(self, patches: Tensor) -> Tensor:
        """Give features (N, D) of patches (N, C, h, w)."""
        maps = self.blocks(patches)
        pooled = maps.amax(dim=(-2, -1)) if self.pool == "max" else maps.mean(dim=(-2, -1))
        features: Tensor = self.dropout(self.dense(pooled))
        return features


def _dense(inputs: int, units: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, units), nn.LeakyReLU(0.1))
