"""What ``astrodetect simulate --inject`` does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import registry
from astrodetect.core.calibrating import load_calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened
from astrodetect.evaluation.truth import IGNORED, TruthObject, read_truth
from astrodetect.simulation.command import MARK, SETTINGS_FILE, counted, prepare_folder, progress_bar
from astrodetect.simulation.injection import writing
from astrodetect.simulation.injection.ff import inject_planes
from astrodetect.simulation.injection.frames import add_light, light_of
from astrodetect.simulation.injection.measure import Surroundings, measure_frames, surroundings
from astrodetect.simulation.injection.plan import Injected, Range, Wishes, plan_meteors
from astrodetect.simulation.night import write_truth
from astrodetect.simulation.truth import TRACK_COLUMNS, TRUTH_COLUMNS, TruthRow, write_csv

#: Columns of ``recordings.csv``.
RECORDING_COLUMNS = ("path", "original", "meteors", "level", "noise", "fwhm", "stars", "gain")
#: Sources whose recordings can be written again.
_SEQUENCES, _VIDEO, _FF = ("fits", "freeture"), "video", "rms-ff"


@dataclass(frozen=True)
class _Work:
    """What is the same for all recordings of a call."""

    out: Path
    wishes: Wishes
    copies: int
    seed: int
    fwhm: float | None
    mask: NDArray[np.bool_] | None
    known: Sequence[TruthObject]


def run(
    out: Path,
    *,
    inject: Path,
    meteors: int = 1,
    copies: int = 1,
    snr: Range = (3.0, 50.0),
    magnitude: Range | None = None,
    speed: Range = (1.0, 30.0),
    duration: Range = (0.1, 1.5),
    direction: Range = (0.0, 360.0),
    zero_point: float | None = None,
    calibration: Path | None = None,
    fwhm: float | None = None,
    mask: Path | None = None,
    known: Path | None = None,
    seed: int = 0,
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Put meteors into real recordings as the command line asks; see the command's help for the options.

    Raises
    ------
    AstrodetectError
        A value is wrong, nothing is found, or no recording can be used.
    """
    if seed < 0 or copies < 1:
        raise AstrodetectError(f"seed is {seed} and copies {copies}; a seed from 0 and a copy are needed")
    wishes = Wishes(meteors, snr, magnitude, speed, duration, direction, _zero_point(zero_point, calibration))
    work = _Work(
        out, wishes, copies, seed, fwhm, None if mask is None else _read_mask(mask),
        [] if known is None else read_truth(known),
    )  # fmt: skip
    recordings = _find(inject, out)
    prepare_folder(out, force=force)
    out.mkdir(parents=True, exist_ok=True)
    head = f"{MARK}\ninject = {inject}\ncopies = {copies}\nseed = {seed}\n{wishes.describe()}\n"
    (out / SETTINGS_FILE).write_text(head, encoding="utf-8")
    heads = {"truth.csv": TRUTH_COLUMNS, "tracks.csv": TRACK_COLUMNS, "recordings.csv": RECORDING_COLUMNS}
    for name, columns in heads.items():
        write_csv(out / name, columns, [], append=False)
    done = 0
    with progress_bar(len(recordings) * copies, quiet) as bar:
        for number, recording in enumerate(recordings):
            done += _inject(work, number, recording, bar)
    if not done:
        raise AstrodetectError(f"{inject}: none of {counted(len(recordings), 'recording')} can be used")
    if not quiet:
        sys.stdout.write(
            f"{out}: {counted(done, 'recording')} with {counted(done * meteors, 'meteor')}; "
            f"truth in {out / 'truth.csv'}\n"
        )


def _zero_point(given: float | None, calibration: Path | None) -> float:
    if given is not None or calibration is None:
        return float("nan") if given is None else given
    photometry = load_calibration(calibration).photometry
    if photometry is None:
        raise AstrodetectError(f"{calibration}: holds no photometry; give --zero-point")
    return photometry.zero_point


def _read_mask(path: Path) -> NDArray[np.bool_]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(np.asarray(picture.convert("L")) == 0)
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AstrodetectError(f"{path}: cannot be read as a mask: {reason}") from None


def _find(inject: Path, out: Path) -> list[Recording]:
    if not inject.exists():
        raise AstrodetectError(f"{inject}: there is no such file or folder")
    if inject.resolve() in (out.resolve(), *out.resolve().parents):
        raise AstrodetectError(f"{out}: lies in {inject}; give a folder outside of the recordings")
    sources, failures = registry.load_sources()
    for failure in failures:
        _warn(failure)
    recordings = sorted(discover([inject], sources))
    if not recordings:
        raise AstrodetectError(f"{inject}: no recording found")
    return recordings


def _warn(line: str) -> None:
    sys.stderr.write(f"warning: {line}\n")


