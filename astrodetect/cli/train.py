"""``astrodetect train``: train a model from labels of whole images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--fresh", is_flag=True, help="Throw away an earlier training in the folder.")
@click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ... or what torch knows."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder instead of [train] out.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    help="Cross-validate: train so many times, judge on what is held out.",
)
@click.option("--grouped", is_flag=True, help="Keep images of one group on one side of every fold.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def train(config: Path, folds: int | None, grouped: bool, resume: bool, fresh: bool, **options: Any) -> None:
    """Train the model that the TOML file CONFIG describes.

    The folder gets model.safetensors (the best epoch on the validation split), history.csv (the
    learning curve) and state.safetensors (to resume from).
    """
    from astrodetect.training import command

    if resume and fresh:
        raise click.UsageError("--resume and --fresh exclude each other")
    if folds is not None:
        click.echo(command.cross(config, folds, grouped=grouped, **options), nl=False)
        return
    folder, at = command.train(config, resume=resume, fresh=fresh, **options)
    if not options["quiet"]:
        click.echo(command.summary(folder, at), nl=False)
