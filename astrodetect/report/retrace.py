"""Go through the stages of a pipeline again, for pictures of what they saw: planes, scores, patches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.compose import ComposedDetector, cut_patches
from astrodetect.core.data import Recording, Window
from astrodetect.core.errors import AstrodetectError, SourceError
from astrodetect.core.maps import Patches, ScoreMap
from astrodetect.core.plan import Plan, tell_wants
from astrodetect.core.runner import preprocessors_of
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened
from astrodetect.pipeline import Pipeline

if TYPE_CHECKING:
    from astrodetect.explanation.explain import Explanation


@dataclass(frozen=True)
class Traced:
    """What the stages made of one window.

    Attributes
    ----------
    start, n_frames : int
        The window: its first frame in the recording, and its length.
    image : (H, W) float32 array
        What the scorer looked at.
    scores : ScoreMap
        Score of every region (NumPy).
    patches : Patches
        The regions that were selected, best first, cut from `image`.
    """

    start: int
    n_frames: int
    image: NDArray[np.float32]
    scores: ScoreMap
    patches: Patches


def composed_plan(pipeline: str) -> Plan:
    """Give the plan of a pipeline (TOML text) that scores and selects regions.

    Raises
    ------
    AstrodetectError
        It has mistakes, names plugins that are not installed, or is one whole detector.
    """
    plan = Pipeline(pipeline).plan
    if not isinstance(plan.detector, ComposedDetector):
        raise AstrodetectError(
            f"the pipeline has one whole detector ({plan.name_of(plan.detector)}): it selects no patches"
        )
    return plan


def retrace(
    plan: Plan, source: FrameSource, recording: Recording, frames: Sequence[int], device: str = "cpu"
) -> Iterator[Traced]:
    """Score and select again, in the windows that hold certain frames.

    The arguments, and what is raised, are those of `windows_again`.
    """
    detector = plan.detector
    assert isinstance(detector, ComposedDetector)  # composed_plan sees to it
    with closing(windows_again(plan, source, recording, frames, device)) as windows:
        for window in windows:
            yield _trace(detector, window)


def explain_again(
    plan: Plan, source: FrameSource, recording: Recording, row: Mapping[str, Any], device: str = "cpu"
) -> Explanation:
    """Explain the label of a detection: what its probability rests on, postprocessors included.

    Parameters
    ----------
    plan : Plan
        Of the pipeline that gave it.
    source : FrameSource
        Not opened.
    recording : Recording
        Where it is.
    row : mapping
        Its columns: label, box, frames.
    device : str
        Where stages compute.

    Raises
    ------
    SourceError
        The recording cannot be read, or has no such frame any more.
    """
    from astrodetect.explanation.explain import explain

    middle = int(max(0, row["frame_start"] + row["frame_end"]) // 2)
    box = (float(row["x_min"]), float(row["y_min"]), float(row["x_max"]), float(row["y_max"]))
    with closing(windows_again(plan, source, recording, [middle], device)) as windows:
        for window in windows:
            return explain(plan.detector, window, box, str(row["label"]), after=plan.postprocessors)
    raise SourceError(f"{recording.location}: has no frame {middle} any more")


def windows_again(
    plan: Plan, source: FrameSource, recording: Recording, frames: Sequence[int], device: str = "cpu"
) -> Generator[Window, None, None]:
    """Give windows that hold certain frames, as the detector sees them; it and what follows are open.

    Parameters
    ----------
    plan : Plan
        Of a pipeline.
    source : FrameSource
        Not opened.
    recording : Recording
        What to read.
    frames : sequence of int
        Each is shown once, in the window in whose middle it lies best; empty gives every window.
    device : str
        Where stages compute.

    Raises
    ------
    SourceError
        It cannot be read.
    """
    tell_wants(plan)
    with opened(source, recording) as stream:
        preprocessors = [stage for _, stage in preprocessors_of(plan, stream)]
        stages = [*preprocessors, plan.detector, *plan.postprocessors]
        size, step = plan.window.frames(stream.frame_rate)
        try:
            for stage in stages:
                stage.open(stream, device)
            for window in source.windows(size, step):
                if frames and not any(_best_in(frame, window, size, step) for frame in frames):
                    continue
                seen = window
                for preprocessor in preprocessors:
                    seen = preprocessor.process(seen)
                yield seen
        finally:
            for stage in stages:
                stage.close()


def _best_in(frame: int, window: Window, size: int, step: int) -> bool:
    """Tell whether no earlier window holds a frame farther from its ends; good enough for pictures."""
    if not window.start <= frame < window.start + window.n_frames:
        return False
    overlap = size - step
    return frame >= window.start + overlap // 2 or window.start == 0


def _trace(detector: ComposedDetector, window: Window) -> Traced:
    scores = detector.scorer.score(window)
    selection = detector.selector.select(scores)
    patches = cut_patches(detector.extractor, selection, window, ("image",))
    plane: Any = window.planes["image"]
    image = np.array(to_numpy(plane[...]), dtype=np.float32)  # a copy: the window is valid here only
    plain = ScoreMap(np.array(to_numpy(scores.data)), scores.stride, scores.origin_yx)
    return Traced(window.start, window.n_frames, image, plain, patches)
