"""``astrodetect events``: which detections of several cameras are one meteor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astrodetect.events.search import Found


def _heights(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not 0 <= low < high <= 1000:
        raise click.BadParameter(f"{value}: expected two heights in km, for example 20,140")
    return low, high


@click.command()
@click.argument("catalogs", metavar="CATALOG...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path),
              help="Write events.ecsv, sightings.ecsv, and a folder per event that WMPL loads.")  # fmt: skip
@click.option("--sites", metavar="FILE", type=click.Path(path_type=Path),
              help="CSV of where cameras stand: station, lat, lon, elevation (degrees, metres).")  # fmt: skip
@click.option("--window", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True,
              help="Seconds by which clocks may differ.")  # fmt: skip
@click.option("--heights", callback=_heights, default="20,140", show_default=True,
              help="Lowest and highest place of a meteor, km.")  # fmt: skip
@click.option("--angle", type=click.FloatRange(min=0, min_open=True), default=0.3, show_default=True,
              help="Degrees by which lines of sight may miss each other.")  # fmt: skip
@click.option("--cameras", "least", type=click.IntRange(min=2), default=2, show_default=True,
              help="List events that at least so many cameras saw.")  # fmt: skip
@click.option("--showers", is_flag=True, help="List the shower of every detection, also of single ones.")
@click.option("--all", "everything", is_flag=True,
              help="Take rejected detections, and what is no meteor, too.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON.")
@click.pass_context
def events(
    context: click.Context, catalogs: tuple[Path, ...], out: Path | None, sites: Path | None, window: float,
    heights: tuple[float, float], angle: float, least: int, showers: bool, everything: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find the meteors that several cameras saw, in catalogs of any format.

    CATALOG is a catalog of astrodetect, a file of another program (GFE ECSV, FTPdetectinfo, UFO and others),
    or a folder of these. Detections belong together if their lines of sight meet at heights and speeds of
    meteors with clocks that differ by no more than the window. Where the site of a camera is neither in its
    files nor in --sites, it is worked out from positions that the file gives both as RA, Dec and as azimuth,
    altitude; where that is not possible, times alone are compared, and the event says so.
    """
    from astrodetect.events.listing import event_lines, shower_lines, summary_lines, to_json
    from astrodetect.events.pairs import Rules
    from astrodetect.events.search import find_events, read_all
    from astrodetect.events.sites import read_sites

    given = read_sites(sites) if sites is not None else {}
    sightings, failures, read = read_all(catalogs, everything=everything)
    for line in failures:
        click.echo(f"error: {line}", err=True)
    if not read:
        raise click.UsageError("nothing that can be read; expected catalogs, or files of other programs")
    found = find_events(sightings, given, Rules(window, heights, angle)).seen_by(least)
    for line in summary_lines(found, len(read)):
        click.echo(line, err=True)
    if as_json:
        click.echo(to_json(found))
    else:
        for line in shower_lines(found) if showers else event_lines(found):
            click.echo(line)
    if out is not None:
        _write(found, out)
    if failures:
        context.exit(1)


def _write(found: Found, out: Path) -> None:
    from astrodetect.events.writing import write_events

    number, left_out = write_events(found, out)
    for line in left_out:
        click.echo(f"not in the folder of its event: {line}", err=True)
    click.echo(f"{out}: events.ecsv, sightings.ecsv, {number} folders for WMPL", err=True)
