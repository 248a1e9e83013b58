"""The final label from the track: a small recurrent network over positions and light."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge

from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import Postprocessor

if TYPE_CHECKING:
    from astrodetect.core.data import Stream
    from astrodetect.plugins.models.checkpoints import Checkpoint


@dataclass
class TrackNet(Postprocessor):
    """Labels detections by their tracks, with a network that `astrodetect train` made from catalogs.

    A detection that the network takes for one of its classes gets that label and its probability. One that it
    does not keeps its label, or becomes ``unknown`` where that label is one of the classes. Detections with
    short tracks stay as they are. Put it behind ``link``, which makes tracks whole.
    """

    #: File of the trained model (safetensors).
    weights: Path
    #: Fewest points of a track that is judged.
    least: Annotated[int, Ge(2)] = 3
    #: Steps of a series, as in training.
    length: Annotated[int, Ge(8)] = 64

    _checkpoint: Checkpoint | None = field(default=None, init=False, repr=False, compare=False)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the model.

        Raises
        ------
        AstrodetectError
            It cannot be read, or is none of tracks.
        """
        from astrodetect.plugins.models.checkpoints import load

        checkpoint = load(self.weights, device)
        method = checkpoint.model.config.method
        if method != "track":
            raise AstrodetectError(f'{self.weights}: a model of method "{method}"; expected "track"')
        self._checkpoint = checkpoint

    def close(self) -> None:
        """Forget the model."""
        self._checkpoint = None

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections with their final labels."""
        tracks = [detections.track(row) for row in range(len(detections))]
        judged = [row for row, track in enumerate(tracks) if len(track.get("frame", ())) >= self.least]
        if not judged or self._checkpoint is None:
            return detections
        labels = np.array(detections["label"], dtype=object)
        chances = np.array(detections["probability"], dtype=np.float64)
        said = self._said([tracks[row] for row in judged], stream.frame_rate, self._checkpoint)
        known = [self._checkpoint.model.config.label(number) for number in range(1, said.shape[1])]
        for row, chance in zip(judged, said, strict=True):
            best = int(chance.argmax())
            if best > 0:
                labels[row] = known[best - 1]
            elif labels[row] in known:
                labels[row] = "unknown"
            chances[row] = chance[best]
        return detections.with_columns(label=labels, probability=chances)

    def _said(self, tracks: list[dict[str, Any]], rate: float, checkpoint: Checkpoint) -> np.ndarray:
        """Give the calibrated probability of each class for each track."""
        import torch

        from astrodetect.methods.calibrated import apply_calibration
        from astrodetect.methods.track_series import track_series

        series = np.stack([track_series(track, rate, self.length)[:, None] for track in tracks])
        device = next(checkpoint.model.parameters()).device
        with torch.inference_mode():
            logits = checkpoint.model(torch.from_numpy(series).to(device)).logits
        chances = torch.softmax(logits.double(), dim=1).cpu().numpy()
        known = checkpoint.info.get("calibration", {}).get("frame", {})
        return apply_calibration(chances, known, several=False)
