"""``astrodetect catalog``: look at, convert, join and check catalogs."""

from __future__ import annotations

from pathlib import Path

import click

_CATALOG = click.argument("path", metavar="CATALOG", type=click.Path(path_type=Path))


@click.group()
def catalog() -> None:
    """Look at, convert, join and check catalogs."""


@catalog.command()
@_CATALOG
@click.option(
    "--all", "everything", is_flag=True, help="List rejected detections too, and recordings with warnings."
)
@click.option("--rejects", is_flag=True, help="List rejected detections instead of accepted ones.")
@click.option("--label", metavar="LABEL", help="List only detections with this label.")
def show(path: Path, everything: bool, rejects: bool, label: str | None) -> None:
    """Say what a catalog holds, and list its accepted detections.

    Works while the run that writes it is still going on.
    """
    from astrodetect.catalogs.overview import overview
    from astrodetect.catalogs.reader import Catalog

    if everything and rejects:
        raise click.UsageError("--all and --rejects exclude each other")
    accepted = None if everything else not rejects
    with Catalog(path) as opened:
        for line in overview(opened, accepted=accepted, label=label, all_recordings=everything):
            click.echo(line)


@catalog.command()
@_CATALOG
@click.argument("out", metavar="[OUT]", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option(
    "--table",
    type=click.Choice(["detections", "tracks", "recordings", "camera"]),
    default="detections",
    show_default=True,
    help="Which table.",
)
@click.option("--accepted", is_flag=True, help="Only accepted detections, and what belongs to them.")
@click.option(
    "--format",
    type=click.Choice(["ecsv", "csv", "votable", "parquet"]),
    help="By the ending of OUT if not given.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there.")
def export(
    path: Path, out: Path | None, table: str, accepted: bool, format: str | None, overwrite: bool
) -> None:
    """Write a table of a catalog as ECSV, CSV, VOTable or Parquet.

    Without OUT, or with -, it goes to standard output.
    """
    from astrodetect.catalogs.exports import export as export_to
    from astrodetect.catalogs.reader import Catalog

    target = None if out is None or str(out) == "-" else out
    with Catalog(path) as opened:
        data = export_to(opened, target, table=table, accepted=accepted, format=format, overwrite=overwrite)
    if target is None:
        click.echo(data, nl=False)


@catalog.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("paths", metavar="CATALOG...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also if different pipelines made them.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is a catalog.")
def merge(out: Path, paths: tuple[Path, ...], force: bool, overwrite: bool) -> None:
    """Join catalogs into one; a recording that several hold is taken once."""
    from astrodetect.catalogs.merging import merge as merge_into

    number = merge_into(out, paths, force=force, overwrite=overwrite)
    click.echo(f"{out}: {number} recordings of {len(paths)} catalogs")


@catalog.command()
@_CATALOG
@click.pass_context
def verify(context: click.Context, path: Path) -> None:
    """Read all of a catalog and check it; exit status 1 if anything is wrong."""
    from astrodetect.catalogs.checks import verify as verify_catalog
    from astrodetect.catalogs.overview import printable

    findings = verify_catalog(path)
    for finding in findings:
        click.echo(printable(finding))
    if findings:
        context.exit(1)
    click.echo(f"{path}: sound")
