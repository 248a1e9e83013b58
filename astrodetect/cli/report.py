"""``astrodetect report``: a page to look at."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("catalog", metavar="CATALOG", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Where to write it  [default: night-report beside night.h5]",
)  # fmt: skip
@click.option(
    "--candidates", default=50, show_default=True, metavar="N",
    help="Show so many recordings in which nothing was accepted; all others are shown.",
)  # fmt: skip
@click.option(
    "--rejected", default=100, show_default=True, metavar="N",
    help="List so many rejected detections per recording; static and noise are left out first.",
)  # fmt: skip
@click.option(
    "--width", default=1600, show_default=True, metavar="PIXELS", help="Largest width of a picture."
)
@click.option(
    "--clips", default=24, show_default=True, metavar="N",
    help="So many accepted detections per recording get a moving picture; 0 makes none.",
)  # fmt: skip
@click.option("--no-patches", is_flag=True, help="Do not show the patches that the pipeline chose; faster.")
@click.option(
    "--explain", default=1, show_default=True, metavar="N",
    help="Draw what the labels of the first N accepted detections rest on, seconds each.",
)  # fmt: skip
@click.option(
    "--root", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
    help="Where the recordings lie now, if they were moved.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress, and nothing about missing pictures.")
def report(
    catalog: Path,
    out: Path | None,
    candidates: int,
    rejected: int,
    width: int,
    clips: int,
    no_patches: bool,
    explain: int,
    root: Path | None,
    quiet: bool,
) -> None:
    """Write a page with pictures, tracks and a summary of a catalog.

    FOLDER/index.html opens from disk, without a server or a network. Works while the run that writes
    the catalog is still going on. A folder that holds a report is replaced.
    """
    from tqdm import tqdm

    from astrodetect.report import ReportSettings, write_report

    settings = ReportSettings(
        candidates=candidates,
        rejected=rejected,
        width=width,
        root=root,
        clips=clips,
        patches=not no_patches,
        explain=explain,
    )
    hidden = quiet or not sys.stderr.isatty()
    with tqdm(unit="recording", disable=hidden, file=sys.stderr, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        written = write_report(catalog, out, settings, progress)
    if not quiet:
        for reason, paths in written.missing.items():
            click.echo(f"warning: no picture of {len(paths)} recordings, {reason}: {paths[0]} ...", err=True)
    click.echo(str(written.page))
