"""``astrodetect catalog lint``: what is wrong with files of other programs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("files", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--fix", is_flag=True, help="Write a corrected copy beside each file: NAME.fixed.ecsv.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def lint(context: click.Context, files: tuple[Path, ...], fix: bool, as_json: bool) -> None:
    """Check files of Global Fireball Exchange and FTPdetectinfo, and others as far as they can be read.

    A finding says file, line, what is wrong, and what to do. With --fix, what can be corrected surely is
    corrected in a copy; the file itself stays as it is. Exit status 1 if a file has errors or warnings; notes
    do not count.
    """
    from astrodetect.core.printing import printable_lines
    from astrodetect.lint import lint as check
    from astrodetect.lint.checking import write_copy

    reports = [check(path) for path in files]
    copies = {str(r.path): str(write_copy(r)) for r in reports if fix and r.corrected is not None}
    if as_json:
        import json

        listed = [
            {"file": str(r.path), "format": r.format, "fixed": copies.get(str(r.path)),
             "findings": [finding.to_dict() for finding in r.findings]} for r in reports
        ]  # fmt: skip
        click.echo(json.dumps(listed, indent=1, allow_nan=False))
    else:
        for report in reports:
            for finding in report.findings:
                click.echo(printable_lines(str(finding)))
    number = sum(finding.severity != "note" for report in reports for finding in report.findings)
    notes = sum(len(report.findings) for report in reports) - number
    for path, copy in copies.items():
        found = [finding for report in reports if str(report.path) == path for finding in report.findings]
        left = sum(not finding.fixable and finding.severity != "note" for finding in found)
        rest = f"; {left} findings are left in it" if left else ""
        click.echo(f"{path}: corrected copy {copy}{rest}", err=True)
    told = f"{number} findings in {len(files)} files" if number else f"{len(files)} files: clean"
    click.echo(told + (f"; {notes} notes" if notes else ""), err=True)
    if number:
        context.exit(1)
