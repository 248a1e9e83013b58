"""``astrodetect run``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from astrodetect.archive.job import How, Job
    from astrodetect.core.hooks import HookCaller
    from astrodetect.core.profile import Profile
    from astrodetect.pipeline import Pipeline

_FILE = click.Path(path_type=Path, dir_okay=False)
_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option(
    "--pipeline", "pipeline_name", required=True, metavar="FILE|NAME", help="Pipeline file, or built-in name."
)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=click.Path(path_type=Path))
@click.option("--out", type=_FILE, help="Catalog to write (HDF5).")
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
@click.option(
    "--include", multiple=True, metavar="GLOB", help="Only recordings whose path, or a folder of it, matches."
)
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="No recordings whose path, or a folder of it, matches."
)
@click.option("--shard", metavar="I/N", help="Only the I-th of N shares, which follow from the paths.")
@click.option("--dry-run", is_flag=True, help="Say what there is to do and how long it takes; do nothing.")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="Time limit for one recording.")
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Leave recordings with younger files for later; with --follow, 1.5 if not given.",
)
@click.option("--retry-failed", is_flag=True, help="Only what failed in an earlier run.")
@click.option("--skip-failed", is_flag=True, help="Not what failed in an earlier run.")
@click.option("--scheduler", metavar="ADDRESS", default="", help="Let a Dask cluster work.")
@click.option("--follow", is_flag=True, help="Watch INPUT and process what arrives, until told to stop.")
@click.option("--heartbeat", type=_FILE, help="With --follow: replace this file every second.")
@click.option("--log", type=_FILE, help="Append what happens to this file, one JSON object per line.")
@click.option("--profile", is_flag=True, help="Say where the time went, and what limited the run.")
@click.option("--profile-json", type=_FILE, help="Write that to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on standard output.")
@click.option("--quiet", is_flag=True, help="No progress, no summary.")
@click.option("-v", "--verbose", is_flag=True, help="Tracebacks of stages that failed.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    pipeline_name: str,
    inputs: tuple[Path, ...],
    out: Path | None,
    fresh: bool,
    dry_run: bool,
    follow: bool,
    heartbeat: Path | None,
    log: Path | None,
    profile: bool,
    profile_json: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **how: Any,
) -> None:
    """Read recordings, find what is in them, write a catalog.

    INPUT is a recording or a folder tree of recordings. What is finished is not done again; what
    failed is tried again.
    """
    from astrodetect.core.process import prepare_process

    prepare_process()
    from astrodetect.archive.follow import Watch
    from astrodetect.archive.job import Job
    from astrodetect.pipeline import Pipeline

    if (dry_run and follow) or (heartbeat and not follow):
        raise click.UsageError("--follow excludes --dry-run, --heartbeat needs --follow")
    pipeline = Pipeline.from_toml(pipeline_name)
    target = _target(pipeline, out)
    command = "astrodetect " + " ".join(sys.argv[1:])
    common = (pipeline, inputs, target, fresh, command, _how(**how))
    job = Watch(*common, heartbeat=heartbeat, say=_say(quiet)) if follow else Job(*common)
    if dry_run:
        _foretell(job)
        return
    if profile_json is not None:
        _check_writable(profile_json)
    start = perf_counter()
    measured = _work(job, log, quiet, profiled=profile or profile_json is not None)
    if verbose:
        for text in job.summary.tracebacks:
            _say_all(text.split("\n"))
    if not quiet:
        _say_all([*job.summary.lines(perf_counter() - start), f"catalog:    {target}"])
    if as_json:
        _print_json(job, perf_counter() - start)
    if measured is not None:
        _tell(measured, profile, profile_json)
    if job.summary.statuses["failed"]:
        if quiet:
            _say_all(job.summary.failure_lines())
        ctx.exit(1)


def _print_json(job: Job, seconds: float) -> None:
    import json

    summary = {"catalog": str(job.out), "elapsed": round(seconds, 3), **job.summary.to_dict()}
    click.echo(json.dumps(summary, indent=2))


def _check_writable(path: Path) -> None:
    from astrodetect.core.errors import AstrodetectError

    try:
        path.open("a").close()
    except OSError as error:
        raise AstrodetectError(f"{path}: the profile cannot be written: {error.strerror}") from error


def _target(pipeline: Pipeline, out: Path | None) -> Path:
    from astrodetect.core.errors import AstrodetectError

    target = out or pipeline.plan.catalog.path
    if target is None:
        raise AstrodetectError("no catalog to write to; give --out night.h5, or [catalog] path")
    return target


def _how(
    *,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    shard: str | None,
    retry_failed: bool,
    skip_failed: bool,
    settle: float | None,
    **rest: Any,
) -> How:
    from astrodetect.archive.job import How
    from astrodetect.core.choice import Choice, parse_shard

    if retry_failed and skip_failed:
        raise click.UsageError("--retry-failed and --skip-failed exclude each other")
    if rest["scheduler"] and rest["jobs"] > 1:
        raise click.UsageError("--scheduler works with the workers of the cluster, without --jobs")
    choice = Choice(include, exclude, parse_shard(shard) if shard is not None else None)
    failed: Any = "only" if retry_failed else "never" if skip_failed else "again"
    return How(choice=choice, failed=failed, settle=settle, **rest)


def _say(quiet: bool) -> Callable[[str], None]:
    return (lambda _: None) if quiet else (lambda line: _say_all([line]))


def _say_all(lines: Iterable[str]) -> None:
    from astrodetect.core.printing import printable

    for line in lines:  # names of files may hold what moves the cursor
        click.echo(printable(line), err=True)


def _foretell(job: Job) -> None:
    from astrodetect.archive.outlook import outlook

    for line in outlook(job, lambda text: _say_all([f"warning: {text}"])):
        click.echo(line)


def _tell(measured: Profile, shown: bool, target: Path | None) -> None:
    import json

    if shown:
        for line in measured.lines():
            click.echo(line, err=True)
    if target is not None:
        target.write_text(json.dumps(measured.to_dict(), indent=1) + "\n", encoding="utf-8")


def _work(job: Job, log: Path | None, quiet: bool, profiled: bool) -> Profile | None:
    from astrodetect.archive.follow import Watch
    from astrodetect.archive.signals import shut_down_by_signals, stopped_by_sigterm
    from astrodetect.cli.progress import Progress
    from astrodetect.core.hooks import HookCaller

    hooks = HookCaller(warn=lambda line: _say_all([f"warning: {line}"]))
    with ExitStack() as stack:
        progress = Progress(None, quiet, frames=job.how.jobs == 1)
        stack.callback(progress.close)
        hooks.register(progress)
        if log is not None:
            _keep_log(job, log, hooks, stack)
        profile = _start_profile(job, hooks) if profiled else None
        stack.enter_context(shut_down_by_signals(job) if isinstance(job, Watch) else stopped_by_sigterm())
        for _ in job.run(hooks):
            pass
    if profile is not None:
        profile.finish()
    return profile


def _start_profile(job: Job, hooks: HookCaller) -> Profile:
    from astrodetect.core.profile import Profile

    profile = Profile(job.pipeline.plan, job.how.jobs)
    hooks.register(profile)
    return profile


def _keep_log(job: Job, log: Path, hooks: HookCaller, stack: ExitStack) -> None:
    from astrodetect.archive.log import RunLog
    from astrodetect.core.errors import AstrodetectError

    kept = stack.enter_context(RunLog(log))
    kept.started(job)
    hooks.register(kept)
    told = hooks.warn

    def warn(line: str) -> None:
        told(line)
        with suppress(AstrodetectError):  # of a log that fails there has been a line
            kept.write("warning", message=line)

    hooks.warn = warn
