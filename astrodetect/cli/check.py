"""``astrodetect check``: build every stage, open nothing, list every mistake."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--pipeline",
    "pipeline_name",
    required=True,
    metavar="FILE|NAME",
    help="Pipeline file or built-in pipeline.",
)
@click.pass_context
def check(ctx: click.Context, pipeline_name: str) -> None:
    """List every mistake in a pipeline file."""
    from astrodetect.pipeline import Pipeline

    pipeline = Pipeline.from_toml(pipeline_name)
    problems = pipeline.check()
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        ctx.exit(2)
    click.echo(f"{pipeline_name}: no mistakes")
