"""``astrodetect simulate``: synthetic recordings with exact truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _parse_shape(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:  # noqa: ARG001
    height, _, width = value.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise click.BadParameter(f"{value!r} is no shape; expected HEIGHTxWIDTH, such as 480x640")
    return int(height), int(width)


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

    The other scenes are still images (FITS with WCS; 1024x1024 unless --shape is given) and take
    --recordings, --shape, --seed, --set, --force and --quiet; their truth.csv has position, flux, shape
    and box of each source.
    """
    from astrodetect.simulation.scenes import simulate_scene

    source = click.get_current_context().get_parameter_source
    default = click.core.ParameterSource.DEFAULT
    chosen = {name: value for name, value in options.items() if source(name) != default}
    simulate_scene(out, scene, chosen)
