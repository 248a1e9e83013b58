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
@click.option("--json", "as_json", is_flag=True, help="Print the mistakes as JSON.")
@click.pass_context
def check(ctx: click.Context, pipeline_name: str, as_json: bool) -> None:
    """List every mistake in a pipeline file."""
    from astrodetect.pipeline import Pipeline

    pipeline = Pipeline.from_toml(pipeline_name)
    problems = pipeline.check()
    if as_json:
        import json

        click.echo(json.dumps({"pipeline": pipeline_name, "problems": problems}, indent=2))
        ctx.exit(2 if problems else 0)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        ctx.exit(2)
    click.echo(f"{pipeline_name}: no mistakes")
