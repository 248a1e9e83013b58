"""What flows through a pipeline: recordings, streams, frames and windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Any NumPy array. Learned and GPU stages may put torch tensors in the same places.
Array = NDArray[Any]


@dataclass(frozen=True, order=True)
class Recording:
    """One recording: the files of it, and who reads it. Cheap, picklable, sortable.

    Attributes
    ----------
    path : str
        Path relative to `root`, with forward slashes: a file, or the folder of a sequence.
    root : str
        Absolute path of the input under which it was found.
    files : tuple of str
        Its files relative to `root`, in the order in which they are read.
    source : str
        Entry-point name of the frame source.
    fingerprint : str
        Hexadecimal digest of the content (`fingerprint_files`); where the result depends on other
        recordings, followed by ``-`` and a digest of these.
    """

    path: str
    root: str = ""
    files: tuple[str, ...] = ()
    source: str = ""
    fingerprint: str = ""

    @property
    def location(self) -> Path:
        """Absolute path of the recording."""
        return Path(self.root) / self.path

    @property
    def file_paths(self) -> tuple[Path, ...]:
        """Absolute paths of the files."""
        root = Path(self.root)
        return tuple(root / name for name in self.files)

    @property
    def recording_id(self) -> int:
        """Non-negative 63-bit id from relative path and fingerprint."""
        return stable_id(self.path, self.fingerprint)


class Site(NamedTuple):
    """Where a camera stands: degrees north, degrees east, metres."""

    latitude: float
    longitude: float
    elevation: float


@dataclass(frozen=True)
class Stream:
    """What is known of an opened recording before its frames are read.

    Attributes
    ----------
    shape : (int, int)
        Height and width of a frame.
    dtype : numpy.dtype
        Native pixel type.
    n_frames : int
        Number of frames as the files state it; -1 if they do not.
    frame_rate : float
        Frames per second; NaN if unknown.
    start : float
        UTC Unix seconds of the first frame; NaN if unknown.
    exposure : float
        Seconds per frame; NaN if unknown.
    saturation : float
        Pixel value (ADU) from which a pixel is saturated; NaN if unknown.
    frame_time : {"start", "middle", "end"}
        What of the exposure the times of the frames are as the source gives them. Whoever reads the
        stream turns them into the start.
    camera : str
        Station or camera code, or an empty string.
    site : Site or None
        Where the camera stands.
    mask : (H, W) bool array or None
        True where pixels are to be ignored.
    header : mapping
        What else the files say.
    warnings : tuple of str
        What is wrong with the recording, one line each.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    n_frames: int = -1
    frame_rate: float = float("nan")
    start: float = float("nan")
    exposure: float = float("nan")
    saturation: float = float("nan")
    camera: str = ""
    site: Site | None = None
    mask: NDArray[np.bool_] | None = None
    header: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()
    frame_time: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: ``data`` (H, W) in native type, valid until the next frame is asked for.

    ``index`` counts from 0 in the recording; ``time`` is the start of the exposure in UTC Unix
    seconds, or seconds from the first frame where there is no absolute time.
    """

    data: Array
    index: int
    time: float

    def _repr_html_(self) -> str:
        from astrodetect.core.showing import figure

        height, width = self.data.shape
        return figure(
            self.data, f"frame {self.index}, {width}x{height} {self.data.dtype}, time {self.time:.3f}"
        )


@dataclass(frozen=True)
class Window:
    """T consecutive frames of a recording, and the planes made from them.

    Attributes
    ----------
    recording : Recording
        Where it comes from.
    stream : Stream
        What is known of the recording.
    start : int
        Index of the first frame.
    times : (T,) float64 array
        Start of exposure of each frame (s).
    frames : (T, H, W) array or None
        The frames in order, native type: a view into a ring, valid during the call and not to be
        written to. None for recordings that arrive reduced.
    planes : mapping of str to (H, W) array
        ``max``, ``background``, ``image`` (float32) after reduction; ``argmax``, ``median``,
        ``mean``, ``std`` where a stage needs them. ``argmax`` counts from `start`. Those of a still
        may be lazy (`astrodetect.core.lazy.LazyPlane`), and its mask too: only ``[y0:y1, x0:x1]`` is
        read.
    mask : (H, W) bool array or None
        True where pixels are to be ignored.
    """

    recording: Recording
    stream: Stream
    start: int
    times: NDArray[np.float64]
    frames: Array | None = None
    planes: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    mask: NDArray[np.bool_] | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return len(self.times)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.stream.shape

    def _repr_html_(self) -> str:
        from astrodetect.core.showing import figure

        last = self.start + self.n_frames - 1
        said = f"{self.recording.path or 'window'}, frames {self.start} to {last}"
        named = {name: self.planes[name] for name in ("image", "max") if name in self.planes}
        if not named and self.frames is not None:
            named = {"max": self.frames.max(axis=0)}
        return "".join(figure(plane, f"{said}: {name}") for name, plane in named.items()) or f"<p>{said}</p>"

    def with_planes(self, **planes: Array) -> Window:
        """Give the same window with planes added or replaced."""
        return replace(self, planes=MappingProxyType({**self.planes, **planes}))

    def with_mask(self, mask: NDArray[np.bool_] | None) -> Window:
        """Give the same window with `mask` joined to its own."""
        if mask is None:
            return self
        if mask.shape != self.shape:
            raise ValueError(f"mask is {mask.shape}, frames are {self.shape}")
        from astrodetect.core.lazy import joined_masks

        return replace(self, mask=mask if self.mask is None else joined_masks(self.mask, mask))

    def rng(self, seed: int = 0) -> np.random.Generator:
        """Give the random generator of this window, the same in every run.

        Parameters
        ----------
        seed : int
            The stage's setting.
        """
        return np.random.default_rng([seed, self.recording.recording_id, self.start])


def stable_id(*parts: object) -> int:
    """Give a non-negative 63-bit integer from the text of `parts`.

    Examples
    --------
    >>> stable_id("a.avi", "00ff") == stable_id("a.avi", "00ff")
    True
    >>> stable_id("a.avi", "00ff") == stable_id("a.avi00", "ff")
    False
    """
    digest = hashlib.blake2b(_bytes_of("\0".join(map(str, parts))), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _bytes_of(text: str) -> bytes:
    """Encode a path or other text; names of files need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


