"""The final label from what a track looks like: a small learned network, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from annotated_types import Ge, Gt

from astrodetect.core.detections import Detections
from astrodetect.core.operating import OperatingCurve, stored_curve
from astrodetect.core.stages import Postprocessor

if TYPE_CHECKING:
    from astrodetect.core.data import Stream

#: Names of the networks that come with the package.
Shipped = Literal["meteor-v1"]
_FOLDER = Path(__file__).parent.parent / "models" / "weights"


@dataclass
class Verify(Postprocessor):
    """Labels what moved by pictures of its track and the numbers of the classifier ``streak``.

    Put it behind ``link``, and give the classifier ``pictures = true``. Detections with tracks of `least`
    points or more get the label that is most probable, and its calibrated probability; others keep theirs,
    and so do tracks that last longer than pictures show.
    """

    #: A network that comes with the package, or the file of one that `astrodetect train` made.
    weights: Shipped | Path = "meteor-v1"
    #: Fewest points of a track that is judged, as in training.
    least: Annotated[int, Ge(2)] = 3
    #: Longest track that is judged, in seconds: pictures show one window, and of what lasts longer neither
    #: beginning nor end.
    longest: Annotated[float, Gt(0)] = 2.1
    #: Keep the pictures in the catalog (16 kB for each detection), to look at or to learn from.
    keep_pictures: bool = False

    @property
    def file(self) -> Path:
        """Where the network is."""
        named = self.weights in get_args(Shipped)
        return _FOLDER / f"{self.weights}.safetensors" if named else Path(self.weights)

    def operating_curve(self, label: str) -> OperatingCurve | None:
        """Give what a threshold on the probability of a label costs, where the network's file says it."""
        from astrodetect.plugins.models.header import read_info

        return stored_curve(read_info(self.file), label, str(self.weights))

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the network.

        Raises
        ------
        AstrodetectError
            It cannot be read, or is another one.
        """
        from astrodetect.methods.verifying import load_network

        load_network(self.file)

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections with their final labels."""
        from astrodetect.methods.features import USUAL_RATE, View
        from astrodetect.methods.verifying import load_network, samples

        rate = stream.frame_rate if stream.frame_rate > 0 else USUAL_RATE
        rows = []
        for row in range(len(detections)):
            frame = detections.track(row).get("frame", ())
            if len(frame) >= self.least and (frame[-1] - frame[0]) / rate <= self.longest:
                rows.append(row)
        if not rows or detections.cutouts is None:
            return detections if self.keep_pictures else replace(detections, cutouts=None)
        last = stream.n_frames - 1 if stream.n_frames > 0 else int(np.max(detections.tracks["frame"]))
        network = load_network(self.file)
        chances = network.chances(samples(detections, rows, View(stream.frame_rate, stream.shape, last)))
        labels = np.array(detections["label"], dtype=object)
        probability = np.array(detections["probability"], dtype=np.float64)
        best = chances.argmax(axis=1)
        labels[rows] = np.array(network.labels, dtype=object)[best]
        probability[rows] = chances[np.arange(len(rows)), best]
        judged = detections.with_columns(label=labels, probability=probability)
        return judged if self.keep_pictures else replace(judged, cutouts=None)
