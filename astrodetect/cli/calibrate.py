"""``astrodetect calibrate``: where the pixels look, and how bright things are, from stars."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from astrodetect.core.data import Site
    from astrodetect.sky.exposures import Exposure
    from astrodetect.sky.fit_run import Result
    from astrodetect.sky.models import VectorCalibration

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)


class _Numbers(click.ParamType):  # type: ignore[type-arg]  # not subscriptable in click 8.1
    """Numbers with commas between them."""

    name = "numbers"

    def __init__(self, fewest: int, names: str, bounds: tuple[tuple[float, float], ...]) -> None:
        self.fewest = fewest
        self.names = names
        self.bounds = bounds

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        try:
            given = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r}: expected {self.names}, such as 28.76,-17.89,2200", param, ctx)
        if not self.fewest <= len(given) <= len(self.bounds):
            self.fail(f"{value!r}: expected {self.names}", param, ctx)
        for number, (low, high), name in zip(given, self.bounds, self.names.split(","), strict=False):
            if not low <= number <= high:
                self.fail(f"{name.strip(' []')} = {number:g} lies outside {low:g} to {high:g}", param, ctx)
        return given


_SITE = _Numbers(2, "LAT,LON,ELEV", ((-90, 90), (-180, 360), (-500, 9000)))
_POINTING = _Numbers(3, "AZ,ALT,WIDTH[,ROLL]", ((-360, 360), (-90, 90), (1, 200), (-360, 360)))


def _parse_time(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:  # noqa: ARG001
    if value is None:
        return None
    from astrodetect.methods.fits_times import parse_utc

    time, has_clock = parse_utc(value)
    if math.isnan(time) or not has_clock:
        raise click.BadParameter(f"{value!r} is no time; expected UTC such as 2020-12-11T20:09:33")
    return time


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=_PATH)
@click.option("--stars", type=_FILE, required=True, help="Star catalogue: a table with RA, Dec, magnitude.")
@click.option(
    "--site", type=_SITE, metavar="LAT,LON,ELEV",
    help="Where the camera stands: degrees north, degrees east, metres. Not needed where the recordings say.",
)  # fmt: skip
@click.option("--out", type=_FILE, help="Calibration to write  [default: calibration.json in RECORDINGS]")
@click.option("--start", type=_FILE, help="Rough calibration to start from, in any known form.")
@click.option(
    "--pointing", type=_POINTING, metavar="AZ,ALT,WIDTH[,ROLL]",
    help="Rough direction of the middle of the frame and its width on the sky (degrees), to start from.",
)  # fmt: skip
@click.option("--time", callback=_parse_time, metavar="UTC", help="Start of the first frame of a recording.")
@click.option("--mirrored", is_flag=True, help="The images are mirrored, and stay so.")
@click.option("--faintest", default=6.5, show_default=True, help="Stars up to this magnitude.")
@click.option(
    "--exposures", type=click.IntRange(min=1), default=16, show_default=True,
    help="At most so many averaged frames, spread over the recordings.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), default=Path("calibration-report"),
    show_default=True, help="Folder for residuals: a table of all stars, and plots.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No summary; warnings are printed still.")
def calibrate(
    recordings: tuple[Path, ...],
    stars: Path,
    site: tuple[float, ...] | None,
    out: Path | None,
    report: Path,
    quiet: bool,
    faintest: float,
    **options: Any,
) -> None:
    """Fit where the pixels of a camera look, and its zero point, to the stars in RECORDINGS.

    Without --start and --pointing the camera is an all-sky one that points about to the zenith, of which
    nothing else is known. The calibration is written where `astrodetect run` finds it.
    """
    from astrodetect.core.calibration import write_json
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.sky.catalogue import read_star_catalogue
    from astrodetect.sky.fit_plots import write_report
    from astrodetect.sky.fit_run import calibrate as fit
    from astrodetect.sky.offline import stay_offline

    stay_offline()
    catalogue = read_star_catalogue(stars, faintest)
    exposures = _exposures(recordings, options["exposures"], options["time"])
    place = _site(site, exposures)
    start = _start(options["start"], options["pointing"], place, exposures[0].stream.shape)
    result = fit(
        exposures, catalogue, place, start=start, mirrored=options["mirrored"], made_from=stars.name,
        warn=_warn,
    )  # fmt: skip
    target = out or _beside(recordings[0])
    try:
        if target.is_file():
            target.replace(target.with_name(f"{target.name}~"))
        write_json(result.calibration, target)
        written = write_report(result, exposures[0].image, report)
    except OSError as error:
        raise AstrodetectError(f"{error.filename or target}: cannot be written: {error.strerror}") from error
    if len(written) == 1:
        _warn("no plots: they need matplotlib (pip install astrodetect[plot])")
    if not quiet:
        _summarise(result, target, report)


def _warn(line: str) -> None:
    click.echo(f"warning: {line}", err=True)


def _exposures(recordings: tuple[Path, ...], most: int, time: float | None) -> list[Exposure]:
    from astrodetect.core.discovery import discover
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.core.registry import load_sources
    from astrodetect.sky.exposures import choose_evenly, read_exposures

    sources, failures = load_sources()
    for failure in failures:
        _warn(failure)
    found = choose_evenly(discover(recordings, sources), most)
    if not found:
        raise AstrodetectError(f"{', '.join(map(str, recordings))}: no recording found")
    if time is not None and len(found) > 1:
        raise AstrodetectError(f"--time is that of one recording, {len(found)} were found")
    each = max(1, most // len(found))
    exposures = list(read_exposures(found, time=time, most=each, warn=_warn))
    if not exposures:
        raise AstrodetectError(f"none of {len(found)} recordings can be used")
    return exposures


def _site(given: tuple[float, ...] | None, exposures: list[Exposure]) -> Site:
    from astrodetect.core.data import Site
    from astrodetect.core.errors import AstrodetectError

    if given is not None:
        return Site(*given, *(0.0,) * (3 - len(given)))
    said = next((one.stream.site for one in exposures if one.stream.site is not None), None)
    if said is None:
        raise AstrodetectError("the recordings do not say where the camera stands; give --site LAT,LON,ELEV")
    return said


def _start(
    path: Path | None, pointing: tuple[float, ...] | None, site: Site, shape: tuple[int, int]
) -> VectorCalibration | None:
    from astrodetect.core.calibrating import load_calibration
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.sky.fit_start import pointed_lens
    from astrodetect.sky.models import VectorCalibration

    if path is not None and pointing is not None:
        raise AstrodetectError("--start and --pointing both say where to start; give one of them")
    if pointing is not None:
        azimuth, altitude, width, roll = (*pointing, 0.0)[:4]
        return pointed_lens(azimuth, altitude, width, roll, site, shape)
    if path is None:
        return None
    start = load_calibration(path)
    if not isinstance(start, VectorCalibration):
        raise AstrodetectError(f"{path}: a calibration of model {start.model!r} cannot be fitted")
    return start


def _beside(recording: Path) -> Path:
    return (recording if recording.is_dir() else recording.parent) / "calibration.json"


def _summarise(result: Result, target: Path, report: Path) -> None:
    for line in _lines(result):
        click.echo(line)
    click.echo(f"written: {target}, {report}")


def _lines(result: Result, say: Callable[[float], str] = "{:.2f}".format) -> list[str]:
    from astrodetect.sky.lens import AllSkyLens

    fit, model = result.fit, result.calibration
    lines = [
        f"{len(fit.matches)} stars matched, of {result.n_sources} sources in {len(fit.views)} exposures",
        f"residuals: rms {say(fit.rms)} px ({say(fit.rms * result.scale)} arcmin), "
        f"{say(model.residual)} px along one axis",
    ]
    if isinstance(model, AllSkyLens):
        numbers = ", ".join(f"{value:.5g}" for value in model.coefficients)
        lines += [
            f"model: {model.model}, {model.projection} ({numbers}), up to {model.field:.0f} degrees from the "
            "axis" + (", mirrored" if model.mirrored else ""),
            f"centre {model.x_centre:.2f}, {model.y_centre:.2f}; azimuth {model.rotation:.2f} is up; "
            f"axis tilted {model.tilt_north:.2f} degrees north, {model.tilt_east:.2f} east",
        ]
    else:
        lines.append(f"model: {model.model}")
    if result.photometry is not None:
        numbers_of = result.photometry.photometry
        lines.append(
            f"zero point {say(numbers_of.zero_point)} mag ({numbers_of.band}), extinction "
            f"{say(numbers_of.extinction)} mag per air mass; one star scatters by "
            f"{say(result.photometry.scatter)} mag"
        )
    return lines