#: Bytes read at each of so many places of a sampled file, evenly spaced. Head and tail alone are not
#: enough: raw video begins with a header and ends with an index that hold sizes only.
_SAMPLE_BYTES, _SAMPLE_PLACES = 4096, 4
#: Files of a sequence whose bytes are sampled; of the others name and size count.
_SAMPLED_FILES = 8


def fingerprint_files(root: Path | str, files: tuple[str, ...]) -> str:
    """Give a digest of a recording's content that is cheap to take.

    Names and sizes of all files, and head, tail and two places between of up to eight of them, evenly
    spaced: a recording keeps its fingerprint when the archive is copied elsewhere.

    Parameters
    ----------
    root : path
        Folder that `files` are relative to.
    files : tuple of str
        Relative paths.

    Returns
    -------
    str
        32 hexadecimal digits. Files that cannot be read count by name only.
    """
    digest = hashlib.blake2b(digest_size=16)
    sampled = {round(i * (len(files) - 1) / max(1, _SAMPLED_FILES - 1)) for i in range(_SAMPLED_FILES)}
    for number, name in enumerate(files):
        path = Path(root) / name
        digest.update(_bytes_of(Path(name).name) + b"\0")
        try:
            size = path.stat().st_size
            digest.update(f"{size}\0".encode())
            if number in sampled:
                last = max(0, size - _SAMPLE_BYTES)
                places = {last * i // (_SAMPLE_PLACES - 1) for i in range(_SAMPLE_PLACES)}
                with path.open("rb", buffering=0) as stream:
                    for place in sorted(places):
                        stream.seek(place)
                        digest.update(stream.read(_SAMPLE_BYTES))
        except OSError:
            digest.update(b"unreadable\0")
    return digest.hexdigest()


def has_changed(recording: Recording) -> bool:
    """Say whether a recording's files are all there, but not as they were when it was found."""
    paths = recording.file_paths
    if not recording.fingerprint or not all(path.exists() for path in paths):
        return False
    return fingerprint_files(recording.root, recording.files) != recording.fingerprint.partition("-")[0]


def same_files(fingerprint: str, other: str) -> bool:
    """Say whether two fingerprints are of the same files, whatever else their results depend on.

    Examples
    --------
    >>> same_files("0f-32e8bf34a7d8f83c", "0f"), same_files("0f", "0e")
    (True, False)
    """
    return fingerprint.partition("-")[0] == other.partition("-")[0]


def with_references(recording: Recording, references: Iterable[Recording]) -> Recording:
    """Let the recordings on which the result for one depends enter its fingerprint.

    Examples
    --------
    >>> with_references(Recording("b", fingerprint="0f"), [Recording("a", fingerprint="01")]).fingerprint
    '0f-32e8bf34a7d8f83c'
    >>> with_references(Recording("b", fingerprint="0f"), []).fingerprint
    '0f'
    """
    parts = [part for other in references for part in (other.path, other.fingerprint.partition("-")[0])]
    own = recording.fingerprint.partition("-")[0]
    return replace(recording, fingerprint=f"{own}-{stable_id(*parts):016x}" if parts else own)


def as_reference(path: Path) -> Recording:
    """Give a file that a pipeline names as something on which results depend: its name and whole content."""
    try:
        status = path.stat()
        return Recording(path.name, fingerprint=_content(path, status.st_mtime_ns, status.st_size))
    except OSError:
        return Recording(path.name, fingerprint="unreadable")


@lru_cache(maxsize=256)
def _content(path: Path, _changed: int, _size: int) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
