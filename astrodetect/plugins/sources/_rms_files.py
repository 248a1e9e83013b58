"""Files of an RMS or CAMS night folder: FF (reduced frames), FT (frame times), mask, site."""

from __future__ import annotations

import io
import json
import re
import struct
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import limits
from astrodetect.core.data import Site
from astrodetect.core.errors import SourceError

_PLANES = ("MAXPIXEL", "MAXFRAME", "AVEPIXEL", "STDPIXEL")

Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class FF:
    """One FF file: some ten seconds of video, reduced to four images.

    Attributes
    ----------
    max, argmax, mean, std : (H, W) uint8 array
        Maximum over the frames, the frame in which it fell, and mean and standard deviation without
        the four highest values; row 0 at the top.
    n_frames : int
        Number of frames.
    frame_rate : float
        Frames per second; NaN if the file does not say.
    camera : str
        Camera number or code in the header.
    date_obs : float
        ``DATE-OBS`` in UTC Unix seconds; NaN in most files.
    header : dict
        Header as read.
    """

    max: Plane
    argmax: Plane
    mean: Plane
    std: Plane
    n_frames: int
    frame_rate: float
    camera: str = ""
    date_obs: float = float("nan")
    header: dict[str, Any] = field(default_factory=dict)


def read_ff(path: Path) -> FF:
    """Read an FF file, FITS or binary.

    Parameters
    ----------
    path : Path
        ``FF_*.fits``, ``FF_*.fits.gz``, ``FF*.bin`` ...

    Raises
    ------
    SourceError
        It is truncated, or no FF file.
    """
    try:
        ff = _read_bin(path) if path.suffix.lower() == ".bin" else _read_fits(path)
    except SourceError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers say
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{path}: unreadable FF file ({reason})") from None
    if not 1 <= ff.n_frames <= 1 << 16:
        raise SourceError(f"{path}: states {ff.n_frames} frames; expected 1 to 65536")
    return ff


def _read_fits(path: Path) -> FF:
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*truncated.*", category=AstropyUserWarning)
        # unpacked here, within the limits; and nothing of astropy's own for packed images
        with (
            limits.open_unpacked(path) as file,
            fits.open(file, memmap=False, disable_image_compression=True) as hdus,
        ):
            primary = hdus[0].header
            absent = [name for name in _PLANES if name not in hdus]
            if absent:
                raise SourceError(
                    f"{path}: lacks {', '.join(absent)}; expected an FF file with four images, complete"
                )
            shape = hdus["MAXPIXEL"].shape
            for name in _PLANES:
                _check_plane(path, hdus[name].header, hdus[name].shape, shape)
            planes = tuple(np.ascontiguousarray(hdus[name].data, dtype=np.uint8) for name in _PLANES)
            header = {key: primary[key] for key in primary if key not in ("", "COMMENT", "HISTORY")}
    maximum, argmax, mean, std = planes
    return FF(
        max=maximum,
        argmax=argmax,
        mean=mean,
        std=std,
        n_frames=int(header.get("NFRAMES", 256)),
        frame_rate=_positive(header.get("FPS")),
        camera=str(header.get("CAMNO", "")).strip(),
        date_obs=_iso(str(header.get("DATE-OBS", ""))),
        header=header,
    )


def _check_plane(path: Path, header: Any, shape: tuple[int, ...], first: tuple[int, ...]) -> None:
    if header["BITPIX"] != 8 or len(shape) != 2 or shape != first:
        raise SourceError(
            f"{path}: {header['EXTNAME']} has shape {shape} and BITPIX {header['BITPIX']}; "
            "expected four 8-bit images of one size"
        )
    limits.current().check_frame(path, *shape)


