"""``astrodetect catalog lint``: what is wrong with files of other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.printing import printable_lines

if TYPE_CHECKING:
    from astrodetect.lint import Report


@click.command()
@click.argument("files", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--fix", is_flag=True, help="Write a corrected copy beside each file: NAME.fixed.ecsv.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def lint(context: click.Context, files: tuple[Path, ...], fix: bool, as_json: bool) -> None:
    """Check files of Global Fireball Exchange and FTPdetectinfo, and others as far as they can be read.

    A finding says file, line, what is wrong, and what to do. With --fix, what can be corrected surely is
    corrected in a copy; the file itself stays as it is. Exit status 1 if a file has errors or warnings; notes
    do not count. A file that cannot be checked is told, the others are checked; then the status is 2.
    """
    from astrodetect.lint import lint as check
    from astrodetect.lint.checking import write_copy

    reports, copies, refused = [], {}, []
    for path in files:
        try:
            report = check(path)
            reports.append(report)
            if fix and report.corrected is not None:
                copies[str(path)] = str(write_copy(report))
        except AstrodetectError as error:
            refused.append(error)
    if as_json:
        _print_json(reports, copies)
    else:
        for report in reports:
            for finding in report.findings:
                click.echo(printable_lines(str(finding)))
    for report in reports:
        _tell_of_copy(report, copies.get(str(report.path)))
    for fault in refused:
        click.echo(printable_lines(f"error: {fault}"), err=True)
    number = sum(finding.severity != "note" for report in reports for finding in report.findings)
    notes = sum(len(report.findings) for report in reports) - number
    if reports:
        told = f"{number} findings in {len(reports)} files" if number else f"{len(reports)} files: clean"
        click.echo(told + (f"; {notes} notes" if notes else ""), err=True)
    if refused or number:
        context.exit(2 if refused else 1)


def _print_json(reports: Sequence[Report], copies: Mapping[str, str]) -> None:
    import json

    listed = [
        {"file": str(r.path), "format": r.format, "fixed": copies.get(str(r.path)),
         "findings": [finding.to_dict() for finding in r.findings]} for r in reports
    ]  # fmt: skip
    click.echo(json.dumps(listed, indent=1, allow_nan=False))


def _tell_of_copy(report: Report, copy: str | None) -> None:
    if copy is not None:
        left = sum(not finding.fixable and finding.severity != "note" for finding in report.findings)
        rest = f"; {left} findings are left in it" if left else ""
        click.echo(f"{report.path}: corrected copy {copy}{rest}", err=True)
