"""How much memory a recording may ask for: files are not trusted to tell the truth about themselves."""

from __future__ import annotations

import bz2
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from astrodetect.core.errors import SourceError

#: What a packed file may always expand to, in bytes: small files of one colour pack without bound.
ALWAYS_ALLOWED = 1 << 20
#: A text or table beside a recording (positions, site, frame times) is read up to here, in bytes.
SIDECAR_BYTES = 1 << 24
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}


@dataclass(frozen=True)
class Limits:
    """The ``[limits]`` table: what a file may ask for before it is refused.

    Examples
    --------
    >>> Limits(pixels=1000).check_frame(Path("a.fits"), 100, 100)
    Traceback (most recent call last):
    ...
    astrodetect.core.errors.SourceError: a.fits: frames of 100 x 100 pixels; expected 1 to 1000 pixels \
([limits] pixels)
    """

    #: Pixels of the largest frame that is read whole. Raise it for mosaics on a machine with the memory.
    pixels: Annotated[int, Ge(1), Le(1 << 30)] = 1 << 28
    #: How many times its size a compressed file may expand to. Raise it for synthetic images, of
    #: which large parts are of one value; those of cameras do not shrink that far.
    expansion: Annotated[float, Gt(1)] = 200.0
    #: Bytes to which a compressed file may expand. Raise it for long compressed cubes.
    unpacked_bytes: Annotated[int, Ge(1)] = 4 << 30

    def check_frame(self, path: Path | str, height: int, width: int, hint: str = "") -> None:
        """Refuse a frame of no pixels, or of too many; `hint` says what else can be done with it.

        Raises
        ------
        SourceError
            It is one.
        """
        if not (height > 0 and width > 0 and height * width <= self.pixels):
            raise SourceError(
                f"{path}: frames of {width} x {height} pixels; expected 1 to {self.pixels} pixels "
                f"([limits] pixels){hint}"
            )

    def unpacked(self, packed: int) -> int:
        """Give the bytes to which a compressed file of `packed` bytes may expand."""
        return int(min(self.unpacked_bytes, max(ALWAYS_ALLOWED, self.expansion * packed)))

    def check_unpacked(self, path: Path | str, packed: int, unpacked: int) -> None:
        """Refuse a compressed file that expands to too much.

        Raises
        ------
        SourceError
            It does.
        """
        if unpacked > self.unpacked(packed):
            raise SourceError(
                f"{path}: {packed} compressed bytes would expand to {unpacked} or more; expected at most "
                f"{self.unpacked(packed)} ([limits] expansion and unpacked_bytes)"
            )


_current = Limits()


def use(limits: Limits) -> None:
    """Set the limits of this process. A pipeline sets those of its ``[limits]`` table."""
    global _current
    _current = limits


def current() -> Limits:
    """Give the limits of this process."""
    return _current


class Unpacked(io.RawIOBase):
    """A compressed file, read as if it were not, no further than the limits allow.

    Parameters
    ----------
    stream : file object
        Gives what is unpacked.
    path : path
        For messages.
    packed : int
        Size of the compressed file in bytes.
    """

    def __init__(self, stream: Any, path: Path | str, packed: int) -> None:
        self._stream, self._path, self._packed = stream, path, packed
        self._most = current().unpacked(packed)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes: backward means from the start again."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes into memory; SourceError beyond the limit."""
        view = memoryview(buffer).cast("B")
        count: int = self._stream.readinto(view)
        current().check_unpacked(self._path, self._packed, self._stream.tell())
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; SourceError if it lies beyond the limit."""
        if whence == 2:  # from the end, which has to be found
            while self.read(1 << 20):
                pass
            offset, whence = self.tell() + offset, 0
        target = offset + (self.tell() if whence == 1 else 0)
        current().check_unpacked(self._path, self._packed, target)
        return int(self._stream.seek(target))

    def tell(self) -> int:
        """Give the place."""
        return int(self._stream.tell())

    def close(self) -> None:
        """Close it."""
        self._stream.close()
        super().close()


def open_unpacked(path: Path) -> io.BufferedReader:
    """Open a file for reading that may be packed by gzip or bzip2, within the limits."""
    raw = path.open("rb")
    opener = _OPENERS.get(raw.peek(2)[:2])
    if opener is None:
        return raw
    raw.close()
    return io.BufferedReader(Unpacked(opener(path, "rb"), path, path.stat().st_size))


def read_sidecar(path: Path) -> bytes:
    """Read a small file that lies beside a recording.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is larger than `SIDECAR_BYTES`.
    """
    with path.open("rb") as file:
        data = file.read(SIDECAR_BYTES + 1)
    if len(data) > SIDECAR_BYTES:
        raise ValueError(f"more than {SIDECAR_BYTES} bytes")
    return data
