"""``astrodetect doctor``: would it work here?"""

from __future__ import annotations

from pathlib import Path

import click

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "fail": ("FAIL", "red")}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path())
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def doctor(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Say whether astrodetect works on this machine; exit status 1 if something must be mended.

    Looks at versions, the GPU, codecs, plugins, and whether catalogs can be written to FOLDER (by
    default the working directory). Attach what it says to a report of a fault.
    """
    from astrodetect.core.printing import printable
    from astrodetect.doctor import examine

    findings = []
    for finding in examine(folder):
        findings.append(finding)
        if not as_json:
            mark, colour = _MARKS[finding.status]
            text = printable(finding.text)
            click.echo(f"{click.style(f'{mark:5s}', fg=colour)}{finding.area:10s}{text}")
    if as_json:
        import json

        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    if any(finding.status == "fail" for finding in findings):
        ctx.exit(1)
