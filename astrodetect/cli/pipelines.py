"""``astrodetect pipelines``: the built-in pipelines."""

from __future__ import annotations

import click

from astrodetect.cli.completion import pipeline_names


@click.command()
@click.argument("name", required=False, shell_complete=pipeline_names)
def pipelines(name: str | None) -> None:
    """List the built-in pipelines, or print one."""
    from astrodetect import pipelines as built_in
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.core.registry import nearest

    if name is None:
        for known in built_in.names():
            first = (built_in.text(known) or "").splitlines()[0].lstrip("# ")
            click.echo(f"{known:20s}{first}")
        return
    text = built_in.text(name)
    if text is None:
        raise AstrodetectError(f"no built-in pipeline is named {name!r}{nearest(name, built_in.names())}")
    click.echo(text, nl=False)
