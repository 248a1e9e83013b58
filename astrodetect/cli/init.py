"""``astrodetect init``: a pipeline file for a folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("meteor.toml"),
    show_default=True, metavar="FILE", help="The pipeline file.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def init(folder: Path, out: Path, force: bool) -> None:
    """Look at a FOLDER of recordings and write a pipeline file with comments for it.

    Asks nothing. What it says can then be changed, checked and run:

    \b
    astrodetect check --pipeline meteor.toml
    astrodetect run --pipeline meteor.toml
    """
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.core.printing import printable
    from astrodetect.pipeline import Pipeline
    from astrodetect.starting import look, pipeline_for

    if out.exists() and not force:
        raise AstrodetectError(f"{out}: exists; choose another name with -o or give --force")
    if not out.absolute().parent.is_dir():
        raise AstrodetectError(f"{out}: the folder {out.parent} does not exist")
    seen = look(folder)
    text = pipeline_for(seen, out)
    problems = Pipeline(text, str(out), out.absolute().parent).check()
    assert not problems, problems
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise AstrodetectError(f"{out}: cannot be written: {error.strerror or error}") from error
    for line in seen.unreadable:
        click.echo(f"warning: {printable(line)}", err=True)
    counted = ", ".join(f"{n} {name}" for name, n in seen.sources.most_common())
    click.echo(f"{out}: for {'at least ' if seen.more else ''}{counted} recordings")
    click.echo(f"next: astrodetect run --pipeline {out}", err=True)
