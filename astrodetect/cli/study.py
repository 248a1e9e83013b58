"""``astrodetect study``: compare feature networks by cross-validation."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--network", "networks", multiple=True, help="standard-0 to -8, separable-0 to -4; default: all."
)
@click.option(
    "--folds", type=click.IntRange(min=2), default=7, show_default=True, help="Of the cross-validation."
)
@click.option(
    "--grouped/--single", default=True, show_default=True,
    help="Whether images of one group stay on one side of every fold.",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=12, show_default=True, help="Of each training.")
@click.option(
    "--balance", type=click.Choice(["none", "weights", "oversample"]), default="oversample",
    show_default=True, help="What is done about rare classes.",
)  # fmt: skip
@click.option(
    "--dropout", type=click.FloatRange(0, 0.9), default=0.0, show_default=True, help="Of the features."
)
@click.option("--seed", default=0, show_default=True, help="Of weights, folds and the made patches.")
@click.option("--out", type=click.Path(path_type=Path), help="CSV file for the table.")
@click.option("--quiet", is_flag=True, help="No progress.")
def study(
    config: Path | None,
    networks: tuple[str, ...],
    folds: int,
    grouped: bool,
    epochs: int,
    balance: str,
    dropout: float,
    seed: int,
    out: Path | None,
    quiet: bool,
) -> None:
    """Print parameters, inference time and figures of feature networks, cross-validated.

    CONFIG is a training file whose table [data] gives small images of the size of a patch; without it,
    patches with and without streaks are made.
    """
    from astrodetect.training.config import read_data
    from astrodetect.training.data.streaks import StreakPatches
    from astrodetect.training.study import StudySettings, chosen_variants
    from astrodetect.training.study import study as run
    from astrodetect.training.tables import put, table_csv, table_text

    data = read_data(config) if config is not None else StreakPatches(seed=seed)
    how = StudySettings(
        folds=folds, grouped=grouped, epochs=epochs, balance=balance, dropout=dropout, seed=seed  # type: ignore[arg-type]
    )  # fmt: skip
    rows = run(
        data, chosen_variants(networks), how, lambda line: None if quiet else click.echo(line, err=True)
    )
    click.echo(table_text(rows), nl=False)
    if out is not None:
        put(out, table_csv(rows))
