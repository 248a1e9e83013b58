"""A Global Fireball Exchange file written anew, with corrections."""

from __future__ import annotations

import csv
import io
import re

import yaml

from astrodetect.exchange.gfe_text import GfeText
from astrodetect.lint.notes import Notes

_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]?\d+)?")
#: Units and types of columns that a head leaves out.
_KNOWN = {
    "datetime": ("", "string"), "saturated_pixels": ("", "bool"), "x_image": ("pix", "float64"),
    "y_image": ("pix", "float64"), **dict.fromkeys(("ra", "dec", "azimuth", "altitude"), ("deg", "float64")),
}  # fmt: skip
#: What YAML takes for something else than text.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_TYPE = re.compile(r"(float|int|uint)\d+|string|bool")


def corrected(text: GfeText, notes: Notes) -> str:
    """Give the text of a file with the corrections of `notes`, in the form of the standard.

    Values that are not corrected stay as they are written.
    """
    lines = ["%ECSV 0.9", "---", "datatype:"]
    lines += [f"- {{{_declaration(name, text, notes)}}}" for name in text.columns]
    lines += ["delimiter: ','", "meta: !!omap"]
    meta = {**{key: item.text for key, item in text.meta.items()}, **notes.meta}
    lines += [f"- {{{_name(key)}: {_scalar(value)}}}" for key, value in meta.items()]
    lines.append("schema: astropy-2.0")
    out = io.StringIO()
    out.writelines(f"# {line}\n" for line in lines)
    table = csv.writer(out, lineterminator="\n")
    table.writerow(text.columns)
    rows = {row.line: row for row in text.rows}
    for line in _in_order(list(rows), [line for order in notes.orders for line in order]):
        cells = rows[line].cells
        table.writerow([notes.cells.get((line, name), cells[name]) for name in text.columns])
    return out.getvalue()


def _in_order(lines: list[int], order: list[int]) -> list[int]:
    """Give lines with those in `order` sorted as it says, in the places they have."""
    places = [i for i, line in enumerate(lines) if line in set(order)]
    made = list(lines)
    for place, line in zip(places, order, strict=True):
        made[place] = line
    return made


def _declaration(name: str, text: GfeText, notes: Notes) -> str:
    declared = text.declared.get(name)
    unit, kind = _KNOWN.get(name, ("", _guessed(name, text)))
    if declared is not None:
        unit = notes.units.get(name, declared.unit)
        usual = (
            name in _KNOWN and _KNOWN[name][1] == "float64" and not declared.datatype.startswith(("f", "i"))
        )
        kind = kind if usual or not _TYPE.fullmatch(declared.datatype) else declared.datatype
    return f"name: {_name(name)}, " + (f"unit: {_name(unit)}, " if unit else "") + f"datatype: {kind}"


def _guessed(name: str, text: GfeText) -> str:
    cells = [row.cells[name] for row in text.rows]
    if all(re.fullmatch(r"[-+]?\d+", cell) for cell in cells):
        return "int64"
    if all(_NUMBER.fullmatch(cell.lstrip("0") or "0") or cell.lower() in ("", "nan") for cell in cells):
        return "float64"
    return "string"


def _name(text: str) -> str:
    """Give a key, a name or a unit as YAML: quoted where it would mean something else."""
    return text if re.fullmatch(r"[A-Za-z]\w*", text) and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    quoted: str = yaml.safe_dump(text, default_style="'", allow_unicode=True, width=1 << 30)
    return quoted.strip()


def _scalar(value: str) -> str:
    return value if _NUMBER.fullmatch(value) else _quoted(value)
