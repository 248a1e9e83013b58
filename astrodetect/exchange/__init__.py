"""Files that others exchange, read and written; one module per format.

`read` gives the content of any of them, `Format` is what a format implements. Other distributions add
formats by entry points of the group ``astrodetect.exchange``.
"""

from astrodetect.exchange.formats import Format, format_named, format_of_file, read
from astrodetect.exchange.model import Content, Fault, Item, Observed, Row

__all__ = [
    "Content", "Fault", "Format", "Item", "Observed", "Row", "format_named", "format_of_file", "read",
]  # fmt: skip
