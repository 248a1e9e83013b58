"""``astrodetect simulate``: synthetic recordings with exact truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _parse_shape(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:  # noqa: ARG001
    height, _, width = value.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise click.BadParameter(f"{value!r} is no shape; expected HEIGHTxWIDTH, such as 480x640")
    return int(height), int(width)


def _parse_range(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[float, float] | None:
    if value is None:
        return None
    low, colon, high = value.partition(":")
    try:
        return float(low), float(high if colon else low)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no range; expected LOW:HIGH, such as 3:30") from None


def _range(name: str, what: str) -> Callable[[_Command], _Command]:
    """Give an option of two numbers."""
    return click.option(f"--{name}", callback=_parse_range, metavar="LOW:HIGH", help=what)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--scene",
    type=click.Choice(["night", "station", "radio", "stars", "trails"]),
    default="night",
    show_default=True,
    help="What is simulated: recordings of meteors (station: as real ones are), or FITS images of radio "
    "sources, stars, trails.",
)
@click.option("--recordings", default=8, show_default=True, help="How many recordings.")
@click.option(
    "--format", type=click.Choice(["freeture", "avi", "fits", "ff"]), default="freeture", show_default=True,
    help="What the camera writes.",
)  # fmt: skip
@click.option(
    "--shape", default="480x640", show_default=True, callback=_parse_shape, help="HEIGHTxWIDTH in pixels."
)
@click.option("--frames", default=100, show_default=True, help="Frames in a recording (ff: at most 256).")
@click.option("--frame-rate", default=30.0, show_default=True, help="Frames per second.")
@click.option("--bits", type=click.Choice(["8", "12"]), help="Bits per pixel  [default: 12; avi and ff: 8]")
@click.option(
    "--sky",
    type=click.Choice(["mixed", "clear", "cloud", "moon", "twilight", "thin-cloud", "moon-and-cloud"]),
    default="mixed", show_default=True,
    help="The sky; mixed: half of the recordings have cloud, Moon or twilight. The last two: station only.",
)  # fmt: skip
@click.option(
    "--distractors", default=5, show_default=True, help="Aircraft, satellites, lightning ... per recording."
)
@click.option(
    "--inject", type=click.Path(path_type=Path), metavar="INTO",
    help="Put meteors into the real recordings of a file or folder INTO; the options for that follow.",
)  # fmt: skip
@click.option("--meteors", default=1, show_default=True, help="Meteors in each recording.")
@click.option("--copies", default=1, show_default=True, help="Copies of each recording, with other meteors.")
@_range("snr", "Highest signal-to-noise in one frame  [default: 3:50]")
@_range("magnitude", "Magnitude of the brightest frame, instead of --snr; needs the zero point.")
@_range("speed", "Pixels per frame  [default: 1:30]")
@_range("duration", "Seconds  [default: 0.1:1.5]")
@_range("direction", "Degrees, 0 upwards, 90 to the right  [default: 0:360]")
@click.option("--zero-point", type=float, help="Magnitude of 1 ADU per frame.")
@click.option(
    "--calibration", type=click.Path(path_type=Path),
    help="Calibration or platepar from which the zero point is taken.",
)  # fmt: skip
@click.option(
    "--fwhm",
    type=click.FloatRange(0.5, 30),
    help="Width of stars (px)  [default: measured; 2.2 if there are few]",
)
@click.option(
    "--mask", type=click.Path(path_type=Path), help="Picture; where it is black there are no meteors."
)
@click.option(
    "--known", type=click.Path(path_type=Path),
    help="Truth file with the real meteors of INTO; detections of them are neither right nor false.",
)  # fmt: skip
@click.option("--stations", default=4, show_default=True, help="Cameras of --scene station.")
@click.option(
    "--lens", type=click.Choice(["fish-eye", "fripon", "wide", "normal"]),
    help="Lens of all cameras of --scene station; each has its own if not given.",
)  # fmt: skip
@click.option(
    "--object", "objects", multiple=True, metavar="NAME",
    help="Only these distractors in --scene station, such as aircraft or bat; may be given several times.",
)  # fmt: skip
@click.option(
    "--stars", type=click.Path(path_type=Path),
    help="Star catalogue for --scene station (FITS, VOTable, ECSV, CSV); a statistical sky if not given.",
)  # fmt: skip
@click.option(
    "--set",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of --scene radio, stars or trails, such as density=140; may be given several times.",
)
@click.option(
    "--seed", default=0, show_default=True, help="The same seed gives the same night in every format."
)
@click.option("--force", is_flag=True, help="Replace an earlier simulation, or write beside what is in OUT.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def simulate(out: Path, scene: str, **options: Any) -> None:
    """Write synthetic recordings to the folder OUT, with truth.csv and tracks.csv.

    Each recording has one meteor of known path and brightness, but for an eighth of them, which have
    none. All have distractors. settings.txt says with what settings they were made. Defaults are those of
    --scene night.

    --scene station draws whole cameras from the seed, each with its lens, sensor, compression and
    surroundings, and meteors by their physics; --frame-rate and --bits are its own unless given.

    --inject takes a station's own frames (freeture events, FITS sequences, videos, RMS FF files) and
    writes them to OUT in the same form with meteors whose brightness, speed and direction are known, and
    the camera's own noise, blur and saturation; `astrodetect evaluate` then gives its completeness.

    The other scenes are still images (FITS with WCS; 1024x1024 unless --shape is given) and take
    --recordings, --shape, --seed, --set, --force and --quiet; their truth.csv has position, flux, shape
    and box of each source.
    """
    from astrodetect.simulation.scenes import simulate_scene

    source = click.get_current_context().get_parameter_source
    default = click.core.ParameterSource.DEFAULT
    chosen = {name: value for name, value in options.items() if source(name) != default}
    if "inject" in chosen:
        if source("scene") != default:
            raise click.UsageError("give either --scene or --inject")
        scene = "inject"
    simulate_scene(out, scene, chosen)
