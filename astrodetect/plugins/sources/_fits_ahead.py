"""Frames of many FITS files, read ahead by threads, in order; RICE-compressed ones by compiled code."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice

import numpy as np

from astrodetect.core.cores import available_cores
from astrodetect.core.data import Array
from astrodetect.core.errors import SourceError
from astrodetect.methods.compiled import INSTALLED
from astrodetect.methods.fits_headers import Header
from astrodetect.plugins.sources._fits_files import ImageFile, read_headers
from astrodetect.plugins.sources._fits_planes import PlaneReader

#: Fewer compressed frames than this are not worth loading the compiled code for.
_LEAST_FRAMES = 30
_MOST_THREADS = 4
#: Plain files that a thread reads in a row, at most, and the memory that they may take (bytes): to hand one
#: over to another thread costs as much time as to read it.
_IN_A_ROW, _BATCH_BYTES = 8, 1 << 25
_DESCRIPTOR = re.compile(r"^1?([PQ])B(\(\d+\))?$")


class CompiledReader(PlaneReader):
    """Reads planes, those compressed by RICE with compiled code.

    Parameters
    ----------
    compiled : bool
        Whether it is worth loading that code.
    flip_rows : bool
        As of `PlaneReader`.
    """

    def __init__(self, *, compiled: bool, flip_rows: bool = False) -> None:
        super().__init__(flip_rows=flip_rows)
        self._compiled = compiled

    def _stored(self, image: ImageFile) -> Iterator[Array]:
        plane = rice_plane(image) if self._compiled and _is_single(image) else None
        if plane is None:
            yield from super()._stored(image)
        else:
            yield plane


class AheadReader(CompiledReader):
    """Reads the files of a sequence ahead of who asks for them.

    Parameters
    ----------
    images : sequence of ImageFile
        All files, in the order in which their planes will be asked for.
    threads : int
        Threads that read; 0 chooses: several for compressed files where numba is installed, else one,
        as plain files are read faster than anything is computed from them.
    flip_rows : bool
        As of `PlaneReader`.
    """

    def __init__(self, images: Sequence[ImageFile], threads: int = 0, *, flip_rows: bool = False) -> None:
        single = [image for image in images if _is_single(image)]
        compiled = INSTALLED and len(single) >= _LEAST_FRAMES
        super().__init__(compiled=compiled, flip_rows=flip_rows)
        threads = threads or _chosen_threads(single, compiled)
        self._coming = iter(single)
        self._under_way: deque[tuple[_Batch, Future[list[Array | SourceError]]]] = deque()
        self._ready: deque[Array | SourceError] = deque()
        self._idle: list[_Batch] = []
        self._taken: _Batch | None = None
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1 and len(single) > 1:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="astrodetect-fits")
            # One for every thread, and the one whose frames are being taken.
            reader = partial(CompiledReader, compiled=compiled, flip_rows=flip_rows)
            self._idle = [_Batch(reader(), _in_a_row(single[0])) for _ in range(threads + 1)]

    def close(self) -> None:
        """Stop reading ahead."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._under_way.clear()

    def planes(self, image: ImageFile, slots: Iterator[Array]) -> Iterator[Array]:
        """Give the whole planes of a file, each in the next of `slots`: see `PlaneReader.planes`."""
        if self._pool is None or not _is_single(image):
            yield from super().planes(image, slots)
            return
        frame = self._next_frame(self._pool)
        if isinstance(frame, SourceError):
            raise frame
        slot = next(slots)
        np.copyto(slot, frame)
        yield slot

    def _next_frame(self, pool: ThreadPoolExecutor) -> Array | SourceError:
        if not self._ready:
            self._idle += [] if self._taken is None else [self._taken]
            while self._idle and (images := list(islice(self._coming, self._idle[-1].size))):
                batch = self._idle.pop()
                self._under_way.append((batch, pool.submit(batch.read, images)))
            batch, future = self._under_way.popleft()
            self._ready.extend(future.result())
            self._taken = batch
        return self._ready.popleft()


class _Batch:
    """Memory into which one thread reads some files in a row: handing them over one by one takes longer."""

    def __init__(self, reader: PlaneReader, size: int) -> None:
        self._reader = reader
        self._frames: Array | None = None
        self.size = size

    def read(self, images: Sequence[ImageFile]) -> list[Array | SourceError]:
        """Read one plane of each file; where that fails, say why."""
        layout = images[0].layout
        if self._frames is None:
            self._frames = np.empty((self.size, *layout.shape), layout.pixels.dtype)
        return [self._read(image, frame) for image, frame in zip(images, self._frames, strict=False)]

    def _read(self, image: ImageFile, frame: Array) -> Array | SourceError:
        try:
            (plane,) = self._reader.planes(image, iter([frame]))
        except SourceError as error:
            return error
        return plane


