"""Frames from FITS files: images, cubes, and sequences of one-frame files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from astrodetect.core.data import Array, Frame, Recording, Stream, Window
from astrodetect.core.discovery import make_recording, walk
from astrodetect.core.errors import SourceError
from astrodetect.core.lazy import LazyPlane
from astrodetect.core.stages import FrameSource
from astrodetect.plugins.sources._fits_ahead import AheadReader
from astrodetect.plugins.sources._fits_files import (
    SUFFIXES,
    ImageFile,
    is_fits_name,
    read_headers,
)
from astrodetect.plugins.sources._fits_planes import PlaneReader
from astrodetect.plugins.sources._fits_sections import Sections, open_sections
from astrodetect.plugins.sources._fits_sequences import NonFinite, Opened, decode, group_files, open_files

if TYPE_CHECKING:
    settings_method = classmethod
else:
    from astrodetect.plugins.sources._fits_settings import settings_method


@dataclass
class Fits(FrameSource):
    """FITS images, cubes (each plane a frame) and folders of one-frame files.

    Reads ``.fit .fits .fts``, also packed by gzip or bzip2 or compressed by tiles (``.fz``), any
    BITPIX with BZERO and BSCALE: uint16 stays uint16, scaled integers become float32. Files of one
    folder are one sequence when shape, type and camera agree and their times advance by a median
    under 2 s; frames are in order of ``DATE-OBS``. Rows are given as they are stored.

    The frames of plain files are decoded straight into the memory of the window.
    """

    #: Which HDU holds the image: its number from 0, or its EXTNAME. Absent: the first one that holds
    #: an image. Set it for files with several images, such as weight maps beside the exposure.
    hdu: int | str | None = None
    #: Whether files of one folder are the frames of one recording. "auto" decides by the advance of
    #: DATE-OBS; "always" joins all files of one shape, type and camera, by name where times are
    #: missing; "never" makes each file a recording of its own.
    sequence: Literal["auto", "always", "never"] = "auto"
    #: Frames per second of a cube, or of a sequence whose files have no times. Set it where the header
    #: states none, or a wrong one; where files have times, those tell.
    frame_rate: Annotated[float, Gt(0)] | None = None
    #: Pixel value (ADU) from which a pixel is saturated. Set it where the header does not say and the
    #: camera has fewer bits than the pixels of the file (4095 for 12 bits).
    saturation: float | None = None
    #: Threads that read the files of a sequence ahead. 0 chooses: one for plain files, which are read
    #: faster than they are worked on; several for RICE-compressed ones where numba is installed. Set it
    #: for slow disks and networks, where several files at a time come faster than one.
    threads: Annotated[int, Ge(0), Le(16)] = 0

    priority: ClassVar[int] = -10
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    _opened: Opened | None = field(default=None, init=False, repr=False, compare=False)
    _sections: Sections | None = field(default=None, init=False, repr=False, compare=False)

    @settings_method
    def find(cls, root: Path) -> Iterator[Recording]:  # noqa: N805
        """Find FITS recordings, folder by folder, by headers only.

        Asked of an instance, its settings hold; asked of the class, the defaults. Files without an
        image (tables) are no recordings; unreadable files are, and fail when opened.

        Parameters
        ----------
        root : Path
            Folder or file.
        """
        for folder, names in walk(root):
            yield from _find_in(folder, names, root, cls.hdu, cls.sequence)

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Open a recording: read the headers of all its files.

        Raises
        ------
        SourceError
            None of its files can be read; or the one image is absurd, truncated or missing.
        """
        del device
        opened = open_files(recording.file_paths, self.hdu, self.frame_rate, in_tiles=self.in_tiles)
        if self.saturation is not None:
            opened = replace(opened, stream=replace(opened.stream, saturation=self.saturation))
        if str(opened.stream.header.get("PROGRAM", "")).lower() == "freeture":
            note = "written by freeture, whose first row is the bottom one: the source freeture turns it"
            stream = replace(opened.stream, warnings=(*opened.stream.warnings, note))
            opened = replace(opened, stream=stream)
        self._opened = opened
        return opened.stream

    def close(self) -> None:
        """Forget the open recording."""
        self._opened = None
        if self._sections is not None:
            self._sections.close()
            self._sections = None

    def frames(self) -> Iterator[Frame]:
        """Give the frames in order of time; one buffer serves them all."""
        opened = self._require()
        buffer: Array = np.empty(opened.stream.shape, dtype=opened.stream.dtype)
        return self.frames_into(repeat(buffer))

    def frames_into(self, slots: Iterator[Array]) -> Iterator[Frame]:
        """Give the frames, each decoded straight into the next of `slots`.

        Raises
        ------
        TruncatedError
            After the last whole plane of a cube, if its header promises more.
        """
        opened = self._require()
        reader = AheadReader(opened.images, self.threads)
        try:
            yield from reported_frames(self, opened, slots, reader)
        finally:
            reader.close()

    def still(self) -> Window | None:
        """Give the one image, read part by part; None for sequences, cubes, and files packed as a whole.

        NaN and undefined pixels pass untouched.
        """
        opened = self._require()
        image = opened.images[0]
        if len(opened.images) > 1 or image.layout.planes > 1 or image.packed:
            return None
        self._sections = open_sections(image)
        plane = LazyPlane(image.layout.shape, image.layout.pixels.dtype, self._sections.read)
        planes: Any = MappingProxyType({"max": plane})
        return Window(self.recording, self.stream, 0, opened.times[:1], planes=planes, mask=self.stream.mask)

    def _require(self) -> Opened:
        if self._opened is None:
            raise SourceError("no recording is open")
        return self._opened


def reported_frames(
    source: FrameSource, opened: Opened, slots: Iterator[Array], reader: PlaneReader
) -> Iterator[Frame]:
    """Give the frames of an opened recording and report to `source` what was wrong with them."""
    strange = NonFinite()
    failures: list[str] = []
    try:
        for frame in decode(opened, slots, reader, failures):
            strange.look(frame.data, frame.index)
            yield frame
    finally:
        if strange.message():
            source.report(strange.message())
        if failures:
            source.report(f"{len(failures)} frames could not be read and are left out: {failures[0]}")


def _holds_image(path: Path) -> bool:
    """Tell whether a file without the HDU that is asked for is more than a table, or unreadable."""
    try:
        return read_headers(path) is not None
    except SourceError:
        return True


def _find_in(
    folder: Path, names: list[str], root: Path, hdu: int | str | None, sequence: str
) -> Iterator[Recording]:
    images: list[ImageFile] = []
    broken: list[Path] = []
    for name in filter(is_fits_name, names):
        try:
            found = read_headers(folder / name, hdu)
        except SourceError:
            if hdu is None or _holds_image(folder / name):
                broken.append(folder / name)
            continue
        if found is not None:
            images.append(found[0])
    groups = list(group_files(images, sequence))
    n_sequences = sum(len(group) > 1 for group in groups)
    recordings: list[tuple[Path, list[Path]]] = [(path, [path]) for path in broken]
    for group in groups:
        paths = [image.path for image in group]
        # two sequences of one folder would share its path, so there each goes by its first file
        whole_folder = len(group) > 1 and n_sequences == 1
        recordings.append((folder if whole_folder else paths[0], paths))
    for location, paths in sorted(recordings):
        yield make_recording("fits", root, location, paths)
