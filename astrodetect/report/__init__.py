"""A report of a night: one page with pictures that opens from disk, made from a catalog.

`writer` makes it: `reopen` finds the recordings again, `pictures` reads their frames, `stretch`
makes grey levels of them, `drawing` draws tracks and light curves, `sections` and `page` write
HTML, `folder` puts it in place.
"""

from astrodetect.report.settings import ReportSettings
from astrodetect.report.writer import Written, write_report

__all__ = ["ReportSettings", "Written", "write_report"]
