"""How a catalog shows itself in a notebook, and gives its tables to pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

    from astrodetect.catalogs.reader import Catalog


class ShowsItself:
    """What `astrodetect.catalogs.reader.Catalog` has for notebooks."""

    def _repr_html_(self: Catalog) -> str:  # type: ignore[misc]
        from astrodetect.catalogs.facts import facts
        from astrodetect.core.showing import table, text

        if self._file is None:
            return f"<p>{text(repr(self))}, closed</p>"
        known = facts(self)
        states = ", ".join(f"{n} {status}" for status, n in sorted(known["recordings"].items())) or "none"
        rows = known["detections"]
        columns = {
            "label": list(rows),
            "accepted": [counted["accepted"] for counted in rows.values()],
            "rejected": [counted["rejected"] for counted in rows.values()],
        }
        span = f", {known['time_first']} to {known['time_last']} UTC" if known["time_first"] else ""
        unfinished = "; unfinished" if known["unfinished"] else ""
        title = f"{self.path}: recordings: {states}; {known['frames']} frames{span}{unfinished}"
        return table(columns, len(rows), title)

    def to_pandas(self: Catalog, table: str = "detections") -> DataFrame:  # type: ignore[misc]
        """Give a table as a `pandas.DataFrame`.

        Parameters
        ----------
        table : str
            ``detections``, ``recordings``, ``tracks``, ``camera/detections`` or ``camera/tracks``.

        Raises
        ------
        AstrodetectError
            pandas is not installed, or the catalog is closed.
        """
        from astrodetect.core.showing import to_pandas

        columns: dict[str, Any] = self.read_columns(list(self.columns(table)), table)
        return to_pandas(columns)
