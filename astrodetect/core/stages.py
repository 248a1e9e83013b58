"""The interfaces of the stages: one abstract class and one verb each.

A plugin is a dataclass that implements one of them. Its fields are its settings, in the constructor
as in the TOML table of the pipeline file: the types are checked, bounds are given by
``Annotated[float, Ge(0)]`` (package annotated-types), choices by ``Literal``, and a comment that
starts with ``#:`` above a field is its documentation. A field of type `pathlib.Path` is relative to
the pipeline file.

``__init__`` does no I/O; `Stage.open` loads what is needed for one recording, `Stage.close` frees
it. Stages keep no state between windows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.calibration import Calibration
from astrodetect.core.columns import Column
from astrodetect.core.data import Array, Frame, Recording, Stream, Window, as_reference
from astrodetect.core.detections import Detections
from astrodetect.core.maps import Patches, ScoreMap, Selection
from astrodetect.core.operating import OperatingCurve


class Stage:
    """What all stages share.

    Attributes
    ----------
    needs : tuple of str
        Planes that must be there when the stage is called.
    gives : tuple of str
        Planes that it adds or replaces.
    columns : tuple of Column
        Columns that it adds to the detections.
    lazy : bool
        A preprocessor that takes and gives lazy planes: an image larger than memory may pass.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[Column, ...]] = ()
    lazy: ClassVar[bool] = False

    @classmethod
    def unavailable(cls) -> str:
        """Say what this computer lacks to run such a stage at all: a card, a library. Given: nothing.

        Asked for when a pipeline is checked, before anything is read.
        """
        return ""

    def want(self, planes: frozenset[str]) -> None:
        """Learn which planes later stages need; called once, before any recording is opened."""

    def open(self, stream: Any, device: str = "cpu") -> Any:
        """Prepare for one recording.

        Parameters
        ----------
        stream : Stream
            What is known of the recording.
        device : str
            ``"cpu"`` or a CUDA device.
        """

    def close(self) -> None:
        """Free what `open` took."""

    def operating_curve(self, label: str) -> OperatingCurve | None:
        """Give what a threshold on the probability of a label costs, if it was measured and is stored.

        Asked of the stage that gives labels, when a pipeline with ``recall`` or ``false_per_night`` in
        ``[accept]`` is checked; a small file may be read. Given: None.

        Raises
        ------
        AstrodetectError
            The file that it is stored in cannot be read.
        """
        del label
        return None

    def references(self, recording: Recording) -> Iterable[Recording]:
        """Give the other recordings and files on which the result for this one depends.

        They enter its fingerprint: when one of them changes, comes or goes, it is done again. The
        answer depends on the archive alone. Given: the files that the settings name.
        """
        settings: tuple[Field[Any], ...] = fields(self) if is_dataclass(self) else ()
        named = [getattr(self, setting.name) for setting in settings if setting.init]
        files = [path for path in named if isinstance(path, Path) and path.is_file()]
        own = recording.file_paths if files else ()  # making a thousand paths takes a while
        return [as_reference(path) for path in files if path not in own]

    def report(self, message: str) -> None:
        """Tell the user something about this recording; ends up in ``/recordings`` and the summary."""
        self.__dict__.setdefault("_reports", []).append(message)

    def take_reports(self) -> list[str]:
        """Give and forget what was reported."""
        reports: list[str] = self.__dict__.pop("_reports", [])
        return reports


class FrameSource(Stage, ABC):
    """Reads recordings of one kind.

    Attributes
    ----------
    priority : int
        Sources with a higher one are asked first; what they claim is not offered again.
    suffixes : tuple of str
        Endings of file names (lower case, with the dot) for the `find` that is given here.
    recording, stream
        What is open; set after `open` by whoever called it (`astrodetect.core.windows.opened`).
    reader_seconds : float
        Time that a reader thread worked for what is open, added up by who runs it.
    in_tiles : bool
        The pipeline looks at tiles only: an image of any size may be opened, if `still` gives it. Set
        before `open`, by whoever calls it.
    """

    priority: ClassVar[int] = 0
    suffixes: ClassVar[tuple[str, ...]] = ()
    recording: Recording
    stream: Stream
    reader_seconds = 0.0
    in_tiles = False

    @classmethod
    def find(cls, root: Path) -> Iterator[Recording]:
        """Find the recordings under a folder, or the one that a file is.

        By names and at most headers, streaming. Given: one recording per file that ends in one of
        `suffixes`.

        Parameters
        ----------
        root : Path
            Folder or file.
        """
        from astrodetect.core.discovery import find_files

        return find_files(cls, root)

    @classmethod
    def claims(cls, root: Path) -> Iterator[Path]:
        """Give files under `root` that belong to this source though they are no recordings.

        They are not offered to sources of lower priority. Given: none.

        Parameters
        ----------
        root : Path
            Folder or file.
        """
        del root
        return iter(())

    @abstractmethod
    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Open a recording.

        Raises
        ------
        SourceError
            It cannot be read.
        """

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Give the frames in order of time.

        ``Frame.data`` is valid until the next frame is asked for.

        Raises
        ------
        TruncatedError
            After the last good frame, if more was promised.
        """

    def frames_into(self, slots: Iterator[Array]) -> Iterator[Frame]:
        """Give the frames, each written into the next of `slots`.

        Given: a copy of what `frames` gives. A fast source overrides it and decodes straight into
        the slot. A frame of another shape than the stream's is left out and reported.

        Parameters
        ----------
        slots : iterator of (H, W) arrays
            Where to write, of the stream's type.
        """
        dropped = 0
        for frame in self.frames():
            if frame.data.shape != self.stream.shape:
                dropped += 1
                continue
            slot = next(slots)
            np.copyto(slot, frame.data, casting="same_kind")
            yield Frame(slot, frame.index, frame.time)
        if dropped:
            self.report(f"{dropped} frames of another shape than {self.stream.shape} were left out")

    def windows(self, size: int, step: int) -> Iterator[Window]:
        """Give windows of `size` frames, `step` apart; the last one ends at the last frame.

        Given: a ring over `frames_into`, filled by a reader thread. Sources that arrive reduced
        override it.
        """
        from astrodetect.core.windows import ring_windows

        return ring_windows(self, size, step)

    def still(self) -> Window | None:
        """Give the one image of what is open as a window that reads only what is looked at.

        Its plane ``max`` is a `astrodetect.core.lazy.LazyPlane`, and it has no frames. Given: None, for
        recordings that are no single image, or can only be read whole.
        """
        return None

    def camera_detections(self) -> Detections | None:
        """Give what the camera's own software had found, or None. The recording is open."""
        return None


