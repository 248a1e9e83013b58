"""A patch classifier on windows of several sizes, all over the frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from astrodetect.core import registry, settings
from astrodetect.core.data import Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.errors import PluginError
from astrodetect.core.maps import Patches, Selection
from astrodetect.core.stages import Classifier, Detector
from astrodetect.core.tiles import tile_starts

#: Patches that the classifier gets at a time.
_BATCH = 256


@dataclass
class SlidingWindow(Detector):
    """Run any patch classifier on windows of several sizes, and keep the best of those that overlap.

    The plainest detector that learns: what every other has to beat. The frame is scaled so that each size of
    window becomes `input` pixels wide, and windows are cut a stride apart, the last ones flush with the
    border. What the classifier calls by a name of `background` is nothing; of the rest, suppression leaves
    the most probable.
    """

    #: Name of the classifier: any plugin of that kind, with a background class or one that gives nothing
    #: where nothing is.
    classifier: str
    #: Its trained model, where it has one.
    weights: Path | None = None
    #: Its other settings.
    options: dict[str, Any] = field(default_factory=dict)
    #: Sides of the windows, in pixels of the frame: near those of the objects with their surroundings.
    sizes: tuple[Annotated[int, Ge(4)], ...] = (288, 144, 72)
    #: From one window to the next, in pixels, for each size. Smaller finds more and takes longer by its
    #: square.
    strides: tuple[Annotated[int, Ge(1)], ...] = (144, 72, 36)
    #: Side to which windows are scaled for the classifier, in pixels: that with which it was trained. 0: not
    #: scaled.
    input: Annotated[int, Ge(0)] = 0
    #: Labels that mean that nothing is there.
    background: tuple[str, ...] = ("background", "noise")
    #: IoU above which the less probable of two boxes of one label is left out.
    limit: Annotated[float, Ge(0), Le(1)] = 0.3
    #: The same for boxes of different labels.
    other_limit: Annotated[float, Ge(0), Le(1)] = 0.6

    _inner: Classifier = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.sizes or len(self.sizes) != len(self.strides):
            raise ValueError(
                f"{len(self.sizes)} sizes and {len(self.strides)} strides: expected a stride for each size"
            )
        try:
            cls: Any = registry.load(self.classifier, Classifier)
        except PluginError as error:
            raise ValueError(f"classifier = {self.classifier!r}: {error}") from None
        table = {**({} if self.weights is None else {"weights": str(self.weights)}), **self.options}
        problems: list[str] = []
        inner = settings.build(cls, table, f"classifier {self.classifier}:", Path.cwd(), problems)
        if inner is None:
            raise ValueError("; ".join(problems))
        # What the classifier needs and adds is a setting here, not the same for all.
        self._inner = inner
        self.needs = inner.needs  # type: ignore[misc]
        self.columns = inner.columns  # type: ignore[misc]

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Open the classifier."""
        self._inner.open(stream, device)

    def close(self) -> None:
        """Close the classifier."""
        self._inner.close()

    def take_reports(self) -> list[str]:
        """Give and forget what the classifier reported."""
        return [*super().take_reports(), *self._inner.take_reports()]

    def detect(self, window: Window) -> Detections:
        """Classify every window, and keep the best."""
        from astrodetect.core.tiling import boxes_of
        from astrodetect.methods.suppression import suppress

        found = Detections.concatenate(
            [
                part
                for size, stride in zip(self.sizes, self.strides, strict=True)
                for part in self._of_size(window, size, stride)
            ]
        )
        found = found.take([label not in self.background for label in found["label"]])
        kept = suppress(
            boxes_of(found), found["probability"], self.limit,
            classes=found["label"].astype(str), other_limit=self.other_limit,
        )  # fmt: skip
        return found.take(np.sort(kept))

    def _of_size(self, window: Window, size: int, stride: int) -> Iterator[Detections]:
        from astrodetect.methods.patches import extract_patches

        side = self.input or size
        seen = scaled(window, side / size, self.needs)
        step = max(1, round(stride * side / size))
        corners = grid_corners(seen.shape, side, step)
        planes = np.stack([np.asarray(seen.planes[name], dtype=np.float32) for name in self.needs])
        for first in range(0, len(corners), _BATCH):
            part = corners[first : first + _BATCH]
            data = extract_patches(planes[None], part[None], (side, side))[0]
            n = len(part)
            centres = (part + (side - 1) / 2).astype(np.float64)
            ones = np.ones(n, np.float32)
            selection = Selection(np.arange(first, first + n), centres, 0 * ones, ones)
            found = self._inner.classify(Patches(data, tuple(self.needs), part, selection), seen)
            if len(found):
                yield unscaled(found, side / size, window)


def grid_corners(shape: tuple[int, int], side: int, step: int) -> NDArray[np.int64]:
    """Give the first pixels (K, 2) of windows over a frame, the last ones flush with its border."""
    rows, columns = (tile_starts(length, side, side - step) for length in shape)
    return np.stack([np.repeat(rows, len(columns)), np.tile(columns, len(rows))], axis=1)


def scaled(window: Window, factor: float, names: tuple[str, ...]) -> Window:
    """Give a window whose planes are `factor` times as large, their light averaged or interpolated."""
    if factor == 1:
        return window
    from skimage.transform import resize

    height, width = (max(1, round(length * factor)) for length in window.shape)

    def changed(plane: Any) -> NDArray[np.float32]:
        values = np.asarray(plane, dtype=np.float32)
        return np.asarray(resize(values, (height, width), order=1, preserve_range=True), dtype=np.float32)

    planes = {name: changed(window.planes[name]) for name in names}
    mask = None if window.mask is None else changed(window.mask) > 0.5
    stream = replace(window.stream, shape=(height, width), mask=None)
    return replace(window, stream=stream, frames=None, planes=MappingProxyType(planes), mask=mask)


def unscaled(found: Detections, factor: float, window: Window) -> Detections:
    """Give detections in a scaled window in pixels of the frame."""
    height, width = window.shape
    columns = dict(found.columns)
    for name, values in found.columns.items():
        if name in ("x_min", "x_max", "y_min", "y_max"):
            columns[name] = np.clip(values / factor, 0, width if name[0] == "x" else height)
        elif name[:2] in ("x_", "y_"):
            columns[name] = (values + 0.5) / factor - 0.5
    tracks = {
        name: (values + 0.5) / factor - 0.5 if name in ("x", "y") else values
        for name, values in found.tracks.items()
    }
    return Detections(columns, tracks, found.cutouts)