def _inject(work: _Work, number: int, recording: Recording, bar: Any) -> int:
    """Write all copies of a recording; gives how many were written."""
    try:
        source = registry.make_source(recording.source)
        around: Surroundings | None = None
        for copy in range(work.copies):
            folder = work.out / f"copy-{copy + 1:03d}" if work.copies > 1 else work.out
            rng = np.random.default_rng([work.seed, 21, number, copy])
            if around is None:
                with opened(source, recording) as found:
                    stream = _completed(source, found, work.mask)
                    around = _measure(source, stream, work.fwhm)
            with opened(source, recording) as again:
                made = plan_meteors(rng, work.wishes, replace(stream, header=again.header), around)
                _write(source, stream, made, around, folder, rng)
            writing.copy_beside(recording, (folder / recording.files[0]).parent)
            _tell(work, recording, made, around, folder)
            bar.update()
    except AstrodetectError as error:
        told = str(error).removeprefix(f"{recording.path}: ")
        _warn(f"{recording.path}: left out: {told}")
        return 0
    return work.copies


def _completed(source: FrameSource, stream: Stream, mask: NDArray[np.bool_] | None) -> Stream:
    """Give the stream with its number of frames, and the mask that was given."""
    if source.recording.source not in (*_SEQUENCES, _VIDEO, _FF):
        raise AstrodetectError(
            f"is read by {source.recording.source}; expected {', '.join(_SEQUENCES)}, video, rms-ff"
        )
    if mask is not None:
        if mask.shape != stream.shape:
            raise AstrodetectError(f"the mask has shape {mask.shape}, frames have {stream.shape}")
        stream = replace(stream, mask=mask if stream.mask is None else mask | stream.mask)
    if source.recording.source == _FF:
        return stream
    return replace(stream, n_frames=sum(1 for _ in source.frames()))


def _measure(source: FrameSource, stream: Stream, fwhm: float | None) -> Surroundings:
    if source.recording.source != _FF:
        with opened(source, source.recording):
            return measure_frames(source, stream, fwhm)
    planes = next(source.windows(stream.n_frames, stream.n_frames)).planes
    return surroundings(planes["mean"], np.square(planes["std"].astype(np.float32)), stream, fwhm)


def _write(
    source: FrameSource,
    stream: Stream,
    made: Injected,
    around: Surroundings,
    folder: Path,
    rng: np.random.Generator,
) -> None:
    recording = source.recording
    target = folder / recording.path
    if recording.source == _FF:
        given = next(source.windows(stream.n_frames, stream.n_frames)).planes
        names = {"MAXPIXEL": "max", "MAXFRAME": "argmax", "AVEPIXEL": "mean", "STDPIXEL": "std"}
        planes = {name: np.asarray(given[plane]) for name, plane in names.items()}
        changed = inject_planes(planes, made.sources, stream.n_frames, around, rng)
        writing.write_ff_planes(recording.file_paths[0], changed, target)
        return
    frames = _frames(source, made, around, rng)
    if recording.source == _VIDEO:
        writing.write_video(frames, made.frame_rate, target)
    else:
        writing.write_fits_frames(recording, frames, folder)


def _frames(
    source: FrameSource, made: Injected, around: Surroundings, rng: np.random.Generator
) -> Iterator[NDArray[Any]]:
    for frame in source.frames():
        light = light_of(made.sources, frame.index, frame.data.shape)
        yield frame.data if light is None else add_light(frame.data, light, around, rng)


def _tell(work: _Work, recording: Recording, made: Injected, around: Surroundings, folder: Path) -> None:
    """Add truth and measurements to the files of the simulation."""
    path = (folder / recording.path).relative_to(work.out).as_posix()
    write_truth(made, work.out, path)
    name = recording.path.rsplit("/", 1)[-1]
    real = [item for item in work.known if item.path.rsplit("/", 1)[-1] == name]
    rows = [
        TruthRow(
            item.object or f"real-{number + 1}", IGNORED, int(item.frame_first), int(item.frame_last),
            *item.ends, item.time_first, item.peak_snr, item.peak_magnitude, item.speed,
        )
        for number, item in enumerate(real)
        if np.isfinite(item.frame_first + item.frame_last)
    ]  # fmt: skip
    write_csv(work.out / "truth.csv", TRUTH_COLUMNS, [(path, *row) for row in rows], append=True)
    measured = (
        path, str(recording.file_paths[0].parent if len(recording.files) > 1 else recording.file_paths[0]),
        len(made.sources), float(np.median(around.level)), float(np.sqrt(np.median(around.variance))),
        around.fwhm, around.n_stars, around.gain,
    )  # fmt: skip
    write_csv(work.out / "recordings.csv", RECORDING_COLUMNS, [measured], append=True)