class Preprocessor(Stage, ABC):
    """Makes planes from a window."""

    @abstractmethod
    def process(self, window: Window) -> Window:
        """Give the window with planes added or replaced, or with a mask.

        The next window is processed while the detector still reads this one: planes that were given are not
        written into again.
        """


class RegionScorer(Stage, ABC):
    """Says how interesting each region is."""

    @abstractmethod
    def score(self, window: Window) -> ScoreMap:
        """Give a coarse map of scores."""


class PatchSelector(Stage, ABC):
    """Chooses the regions to look at."""

    @abstractmethod
    def select(self, scores: ScoreMap) -> Selection:
        """Choose at most K cells; none is a legal answer."""


class PatchExtractor(Stage, ABC):
    """Cuts patches out of full-resolution planes."""

    #: Height and width of a patch, in pixels; a number means a square. A field of every extractor.
    size: int | tuple[int, int]

    @abstractmethod
    def extract(self, images: Array, corners_yx: NDArray[np.int64], size: tuple[int, int]) -> Array:
        """Cut patches.

        Parameters
        ----------
        images : (B, C, H, W) array
            Any type.
        corners_yx : (B, K, 2) int array
            First pixel of each patch; may lie outside.
        size : (int, int)
            Height and width of the patches.

        Returns
        -------
        (B, K, C, h, w) array of the same type
        """


class Classifier(Stage, ABC):
    """Decides what patches show."""

    @abstractmethod
    def classify(self, patches: Patches, window: Window) -> Detections:
        """Give the detections in the patches, in pixels of the frame."""


class Detector(Stage, ABC):
    """Finds and classifies in one."""

    @abstractmethod
    def detect(self, window: Window) -> Detections:
        """Give the detections in a window, in pixels of the frame."""

    def detect_batch(self, windows: Sequence[Window]) -> list[Detections]:
        """Give the detections of several windows; given: one after the other."""
        return [self.detect(window) for window in windows]


class Postprocessor(Stage, ABC):
    """Looks at all detections of one recording."""

    @abstractmethod
    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections that remain, in the order of frames."""


class CalibrationSource(Stage, ABC):
    """Finds and reads calibrations of one form.

    Attributes
    ----------
    priority : int
        Those with a higher one are asked first for what lies beside a recording.
    model : Calibration class or None
        What `load` gives, if files that `astrodetect.core.calibration.write_json` wrote are to be read
        by the plugin's name.
    """

    priority: ClassVar[int] = 0
    model: ClassVar[type[Calibration] | None] = None

    def find(self, recording: Recording) -> Path | None:
        """Find the calibration that lies beside a recording, by names alone. Given: none.

        Parameters
        ----------
        recording : Recording
            What is to be calibrated; `astrodetect.core.calibrating.beside` looks through its folders.
        """
        del recording
        return None

    def recognizes(self, path: Path) -> bool:
        """Say whether a file, by its name and its first bytes, is of this form. Given: no."""
        del path
        return False

    @abstractmethod
    def load(
        self, path: Path, recording: Recording | None = None, stream: Stream | None = None
    ) -> Calibration | None:
        """Read a calibration; None if there is none in the file after all, which is no fault.

        Parameters
        ----------
        path : Path
            The file.
        recording, stream : optional
            What is to be calibrated: some files hold one calibration for each of many recordings, and
            some know neither site nor size.

        Raises
        ------
        AstrodetectError
            It cannot be read, or is none: file, what is wrong, what was expected.
        """


#: Kind of stage by the word that the command line uses.
KINDS: Mapping[str, type[Stage]] = {
    "source": FrameSource,
    "preprocessor": Preprocessor,
    "scorer": RegionScorer,
    "selector": PatchSelector,
    "extractor": PatchExtractor,
    "classifier": Classifier,
    "detector": Detector,
    "postprocessor": Postprocessor,
    "calibration": CalibrationSource,
}


def kind_of(stage: type[Any]) -> str | None:
    """Give the kind of a stage class, or None if it is none."""
    return next(
        (kind for kind, base in KINDS.items() if isinstance(stage, type) and issubclass(stage, base)), None
    )
