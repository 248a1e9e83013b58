"""Files of other programs, checked: what is wrong, where, and what to do about it.

`lint` gives the findings of a file, and a corrected text where something can be corrected surely.
"""

from astrodetect.lint.checking import Report, lint
from astrodetect.lint.findings import RULES, Finding, Rule

__all__ = ["RULES", "Finding", "Report", "Rule", "lint"]
