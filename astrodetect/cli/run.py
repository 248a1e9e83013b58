"""``astrodetect run``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astrodetect.pipeline import Job, Pipeline


@click.command()
@click.option(
    "--pipeline", "pipeline_name", required=True, metavar="FILE|NAME", help="Pipeline file, or built-in name."
)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Catalog to write (HDF5).")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
@click.option(
    "--fresh", is_flag=True, help="Start over; the old catalog stays as OUT~ until the new one is whole."
)
@click.option("--quiet", is_flag=True, help="No progress, no summary.")
@click.option("-v", "--verbose", is_flag=True, help="Tracebacks of stages that failed.")
@click.pass_context
def run(
    ctx: click.Context,
    pipeline_name: str,
    inputs: tuple[Path, ...],
    out: Path | None,
    jobs: int,
    device: str,
    fresh: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Read recordings, find what is in them, write a catalog.

    INPUT is a recording or a folder tree of recordings. What is finished is not done again.
    """
    from astrodetect.pipeline import Job, Pipeline

    pipeline = Pipeline.from_toml(pipeline_name)
    target = _target(pipeline, out)
    command = "astrodetect " + " ".join(sys.argv[1:])
    job = Job(pipeline, inputs, target, fresh=fresh, command=command)
    start = perf_counter()
    _work(job, jobs, device, quiet)
    if verbose:
        for text in job.summary.tracebacks:
            click.echo(text, err=True)
    if not quiet:
        for line in job.summary.lines(perf_counter() - start):
            click.echo(line, err=True)
        click.echo(f"catalog:    {target}", err=True)
    if job.summary.statuses["failed"]:
        if quiet:
            for failure in job.summary.failures:
                click.echo(f"failed: {failure}", err=True)
        ctx.exit(1)


def _target(pipeline: Pipeline, out: Path | None) -> Path:
    from astrodetect.core.errors import AstrodetectError

    target = out or pipeline.plan.catalog.path
    if target is None:
        raise AstrodetectError("no catalog to write to; give --out night.h5, or [catalog] path")
    return target


def _work(job: Job, jobs: int, device: str, quiet: bool) -> None:
    from astrodetect.cli.progress import Progress
    from astrodetect.core.hooks import HookCaller

    hooks = HookCaller(warn=lambda line: click.echo(f"warning: {line}", err=True))
    progress = Progress(None, quiet)
    hooks.register(progress)
    try:
        for _ in job.run(jobs=jobs, device=device, hooks=hooks):
            pass
    finally:
        progress.close()
