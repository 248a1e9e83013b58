"""``astrodetect dataset``: images to learn from, made from recordings and what is known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument(
    "inputs", metavar="CONFIG.toml|RECORDINGS...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--labels", multiple=True, type=click.Path(path_type=Path),
    help="What the recordings show: a CSV table (path, label and what else is known), or a reviewed catalog. "
    "Absent: the truth.csv in each folder.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder for samples and training file.")
@click.option("--cut", type=click.Choice(["crops", "frames"]), help="Small images, or whole frames.")
@click.option("--side", type=click.IntRange(min=8), help="Height and width of a crop, pixels.")
@click.option(
    "--plane", "planes", multiple=True, help="Planes of an image, in order; may be given several times."
)
@click.option("--group", type=click.Choice(["event", "station"]), help="What is never divided.")
@click.option("--fresh", is_flag=True, help="Make samples again that are there; the review stays.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def dataset(inputs: tuple[Path, ...], quiet: bool, **options: Any) -> None:
    """Make the images that a network learns from.

    Of RECORDINGS with labels, --out gets samples.h5, review.csv with sheets of pictures to go through, and
    train.toml; `astrodetect train OUT/train.toml` then trains. Of a training file with [data] use =
    "meteor-windows", what it says. `astrodetect train` makes the samples itself where they are not there.
    """
    from astrodetect.training.samples.command import make

    own = {name: options.pop(name) for name in ("labels", "out", "fresh")}
    given = {name: value for name, value in options.items() if value}
    text = make(inputs, quiet=quiet, **own, **given)
    if not quiet:
        click.echo(text, nl=False)
