"""``astrodetect catalog``: look at, convert, join and check catalogs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from astrodetect.cli.exchange import export, formats, import_
from astrodetect.cli.groups import NearestGroup
from astrodetect.cli.lint import lint

_CATALOG = click.argument("path", metavar="CATALOG", type=click.Path(path_type=Path))


@click.group(cls=NearestGroup)
def catalog() -> None:
    """Look at, convert, join and check catalogs."""


for _command in (export, import_, formats, lint):
    catalog.add_command(_command)


@catalog.command()
@_CATALOG
@click.option(
    "--all", "everything", is_flag=True, help="List rejected detections too, and recordings with warnings."
)
@click.option("--rejects", is_flag=True, help="List rejected detections instead of accepted ones.")
@click.option("--label", metavar="LABEL", help="List only detections with this label.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="List at most so many detections; 0 lists all.",
)
@click.option("--failed", is_flag=True, help="List the recordings that failed, and why; nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON, without the list.")
def show(
    path: Path, everything: bool, rejects: bool, label: str | None, limit: int, failed: bool, as_json: bool
) -> None:
    """Say what a catalog holds, and list its accepted detections.

    Works while the run that writes it is still going on.
    """
    from astrodetect.catalogs.overview import failures, overview
    from astrodetect.catalogs.reader import Catalog

    if as_json:
        from astrodetect.catalogs.facts import facts

        with Catalog(path) as opened:
            click.echo(json.dumps(facts(opened), indent=2))
        return
    if everything and rejects:
        raise click.UsageError("--all and --rejects exclude each other")
    if failed:
        with Catalog(path) as opened:
            for line in failures(opened):
                click.echo(line)
        return
    accepted = None if everything else not rejects
    with Catalog(path) as opened:
        lines = overview(
            opened, accepted=accepted, label=label, all_recordings=everything, limit=limit or None
        )
        for line in lines:
            click.echo(line)


@catalog.command()
@_CATALOG
@click.argument("condition", required=False)
@click.option("--since", metavar="TIME", help="Begins at or after this time (ISO, UTC).")
@click.option("--until", metavar="TIME", help="Begins before this time.")
@click.option("--camera", multiple=True, metavar="CAMERA", help="Of this camera; may be given again.")
@click.option("--box", metavar="X0,Y0,X1,Y1", help="Its box overlaps this one (pixels).")
@click.option("--cone", metavar="RA,DEC,RADIUS", help="Begins or ends in this cone (degrees, ICRS).")
@click.option("--columns", metavar="NAME,...", help="Print these columns as CSV, values as stored.")
@click.option("--count", is_flag=True, help="Print only how many there are.")
@click.option("--limit", type=click.IntRange(min=1), help="The first so many.")
def query(
    path: Path,
    condition: str | None,
    since: str | None,
    until: str | None,
    camera: tuple[str, ...],
    box: str | None,
    cone: str | None,
    columns: str | None,
    count: bool,
    limit: int | None,
) -> None:
    """List the detections that meet a condition, for example 'label = meteor and probability > 0.9'.

    A condition compares columns of detections, and of their recordings (camera, path, status ...), by
    = != < <= > >= and in (a, b), joined by and, or, not and parentheses. Only what is needed is read.
    """
    from astrodetect.catalogs.overview import csv_lines, detection_lines
    from astrodetect.catalogs.reader import Catalog

    with Catalog(path) as opened:
        rows = opened.select(
            condition, after=since, before=until, camera=camera or None, box=_numbers("--box", box, 4),
            cone=_numbers("--cone", cone, 3), limit=limit,
        )  # fmt: skip
        if count:
            lines = iter([str(len(rows))])
        elif columns is not None:
            lines = csv_lines(opened, rows, [name.strip() for name in columns.split(",")])
        else:
            lines = detection_lines(opened, rows, with_reason=True)
        for line in lines:
            click.echo(line)


def _numbers(option: str, text: str | None, n: int) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != n or not all(map(math.isfinite, numbers)):
        raise click.UsageError(f"{option} {text}: expected {n} numbers with commas between")
    return numbers


@catalog.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("paths", metavar="CATALOG...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also if different pipelines made them.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is a catalog.")
def merge(out: Path, paths: tuple[Path, ...], force: bool, overwrite: bool) -> None:
    """Join catalogs into one; a recording that several hold is taken once."""
    from astrodetect.catalogs.merging import merge as merge_into

    number = merge_into(
        out, paths, force=force, overwrite=overwrite, tell=lambda line: click.echo(line, err=True)
    )
    click.echo(f"{out}: {number} recordings of {len(paths)} catalogs")


@catalog.command()
@_CATALOG
@click.argument("reviews", metavar="REVIEWS.csv...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--reviewer", metavar="NAME", help="Who says so, where the file does not; by default you.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of them as JSON.")
@click.pass_context
def label(
    context: click.Context, path: Path, reviews: tuple[Path, ...], reviewer: str | None, as_json: bool
) -> None:
    """Write what people say about detections into a catalog; exit status 1 if some are not in it.

    REVIEWS.csv is what the page of `astrodetect report` saves, or any CSV file with detection_id (or
    path, frame_first, frame_last) and verdict (accept, reject, clear), label or both. What the pipeline
    had said stays in the columns label_automatic, probability_automatic, accepted_automatic and
    reason_automatic; verdict, reviewer and reviewed_at say who said what and when. Doing it again
    changes nothing.
    """
    from astrodetect.catalogs.labelling import label_catalog
    from astrodetect.catalogs.reviews import read_reviews

    said = [review for file in reviews for review in read_reviews(file)]
    done = label_catalog(path, said, reviewer=_user() if reviewer is None else reviewer)
    for review in done.unknown:
        click.echo(f"{review.where}: no such detection in {path}", err=True)
    if as_json:
        click.echo(json.dumps(done.to_dict()))
    else:
        older = f", {done.n_older} older than what it holds" if done.n_older else ""
        click.echo(f"{path}: {done.n_changed} reviews written, {done.n_unchanged} were in it already{older}")
    if done.unknown:
        context.exit(1)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without accounts
        return ""


@catalog.command()
@_CATALOG
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def verify(context: click.Context, path: Path, as_json: bool) -> None:
    """Read all of a catalog and check it; exit status 1 if anything is wrong."""
    from astrodetect.catalogs.checks import verify as verify_catalog
    from astrodetect.catalogs.overview import printable

    findings = verify_catalog(path)
    if as_json:
        click.echo(json.dumps({"catalog": str(path), "sound": not findings, "findings": findings}, indent=2))
    else:
        for finding in findings or [f"{path}: sound"]:
            click.echo(printable(finding))
    if findings:
        context.exit(1)


@catalog.command()
@_CATALOG
def compact(path: Path) -> None:
    """Write a catalog anew: take up its journal, bring it to the present format, index it, free space."""
    from astrodetect.catalogs.merging import compact as compact_catalog

    before, after = compact_catalog(path)
    click.echo(f"{path}: {before} bytes before, {after} now")
