"""A frame source: recordings kept as NumPy stacks, one ``.npy`` file each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt

from astrodetect import Frame, FrameSource, Recording, Stream
from astrodetect.core.errors import SourceError


@dataclass
class Example(FrameSource):
    """Read stacks of frames (T, H, W) from ``.npy`` files."""

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)

    #: Frames per second. The files do not say; speeds in pixels per second depend on it.
    frame_rate: Annotated[float, Gt(0)] = 25.0

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Map the file into memory; frames are read as they are asked for."""
        path = recording.file_paths[0]
        try:
            self.stack = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(f"{recording.path}: expected a .npy file: {error}") from error
        if self.stack.ndim != 3 or self.stack.dtype.kind not in "uif":
            found = f"{self.stack.dtype} of shape {self.stack.shape}"
            raise SourceError(f"{recording.path}: expected numbers of shape (T, H, W), found {found}")
        _, height, width = self.stack.shape
        return Stream((height, width), self.stack.dtype, len(self.stack), self.frame_rate)

    def frames(self) -> Iterator[Frame]:
        """Give the frames with seconds from the first one."""
        for index, data in enumerate(self.stack):
            yield Frame(data, index, index / self.frame_rate)

    def close(self) -> None:
        """Let go of the file."""
        self.__dict__.pop("stack", None)