def _in_a_row(image: ImageFile) -> int:
    if image.layout.tiled:
        return 1
    return max(1, min(_IN_A_ROW, _BATCH_BYTES // image.layout.plane_bytes))


def _is_single(image: ImageFile) -> bool:
    return image.n_planes == 1 and image.layout.planes == 1


def _chosen_threads(images: Sequence[ImageFile], compiled: bool) -> int:
    if not compiled or not all(image.layout.tiled for image in images):
        return 1
    return min(_MOST_THREADS, available_cores())


def rice_plane(image: ImageFile) -> Array | None:
    """Decode a RICE-compressed image of integers.

    Parameters
    ----------
    image : ImageFile
        An image of one plane.

    Returns
    -------
    (H, W) array or None
        Stored values; None for everything else, and for damaged tiles, which a library may explain.
    """
    if not image.layout.tiled or image.packed or image.layout.pixels.stored.kind == "f":
        return None
    try:
        found = read_headers(image.path, image.hdu)
        table = None if found is None else _Table.of(found[1])
        if table is None or table.itemsize != image.layout.pixels.stored.itemsize:
            return None
        data = np.fromfile(image.path, np.uint8, offset=image.offset)
        return table.decode(data, image.layout.shape)
    except (OSError, ValueError, SourceError):
        return None


class _Table:
    """The cards that say where the tiles are."""

    def __init__(self, header: Header) -> None:
        self.rows, self.row_bytes = header.integer("NAXIS2", 0), header.integer("NAXIS1", 0)
        self.heap = header.integer("THEAP", self.rows * self.row_bytes)
        self.tile = header.integer("ZTILE1", header.integer("ZNAXIS1", 0)), header.integer("ZTILE2", 1)
        values = {
            str(header.get(f"ZNAME{k}", "")).strip(): header.integer(f"ZVAL{k}", 0)
            for k in range(1, 10)
            if f"ZNAME{k}" in header and isinstance(header.get(f"ZVAL{k}"), int)
        }
        self.block, self.itemsize = values.get("BLOCKSIZE", 32), values.get("BYTEPIX", 4)
        self.wide = str(header.get("TFORM1", "")).strip()[:2] in ("1Q", "QB")

    @classmethod
    def of(cls, header: Header) -> _Table | None:
        """Give the table, or None if its tiles are not whole rows of integers compressed by RICE alone."""
        first = str(header.get("TTYPE1", "")).strip(), str(header.get("TFORM1", "")).strip()
        plain = (
            str(header.get("ZCMPTYPE", "")).strip() in ("RICE_1", "RICE_ONE")
            and first[0] == "COMPRESSED_DATA"
            and _DESCRIPTOR.match(first[1]) is not None
            and header.integer("ZBITPIX", 0) in (8, 16, 32)
            and header.integer("ZNAXIS", 0) == 2
        )
        if not plain:
            return None
        table = cls(header)
        whole_rows = table.tile[0] == header.integer("ZNAXIS1", 0) and table.tile[1] > 0
        return table if whole_rows and table.itemsize in (1, 2, 4) and table.block > 0 else None

    def decode(self, data: Array, shape: tuple[int, int]) -> Array | None:
        """Decode all tiles of the data of the table."""
        from astrodetect.methods.fast_rice import decode_tiles

        if self.rows != -(-shape[0] // self.tile[1]) or len(data) < max(
            self.heap, self.rows * self.row_bytes
        ):
            return None
        words = data[: self.rows * self.row_bytes].reshape(self.rows, self.row_bytes)
        stored = np.ascontiguousarray(words[:, : 16 if self.wide else 8]).view(">i8" if self.wide else ">i4")
        lengths, starts = stored[:, 0].astype(np.int64), stored[:, 1].astype(np.int64)
        out = np.empty(shape, f"{'u' if self.itemsize == 1 else 'i'}{self.itemsize}")
        tile_pixels = self.tile[0] * self.tile[1]
        good = decode_tiles(data[self.heap :], starts, lengths, out.reshape(-1), tile_pixels, self.block)
        return out if good else None
