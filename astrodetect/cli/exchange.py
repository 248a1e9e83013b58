"""``astrodetect catalog export`` and ``import``: to and from the files of others."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from astrodetect.core.data import Site

#: Formats of single tables; all others are formats of exchange.
_TABLES = ("ecsv", "csv", "votable", "parquet")


class _FormatName(click.ParamType):  # type: ignore[type-arg]  # not subscriptable in click 8.1
    """Name of a format. What there is is looked up when it is needed."""

    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is no format."""
        from astrodetect.core.registry import nearest
        from astrodetect.exchange.formats import targets

        known = {*_TABLES, *targets()}
        if value not in known:
            self.fail(f"{value!r} is no format{nearest(value, known)}")
        return str(value)


class _SiteType(click.ParamType):  # type: ignore[type-arg]  # as above
    """LAT,LON,ELEVATION."""

    name = "site"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Site:
        """Read three numbers."""
        from astrodetect.core.data import Site

        with suppress(TypeError, ValueError):
            site = Site(*(float(part) for part in value.split(",")))
            if abs(site.latitude) <= 90 and abs(site.longitude) <= 360 and abs(site.elevation) < 1e5:
                return site
        expected = "LAT,LON,ELEVATION (degrees north, degrees east, metres)"
        raise click.BadParameter(f"{value!r} is no site; expected {expected}", ctx, param)


_SITE = click.option(
    "--site",
    type=_SiteType(),
    metavar="LAT,LON,ELEV",
    help="Where cameras stand of which nothing says it: degrees north, degrees east, metres.",
)


@click.command()
@click.argument("path", metavar="CATALOG", type=click.Path(path_type=Path))
@click.argument("out", metavar="[OUT]", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option(
    "--format",
    type=_FormatName(),
    metavar="FORMAT",
    help="A table: ecsv, csv, votable, parquet; or a format of exchange, see `catalog formats`. "
    "By the ending of OUT if not given.",
)
@click.option(
    "--table",
    type=click.Choice(["detections", "tracks", "recordings", "camera"]),
    default="detections",
    show_default=True,
    help="Which table.",
)
@click.option(
    "--accepted", is_flag=True, help="Of a table: only accepted detections, and what belongs to them."
)
@click.option("--all", "everything", is_flag=True, help="In files of exchange: rejected detections too.")
@click.option("--where", metavar="CONDITION", help="In files of exchange: only these, as in `catalog query`.")
@_SITE
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there.")
def export(
    path: Path, out: Path | None, format: str | None, table: str, accepted: bool, everything: bool,
    where: str | None, site: Site | None, overwrite: bool,
) -> None:  # fmt: skip
    """Write a table of a catalog, or its detections in a format of other programs.

    Tables are ECSV, CSV, VOTable or Parquet; without OUT, or with -, they go to standard output. Formats
    of exchange hold accepted detections. Many of them are one file for each detection, camera or night:
    then OUT is a folder.
    """
    from astrodetect.catalogs.reader import Catalog

    target = None if out is None or str(out) == "-" else out
    with Catalog(path) as opened:
        if format is not None and format not in _TABLES:
            _exchange(opened, target, format, everything, where, site, overwrite)
            return
        from astrodetect.catalogs.exports import export as export_to

        data = export_to(opened, target, table=table, accepted=accepted, format=format, overwrite=overwrite)
    if target is None:
        click.echo(data, nl=False)


def _exchange(
    opened: Any, out: Path | None, name: str, everything: bool, where: str | None, site: Site | None,
    overwrite: bool,
) -> None:  # fmt: skip
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.exchange.catalogs import content_of
    from astrodetect.exchange.files import save
    from astrodetect.exchange.formats import format_named

    rows = None if where is None else opened.select(where)
    content = content_of(opened, accepted=not everything, rows=rows, site=site)
    n = sum(len(recording.detections) for recording in content.recordings)
    if not n:
        what = "detection" if everything else "accepted detection"
        click.echo(f"{opened.path}: no {what} to write", err=True)
        return
    files = format_named(name).write(content)
    if out is not None:
        written = save(files, out, overwrite=overwrite)
        shown = str(written[0]) if len(written) == 1 else f"{len(written)} files in {out}"
        click.echo(f"{shown}: {n} detections", err=True)
        return
    listed = list(files)
    if len(listed) > 1:
        raise AstrodetectError(f"{name}: {len(listed)} files; give the folder they go into as OUT")
    sys.stdout.buffer.write(listed[0][1])


@click.command(name="import")
@click.argument("paths", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The catalog to write.")
@click.option(
    "--format", type=_FormatName(), metavar="FORMAT", help="Found by looking at each file if not given."
)
@_SITE
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is a catalog.")
@click.pass_context
def import_(
    context: click.Context, paths: tuple[Path, ...], out: Path, format: str | None, site: Site | None,
    overwrite: bool,
) -> None:  # fmt: skip
    """Make a catalog of files of other programs and networks.

    `catalog formats` lists what can be read. What is wrong in a file, and could be read all the same, is
    told line by line. A file that cannot be read is named, the others are imported; then the exit status is
    1.
    """
    from astrodetect.core.printing import printable
    from astrodetect.exchange.catalogs import import_files

    command = " ".join(["astrodetect catalog import", *map(str, paths)])
    made = import_files(paths, out, format=format, site=site, overwrite=overwrite, command=command)
    for note in made.notes:
        click.echo(f"warning: {printable(note)}", err=True)
    for failure in made.failures:
        click.echo(f"error: {printable(failure)}", err=True)
    click.echo(f"{out}: {made.n_detections} detections in {made.n_recordings} recordings")
    if made.failures:
        context.exit(1)


@click.command()
def formats() -> None:
    """List the formats of exchange: whether they are read and written, and what they are."""
    from astrodetect.core.errors import PluginError
    from astrodetect.exchange.formats import format_named, targets

    for name in targets():
        try:
            made = format_named(name)
        except PluginError as error:
            click.echo(f"{name:<14} -- {error}")
            continue
        click.echo(f"{name:<14} {'r' if made.reads else '-'}{'w' if made.writes else '-'} {made.description}")
