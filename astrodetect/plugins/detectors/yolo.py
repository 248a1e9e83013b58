"""The detector of many small objects: YOLO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import NDArray

from astrodetect.core.columns import Column
from astrodetect.core.data import Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import Detector
from astrodetect.methods.gaussian_fit import check_beam, fitted
from astrodetect.plugins.models.yolo.weights import Shipped, Trained, path_of

if TYPE_CHECKING:
    from astrodetect.plugins.models.yolo.finding import Found

Share = Annotated[float, Ge(0), Le(1)]
#: Least objectness where neither the pipeline nor the model says one.
_USUAL = 0.3


@dataclass
class YoloDetector(Detector):
    """Finds, classifies and measures objects with a trained YOLO model.

    Every cell of a grid over the image says with each of its units how sure it is of an object (objectness),
    where its box is, and what it measures: flux, axes and angle for the models of galaxies. Pixels are taken
    as they are, in any number type; those that are masked or no numbers are black. See the page on YOLO.
    """

    #: A model that comes with the package, by name, or the file that `astrodetect train` wrote.
    weights: Shipped | Path
    #: Planes that the model sees, as many as its images have channels and in that order. `max` is the image
    #: itself where there is one frame; `image` is that less its smooth background.
    planes: tuple[str, ...] = ("image",)
    #: Least objectness, one for all or one for each prior; empty: those that were tuned with the model.
    #: Lower finds fainter objects and more that are none.
    threshold: tuple[Share, ...] = ()
    #: Of boxes on one object the best is kept: `levels` lets a box overlap a better one the less the less
    #: sure it is, which keeps crowded objects apart; `plain` has one limit; `none` keeps all.
    suppression: Literal["levels", "plain", "none"] = "levels"
    #: `plain`: overlap (IoU) above which a box gives way.
    limit: Share = 0.5
    #: Boxes with a shorter side are left out, in pixels.
    least_side: Annotated[float, Ge(0)] = 0.0
    #: What the outermost cells of an image lose of their objectness, since they see less around them; 0.05
    #: is what was published for tiles.
    border: Annotated[float, Ge(0), Lt(1)] = 0.0
    #: For models that measure galaxies, the beam of a radio map: major and minor full width at half maximum
    #: (pixels), and angle (degrees from +x towards +y). Given, flux, axes, angle and place of all sources are
    #: fitted together at the end in the first plane, as Gaussians in noise that is as smooth as the beam, and
    #: `snr` is that of the fit. Empty: no fit.
    fit_beam: tuple[float, ...] = ()
    #: Images that are computed together on a GPU; more use it better and need more memory. On a processor
    #: one is computed after the other, so that nothing hangs on what else is computed.
    batch: Annotated[int, Ge(1)] = 8
    #: Number format of the convolutions. The half formats are faster where the device knows them.
    precision: Literal["float32", "bfloat16", "float16"] = "float32"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("prior", "int64", "", "which unit of its cell found it"),
        Column("presence", "float32", "", "probability of an object as the unit said it, not calibrated"),
        Column("major", "float64", "pix", "major axis as seen, full width at half maximum; NaN if not known"),
        Column("minor", "float64", "pix", "minor axis as seen, full width at half maximum; NaN if not known"),
        Column("theta", "float64", "deg", "angle of the major axis, from +x towards +y; NaN if not known"),
    )

    _trained: Trained | None = field(default=None, init=False, repr=False, compare=False)
    _device: str = field(default="cpu", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.planes:
            raise ValueError("planes is empty: name at least one")
        check_beam(self.fit_beam)
        # What a model needs is a setting here, not the same for all.
        self.needs = self.planes  # type: ignore[misc]

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the model.

        Raises
        ------
        AstrodetectError
            The file is missing, damaged, of another method or for cubes, takes another number of planes,
            has another number of priors than there are thresholds, or measures nothing that could be fitted.
        """
        from astrodetect.plugins.models.yolo.model import for_inference
        from astrodetect.plugins.models.yolo.weights import load

        trained = load(self.weights, device)
        config, path = trained.model.config, path_of(self.weights)
        if config.axes != 2:
            raise AstrodetectError(f"{path}: a model of cubes; expected one of images (axes = 2)")
        if config.channels != len(self.planes):
            raise AstrodetectError(
                f"{path}: the model takes images of {config.channels} planes (channels); "
                f"planes = {list(self.planes)} names {len(self.planes)}"
            )
        if self.fit_beam and config.shape_parameters is None:
            raise AstrodetectError(
                f"{path}: the model measures no flux, axes and angle to begin a fit with; leave out fit_beam"
            )
        if len(self.threshold) not in {0, 1, len(config.priors)}:
            raise AstrodetectError(
                f"{path}: the model has {len(config.priors)} priors; threshold has {len(self.threshold)} "
                "numbers, expected none, one, or one for each"
            )
        self._trained, self._device = replace(trained, model=for_inference(trained.model)), device

    def close(self) -> None:
        """Forget the model."""
        self._trained = None

    @property
    def trained(self) -> Trained:
        """The model that `open` read."""
        if self._trained is None:
            raise RuntimeError("the stage is not open")
        return self._trained

    def detect(self, window: Window) -> Detections:
        """Give the objects of one window."""
        return self.detect_batch([window])[0]

    def detect_batch(self, windows: Sequence[Window]) -> list[Detections]:
        """Give the objects of several windows, computed together where they are of one shape."""
        import torch

        from astrodetect.plugins.models.yolo.finding import find

        found: list[Detections] = []
        for part in _alike(windows, 1 if self._device == "cpu" else self.batch):
            images = np.stack([self._pixels(window) for window in part])
            unseen = np.asarray(~np.isfinite(images).all(axis=1))
            tensor = torch.from_numpy(images).to(self._device)
            every = find(
                self.trained.model, tensor, self._thresholds(), precision=self.precision, border=self.border
            )
            found += [self._detections(own, *seen) for own, *seen in zip(every, images, unseen, strict=True)]
        return found

    def _pixels(self, window: Window) -> NDArray[np.float32]:
        """Give the image (C, H, W), NaN where it is to be ignored."""
        from astrodetect.core.arrays import to_numpy

        pixels = np.stack([to_numpy(window.planes[name]).astype(np.float32) for name in self.planes])
        if window.mask is not None:
            pixels[:, np.asarray(window.mask)] = np.nan
        return pixels

    def _thresholds(self) -> tuple[float, ...]:
        n = len(self.trained.model.config.priors)
        given = self.threshold or tuple(self.trained.info.get("thresholds", (_USUAL,)))
        return given if len(given) == n else given * n

    def _detections(self, found: Found, image: NDArray[np.float32], unseen: NDArray[np.bool_]) -> Detections:
        """Give a table of what remains of the boxes of an image (C, H, W)."""
        flat = found.boxes[:, [0, 1, 3, 4]]
        x, y = (flat[:, 0] + flat[:, 2] - 1) / 2, (flat[:, 1] + flat[:, 3] - 1) / 2
        sides = flat[:, 2:] - flat[:, :2]
        at_y, at_x = (
            np.clip(np.round(v).astype(int), 0, n - 1)
            for v, n in ((y, unseen.shape[0]), (x, unseen.shape[1]))
        )
        good = np.flatnonzero((sides > max(self.least_side, 0)).all(axis=1) & ~unseen[at_y, at_x])
        rows = good[self._kept(flat[good], found.objectness[good], found.classes[good])]
        own, config = found.take(rows), self.trained.model.config
        shape = config.shape_parameters
        measured = {"x": x[rows], "y": y[rows]}
        if shape is not None:
            measured |= shape.decode(own.parameters)
            if self.fit_beam:
                measured |= fitted(measured, image[0], self.fit_beam)
        x, y = measured.pop("x"), measured.pop("y")
        columns = {
            "x_min": flat[rows, 0], "y_min": flat[rows, 1], "x_max": flat[rows, 2], "y_max": flat[rows, 3],
            "x_start": x, "y_start": y, "x_end": x, "y_end": y,
            "label": [config.labels[number] for number in own.classes],
            "probability": self._chance(own), "score": own.objectness,
            "prior": own.prior, "presence": own.probability,
            **{name: np.full(len(rows), np.nan) for name in ("flux", "major", "minor", "theta")}, **measured,
        }  # fmt: skip
        return Detections(columns)

    def _kept(
        self, boxes: NDArray[np.float64], scores: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        from astrodetect.methods.suppression import level_limits, suppress

        if self.suppression == "none":
            return np.argsort(-scores, kind="stable")
        if self.suppression == "plain":
            return suppress(boxes, scores, self.limit, classes=classes)
        return suppress(boxes, scores, level_limits(scores), "diou", classes=classes)

    def _chance(self, found: Found) -> NDArray[np.float32]:
        """Give the probability that a detection is right, by the calibration of the model if it has one."""
        slope, offset = self.trained.info.get("calibration", (1.0, 0.0))
        sure = np.clip(found.objectness.astype(np.float64), 1e-6, 1 - 1e-6)
        logit = slope * np.log(sure / (1 - sure)) + offset
        chance: NDArray[np.float32] = (found.class_probability / (1 + np.exp(-logit))).astype(np.float32)
        return chance


def _alike(windows: Sequence[Window], most: int) -> Iterator[Sequence[Window]]:
    """Give runs of windows of one shape, at most so many at a time."""
    start = 0
    for number in range(1, len(windows) + 1):
        whole = number == len(windows) or windows[number].shape != windows[start].shape
        if whole or number - start == most:
            yield windows[start:number]
            start = number
