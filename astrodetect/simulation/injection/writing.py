"""Writing changed recordings in the form in which they came."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError

Array = NDArray[Any]
#: What beside a recording tells a pipeline about the camera: copied with it.
_BESIDE = (
    "mask.bmp", "flat.bmp", ".config", "platepar_cmn2010.cal", "platepars_all_recalibrated.json",
    "calibration.json", "positions.txt",
)  # fmt: skip


def copy_beside(recording: Recording, folder: Path) -> None:
    """Copy what lies beside the files of a recording and tells of the camera."""
    for name in _BESIDE:
        place = recording.file_paths[0].parent / name
        if place.is_file() and not (folder / name).exists():
            shutil.copyfile(place, folder / name)


def write_fits_frames(recording: Recording, frames: Iterator[Array], out: Path) -> None:
    """Write a FITS sequence: every file as it was, with other pixels.

    Parameters
    ----------
    recording : Recording
        A file per frame.
    frames : iterator of (H, W) array
        In the orientation in which the source gives them.
    out : Path
        Folder for the files, at the places that they have under the recording's root.

    Raises
    ------
    AstrodetectError
        A file holds several frames, or its pixels are not those of the frame.
    """
    files = [path for path in recording.file_paths if ".fit" in path.name.lower()]
    names = [name for name in recording.files if ".fit" in name.lower()]
    count = 0
    for count, frame in enumerate(frames, start=1):
        if count > len(files):
            raise AstrodetectError(f"{recording.path}: files with several frames each; convert them first")
        _write_like(files[count - 1], frame, out / names[count - 1])
    if count != len(files):
        raise AstrodetectError(
            f"{recording.path}: {count} frames in {len(files)} files; expected one in each"
        )


def _write_like(original: Path, frame: Array, target: Path) -> None:
    """Write a FITS file with other pixels; rows are stored from the bottom if they were."""
    from astropy.io import fits

    target.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(original, memmap=False) as opened:
            image = next((hdu for hdu in opened if _holds(hdu, frame.shape)), None)
            if image is None:
                raise AstrodetectError(f"{original}: no image of {frame.shape[0]}x{frame.shape[1]} pixels")
            image.data = frame[::-1].copy() if _is_upside_down(image.data, frame) else frame
            part = target.with_name(f".part-{target.name}")
            opened.writeto(part, overwrite=True, output_verify="silentfix")
    os.replace(part, target)


def _holds(hdu: Any, shape: tuple[int, ...]) -> bool:
    flat = hdu.is_image and hdu.header.get("NAXIS", 0) >= 2
    return bool(flat and np.squeeze(hdu.data).shape == shape)


def _is_upside_down(stored: Array, frame: Array) -> bool:
    """Say whether rows are stored the other way round; the frame differs from the file in a few pixels."""
    stored = np.squeeze(stored)
    straight, turned = (np.count_nonzero(rows != frame) for rows in (stored, stored[::-1]))
    return bool(turned < straight)


def write_ff_planes(original: Path, planes: Mapping[str, Array], target: Path) -> None:
    """Write an RMS FF file as it was, with other planes.

    Raises
    ------
    AstrodetectError
        It is no FITS file.
    """
    from astropy.io import fits

    if ".fit" not in original.name.lower():
        raise AstrodetectError(f"{original}: binary FF files cannot be written; convert it to FITS first")
    target.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(original, memmap=False) as opened:
            for hdu in opened[1:]:
                if hdu.name in planes:
                    hdu.data = np.asarray(planes[hdu.name])
            part = target.with_name(f".part-{target.name}")
            opened.writeto(part, overwrite=True, output_verify="silentfix")
    os.replace(part, target)


def write_video(frames: Iterator[Array], rate: float, target: Path) -> None:
    """Write a video without loss: AVI with FFV1, MP4 and others with H.264.

    Parameters
    ----------
    frames : iterator of (H, W) uint8 array
        Luminance as stored.
    rate : float
        Frames per second.
    target : Path
        The file; its ending says the container.

    Raises
    ------
    AstrodetectError
        The frames have more than eight bits, or the ending is not that of a video.
    """
    import av

    first = next(frames)
    if first.dtype != np.uint8:
        raise AstrodetectError(f"{target.name}: {first.dtype} video cannot be written; expected 8 bits")
    target.parent.mkdir(parents=True, exist_ok=True)
    avi = target.suffix.lower() == ".avi"
    part = target.with_name(f".part-{target.name}")
    try:
        with av.open(str(part), "w") as container:
            speed = Fraction(rate).limit_denominator(1001)
            # A constant rate factor of 0 is lossless in H.264.
            options = {} if avi else {"qp": "0", "preset": "ultrafast"}
            stream: Any = container.add_stream("ffv1" if avi else "libx264", rate=speed, options=options)
            stream.height, stream.width = first.shape
            stream.pix_fmt = "gray" if avi else "yuv420p"
            container.mux(stream.encode(_packed(first, stream.pix_fmt)))
            for frame in frames:
                container.mux(stream.encode(_packed(frame, stream.pix_fmt)))
            container.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise AstrodetectError(f"{target.name}: cannot be written as a video: {error}") from error
    os.replace(part, target)


def _packed(frame: Array, pixel_format: str) -> Any:
    import av

    if pixel_format == "yuv420p":
        colour = np.full((frame.shape[0] // 2, frame.shape[1]), 128, dtype=np.uint8)
        frame = np.concatenate([frame, colour])
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=pixel_format)
