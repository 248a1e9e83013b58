"""FTPdetectinfo with corrections: line by line, what is right stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

from astrodetect.exchange.ftp_text import COLUMNS, HEAD, FtpText
from astrodetect.lint.notes import Notes

_LINE = "-" * 53
_HEADER_END = (
    "FF  file processed", "CAL file processed", "Cam# Meteor# #Segments fps hnr mle bin Pix/fm Rho Phi",
    "Per segment:  Frame# Col Row RA Dec Azim Elev Inten Mag Bcknd SNR NSatPx",
)  # fmt: skip


def corrected(lines: Sequence[str], text: FtpText, notes: Notes) -> str:
    """Give the text of a file with the corrections of `notes`.

    Parameters
    ----------
    lines : sequence of str
        The file.
    text : FtpText
        The same, parsed.
    notes : Notes
        What to correct.
    """
    heads = {meteor.head.line for meteor in text.meteors}
    changed: dict[int, dict[str, str]] = {}
    for (line, column), value in notes.cells.items():
        changed.setdefault(line, {})[column] = value
    made: list[str] = []
    for number, text_of_line in enumerate(lines, 1):
        kept = notes.lines.get(number, text_of_line)
        if number in changed:
            kept = _with_cells(kept, HEAD if number in heads else COLUMNS, changed[number])
        made.append(kept)
    if any(finding.rule == "header-lines" and finding.fixable for finding in notes.findings):
        made = _with_header(made, text)
    for order in notes.orders:
        made = _in_order(made, len(made) - len(lines), order)
    return "\n".join(made)


def _with_cells(line: str, names: Sequence[str], values: dict[str, str]) -> str:
    cells = line.split()
    for name, value in values.items():
        place = names.index(name)
        sign = "+" if name in ("dec", "altitude") and not value.startswith(("-", "+")) else ""
        cells[place] = sign + value
    return " ".join(cells)


def _in_order(made: list[str], shift: int, order: Sequence[int]) -> list[str]:
    """Sort the rows of a meteor; another header has moved them by `shift` lines."""
    sorted_rows = [made[number - 1 + shift] for number in order]
    for place, row in zip(sorted(order), sorted_rows, strict=True):
        made[place - 1 + shift] = row
    return made


def _with_header(lines: list[str], text: FtpText) -> list[str]:
    """Put the eleven lines of a header before the first meteor."""
    end = next(i for i, line in enumerate(lines) if line.lower().startswith("per segment"))
    found = [item.text for item in text.header]

    def kept(begins: str, otherwise: str) -> str:
        return next((line for line in found if line.startswith(begins)), otherwise)

    header = [
        kept("Meteor Count", f"Meteor Count = {len(text.meteors):06d}"), _LINE,
        kept("Processed with", "Processed with"), _LINE,
        kept("FF  folder", "FF  folder = "), kept("CAL folder", "CAL folder = "), _LINE,
        *_HEADER_END[:2], kept("Cam#", _HEADER_END[2]), lines[end],
    ]  # fmt: skip
    return header + lines[end + 1 :]