def _read_bin(path: Path) -> FF:
    """Read the binary form: version 2 begins with -1, version 1 with the number of rows."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(36)
        if len(head) < 36:
            raise SourceError(f"{path}: {size} bytes are too few for an FF file")
        version = 2 if struct.unpack_from("<i", head)[0] == -1 else 1
        keys = _BIN_KEYS[version]
        values = struct.unpack_from(f"<{len(keys)}I", head, 4 * version - 4)
        header = dict(zip(keys, values, strict=True))
        rows, cols = header["NROWS"], header["NCOLS"]
        begin = 36 if version == 2 else 20
        limits.current().check_frame(path, rows, cols)
        if size < begin + 4 * rows * cols:
            raise SourceError(f"{path}: truncated: {size} bytes, {begin + 4 * rows * cols} expected")
        file.seek(begin)
        planes = np.fromfile(file, np.uint8, 4 * rows * cols).reshape(4, rows, cols)
    n_frames = header["NFRAMES"] if version == 2 else 1 << min(header["NBITS"], 16)
    maximum, argmax, mean, std = planes
    return FF(
        max=maximum,
        argmax=argmax,
        mean=mean,
        std=std,
        n_frames=n_frames,
        frame_rate=_positive(header.get("FPS1000", 0) / 1000),
        camera=str(header["CAMNO"]),
        header={**header, "FFBIN": version},
    )


_BIN_KEYS = {
    1: ("NROWS", "NCOLS", "NBITS", "FIRST", "CAMNO"),
    2: ("NROWS", "NCOLS", "NFRAMES", "FIRST", "CAMNO", "DECIMATE", "INTERLEAVE", "FPS1000"),
}


def _positive(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
    return number if 0 < number < 1e5 else float("nan")


def _iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return float("nan")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_ft(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read the times of single frames from an FT file.

    Returns
    -------
    frames : (N,) int64 array
    times : (N,) float64 array
        UTC Unix seconds.

    Raises
    ------
    ValueError
        It is shorter than it says.
    OSError
        It cannot be read.
    """
    data = limits.read_sidecar(path)
    count = struct.unpack_from("<I", data)[0] if len(data) >= 4 else 1
    if len(data) < 4 + 12 * count:
        raise ValueError(f"{len(data)} bytes for {count} frames")
    rows = np.frombuffer(data, np.dtype([("frame", "<u4"), ("time", "<f8")]), count, 4)
    return rows["frame"].astype(np.int64), rows["time"].astype(np.float64)


@lru_cache(maxsize=8)
def _mask(path: Path, _stamp: float) -> NDArray[np.bool_]:
    from PIL import Image

    # no other format: some of Pillow's readers start programs
    try:
        with Image.open(io.BytesIO(limits.read_sidecar(path)), formats=("BMP", "PNG", "JPEG")) as image:
            limits.current().check_frame(path, image.height, image.width)
            grey = np.asarray(image.convert("L"))
    except (Image.DecompressionBombError, SourceError, MemoryError) as error:
        raise ValueError(str(error)) from error
    mask: NDArray[np.bool_] = grey == 0
    mask.flags.writeable = False
    return mask


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read ``mask.bmp``: True where it is black, which is to be ignored.

    Raises
    ------
    OSError
        It cannot be read.
    """
    return _mask(path, path.stat().st_mtime)


def read_site(folder: Path, name: str) -> Site | None:
    """Find where the camera stands, from the files of its night folder.

    Looked for, in this order: ``platepar_cmn2010.cal``, ``platepars_all_recalibrated.json`` (the
    entry of the file, or any), ``.config``.

    Parameters
    ----------
    folder : Path
        Night folder.
    name : str
        Name of the FF file.
    """
    for platepar in ("platepar_cmn2010.cal", "platepars_all_recalibrated.json"):
        path = folder / platepar
        try:
            content = _json(path, path.stat().st_mtime)
        except (OSError, ValueError, RecursionError):
            continue
        entries = [content, content.get(name), *content.values()]
        for entry in entries:
            site = _site(entry, "lat", "lon", "elev") if isinstance(entry, dict) else None
            if site:
                return site
    return _config_site(folder / ".config")


@lru_cache(maxsize=4)
def _json(path: Path, _stamp: float) -> dict[str, Any]:
    content = json.loads(limits.read_sidecar(path))
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    return content


def _config_site(path: Path) -> Site | None:
    """Read latitude, longitude and elevation of an RMS ``.config``; comments begin with a semicolon."""
    try:
        text = limits.read_sidecar(path).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None
    found = re.findall(r"^\s*(latitude|longitude|elevation)\s*[:=]\s*([-+]?[0-9.]+)", text, re.MULTILINE)
    return _site(dict(found), "latitude", "longitude", "elevation")


def _site(values: dict[str, Any], *keys: str) -> Site | None:
    try:
        latitude, longitude, elevation = (float(values[key]) for key in keys)
    except (KeyError, TypeError, ValueError):
        return None
    plausible = abs(latitude) <= 90 and abs(longitude) <= 360
    return Site(latitude, longitude, elevation) if plausible else None
