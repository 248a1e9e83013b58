"""What stages with a trained model share; imports torch only when one is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from astrodetect.core.columns import Column
from astrodetect.core.data import Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.maps import Patches, ScoreMap
from astrodetect.core.operating import OperatingCurve, stored_curve
from astrodetect.core.stages import Stage

if TYPE_CHECKING:
    from astrodetect.plugins.models.checkpoints import Checkpoint
    from astrodetect.plugins.models.windows import PlaneScene


@dataclass
class LearnedStage(Stage):
    """A stage that runs a trained model."""

    #: File of the trained model (safetensors), as `astrodetect train` writes it.
    weights: Path
    #: Planes that the model sees, as many as it was trained with and in that order.
    planes: tuple[str, ...] = ("image",)

    #: Methods whose models fit.
    methods: ClassVar[tuple[str, ...]] = ()

    _checkpoint: Checkpoint | None = field(default=None, init=False, repr=False, compare=False)
    _device: str = field(default="cpu", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.planes:
            raise ValueError("planes is empty: name at least one")
        # What a model needs is a setting here, not the same for all.
        self.needs = self.planes  # type: ignore[misc]

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the model.

        Raises
        ------
        AstrodetectError
            The file is missing, damaged, not of astrodetect, of another method, or takes another
            number of planes.
        """
        from astrodetect.plugins.models.checkpoints import load
        from astrodetect.plugins.models.parts import for_inference

        checkpoint = load(self.weights, device)
        config = checkpoint.model.config
        if config.method not in self.methods:
            raise AstrodetectError(
                f'{self.weights}: a model of method "{config.method}"; expected {" or ".join(self.methods)}'
            )
        if config.channels != len(self.planes):
            raise AstrodetectError(
                f"{self.weights}: the model takes images of {config.channels} planes (channels); "
                f"planes = {list(self.planes)} names {len(self.planes)}"
            )
        for_inference(checkpoint.model)
        self._checkpoint, self._device = checkpoint, device

    def close(self) -> None:
        """Forget the model."""
        self._checkpoint = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The model that `open` read."""
        if self._checkpoint is None:
            raise RuntimeError("the stage is not open")
        return self._checkpoint

    def scene(self, window: Window) -> PlaneScene:
        """Give the planes of a window as the model takes them."""
        from astrodetect.plugins.models.windows import PlaneScene

        black = self.checkpoint.model.config.black
        return PlaneScene([window.planes[name] for name in self.planes], window.mask, black, self._device)

    def ignored(self, window: Window) -> Any:
        """Give the mask of a window as a tensor, or None."""
        from astrodetect.core.arrays import to_torch

        return None if window.mask is None else to_torch(window.mask, self._device)


@dataclass
class ModelScorer(LearnedStage):
    """What scorers with a trained model do."""

    def score(self, window: Window) -> ScoreMap:
        """Give the model's score map."""
        import torch

        from astrodetect.plugins.models.choice import forbid

        model = self.checkpoint.model
        with torch.inference_mode():
            scores, _ = model.score(self.scene(window))
            scores = forbid(scores, self.ignored(window), model.grid)
        grid = model.grid
        data = scores[0].float().cpu().numpy()
        return ScoreMap(data, (grid.stride, grid.stride), (grid.origin, grid.origin))


@dataclass
class ModelDecision(LearnedStage):
    """What turns evidence of patches into detections."""

    #: Patches are left out in which the probability of anything is below this. Lower keeps more rejects.
    least: Annotated[float, Ge(0), Le(1)] = 0.05
    #: Side of the box around what was found, in pixels; 0: the whole patch.
    box: Annotated[float, Ge(0)] = 0.0

    def operating_curve(self, label: str) -> OperatingCurve | None:
        """Give what a threshold on the probability of a label costs, where it is stored with the model."""
        from astrodetect.plugins.models.header import read_info

        return stored_curve(read_info(self.weights), label, str(self.weights))

    def detections(
        self,
        evidence: Any,
        centres_yx: NDArray[np.float64],
        scores: Any,
        size: tuple[int, int],
        window: Window,
    ) -> Detections:
        """Give one detection for each patch that shows something.

        Parameters
        ----------
        evidence : (K, n_outputs) tensor
            Logits of the patches.
        centres_yx : (K, 2) array
            Centres of the patches in pixels.
        scores : (K,) array
            What they were chosen by.
        size : (int, int)
            Height and width of a patch.
        window : Window
            Where they are from.
        """
        from astrodetect.plugins.models.decisions import labelled

        checkpoint = self.checkpoint
        classes, chances = labelled(evidence, checkpoint.model.config, checkpoint.info)
        sides = np.array((self.box, self.box) if self.box else size) / 2
        least, most = centres_yx + 0.5 - sides, centres_yx + 0.5 + sides
        frame = np.array(window.shape)
        inside = np.all((most > 0) & (least < frame), axis=1) & (chances >= self.least)
        least, most = np.clip(least[inside], 0, frame), np.clip(most[inside], 0, frame)
        y, x = ((least + most - 1) / 2).T
        columns = {
            "x_min": least[:, 1], "y_min": least[:, 0], "x_max": most[:, 1], "y_max": most[:, 0],
            "x_start": x, "y_start": y, "x_end": x, "y_end": y,
            "label": [checkpoint.model.config.label(number) for number in classes[inside]],
            "probability": chances[inside], "score": np.asarray(scores)[inside],
        }  # fmt: skip
        return Detections(columns)


@dataclass
class ModelClassifier(ModelDecision):
    """What classifiers with a trained model do."""

    def classify(self, patches: Patches, window: Window) -> Detections:
        """Decide about each patch by itself."""
        import torch

        from astrodetect.core.arrays import to_torch
        from astrodetect.plugins.models.decisions import patch_evidence

        model = self.checkpoint.model
        pixels = to_torch(patches.data, self._device).float()
        pixels = torch.where(torch.isfinite(pixels), pixels, model.config.black)
        with torch.inference_mode():
            evidence = patch_evidence(model, pixels)
        size = (int(patches.data.shape[2]), int(patches.data.shape[3]))
        centres = patches.corners_yx + (np.array(size) - 1) / 2
        return self.detections(evidence, centres, patches.selection.scores, size, window)


#: What a whole model adds to the detections.
FRAME_COLUMNS = (
    Column("frame_label", "str", "", "class of the whole frame, from all chosen patches together"),
    Column("frame_probability", "float64", "", "probability that this class is right"),
)


@dataclass
class ModelDetector(ModelDecision):
    """What detectors that are a whole model do."""

    #: Patches that are looked at; 0: as many as the model was trained for.
    k: Annotated[int, Ge(0)] = 0

    columns: ClassVar[tuple[Column, ...]] = FRAME_COLUMNS

    def detect(self, window: Window) -> Detections:
        """Look coarsely, choose, and decide about frame and patches."""
        import torch

        from astrodetect.plugins.models.decisions import frame_label

        checkpoint = self.checkpoint
        model = checkpoint.model
        model.reseed(int(window.rng().integers(2**31)))
        with torch.inference_mode():
            output = model(self.scene(window), self.k or None, self.ignored(window))
        valid = output.valid[0]
        centres = output.centres_yx[0][valid].cpu().numpy().astype(np.float64)
        scores = output.scores.flatten(1)[0][output.indices[0][valid]].cpu().numpy()
        found = self.detections(output.evidence[0][valid], centres, scores, model.config.patch, window)
        label, chance = frame_label(output.logits[0], model.config, checkpoint.info)
        return found.with_columns(frame_label=[label] * len(found), frame_probability=[chance] * len(found))
