"""``astrodetect train``: train a model from labels of whole images."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--fresh", is_flag=True, help="Throw away an earlier training in the folder.")
@click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ... or what torch knows."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder instead of [train] out.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def train(config: Path, resume: bool, fresh: bool, device: str, out: Path | None, quiet: bool) -> None:
    """Train the model that the TOML file CONFIG describes.

    The folder gets model.safetensors (the best epoch on the validation split), history.csv (the
    learning curve) and state.safetensors (to resume from).
    """
    from astrodetect.training.command import summary
    from astrodetect.training.command import train as run

    if resume and fresh:
        raise click.UsageError("--resume and --fresh exclude each other")
    folder, at = run(config, resume=resume, fresh=fresh, device=device, out=out, quiet=quiet)
    if not quiet:
        click.echo(summary(folder, at), nl=False)
