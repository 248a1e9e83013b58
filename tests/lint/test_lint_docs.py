"""Every rule is explained on the page of the linter, and the page names no other."""

import re
from pathlib import Path

from astrodetect.lint import RULES

PAGE = Path(__file__).parents[2] / "docs" / "lint.md"


def test_every_rule_is_on_the_page():
    cells = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`([a-z0-9-]+)`", cell)} == set(RULES)
