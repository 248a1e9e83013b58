"""Where the checks of one file write down what they find, and what would correct it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from astrodetect.lint.findings import RULES, Finding

#: So many findings of one rule are listed one by one; the others are counted.
_LISTED = 5


@dataclass
class Notes:
    """Findings of one file, and the corrections that are sure.

    Attributes
    ----------
    path : Path
        The file.
    findings : list of Finding
        In the order in which they were found.
    cells : dict of (int, str) to str
        New text of a cell, by line and column.
    lines : dict of int to str
        New text of a line.
    meta : dict of str to str
        New values of keys of the head.
    units : dict of str to str
        New units of columns.
    rebuild : bool
        The file is to be written anew even if no value changes.
    orders : list of list of int
        Lines of the rows of a meteor in their right order, where that is another one.
    """

    path: Path
    findings: list[Finding] = field(default_factory=list)
    cells: dict[tuple[int, str], str] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    rebuild: bool = False
    orders: list[list[int]] = field(default_factory=list)

    def add(self, rule: str, line: int, what: str, remedy: str = "", *, fixable: bool = False) -> None:
        """Write down a finding; without `remedy` that of the rule."""
        self.rebuild |= fixable
        self.findings.append(Finding(str(self.path), line, rule, what, remedy or RULES[rule].remedy, fixable))

    def add_rows(
        self, rule: str, lines: list[int], what: list[str], remedy: str = "", *, fixable: bool = False
    ) -> None:
        """Write down one finding per row; of many the first ones, and how many more there are."""
        for line, text in list(zip(lines, what, strict=True))[:_LISTED]:
            self.add(rule, line, text, remedy, fixable=fixable)
        if len(lines) > _LISTED:
            self.add(
                rule, lines[_LISTED], f"and {len(lines) - _LISTED} more of these", remedy, fixable=fixable
            )

    @property
    def rules(self) -> set[str]:
        """Names of the rules that were broken."""
        return {finding.rule for finding in self.findings}
