"""What can be wrong with a file, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

#: ``error``: a reader fails, or takes wrong numbers for right. ``warning``: against the standard. ``note``:
#: the file is right, and one may want to know; it does not count.
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Rule:
    """One thing that is looked for.

    Attributes
    ----------
    severity : str
        ``error``, ``warning`` or ``note``.
    reason : str
        Why it matters.
    remedy : str
        What to do about it.
    """

    severity: Severity
    reason: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    file : str
        The file.
    line : int
        From 1; 0 where it concerns the whole file.
    rule : str
        Key of `RULES`.
    what : str
        What is there, and what was expected.
    remedy : str
        What to do about it.
    fixable : bool
        ``--fix`` corrects it.
    """

    file: str
    line: int
    rule: str
    what: str
    remedy: str
    fixable: bool = False

    @property
    def severity(self) -> Severity:
        """``error``, ``warning`` or ``note``."""
        return RULES[self.rule].severity

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {**asdict(self), "severity": self.severity}

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        mark = " (--fix)" if self.fixable else ""
        return f"{where}: {self.severity}: {self.what} [{self.rule}]\n    {self.remedy}{mark}"


def _error(reason: str, remedy: str) -> Rule:
    return Rule("error", reason, remedy)


def _warning(reason: str, remedy: str) -> Rule:
    return Rule("warning", reason, remedy)


def _note(reason: str, remedy: str) -> Rule:
    return Rule("note", reason, remedy)


_LOADS = "readers refuse the file or skip the line"
_SEES = "a solver takes the numbers as they stand and puts the meteor elsewhere"

#: All rules by their name.
RULES: Mapping[str, Rule] = {
    # The text.
    "unreadable": _error("nothing in it can be relied on", "get the file again from whoever made it"),
    "encoding": _warning("other programs read it as UTF-8 and fail or show wrong names", "save it as UTF-8"),
    "byte-order-mark": _error("the first line is not recognised with the mark before it", "save it without"),
    "not-a-number": _error(_LOADS, "correct the value, or get the file again"),
    "column-count": _error(_LOADS, "the row is cut off or has stray delimiters: get the file again"),
    "no-line-end": _warning("a value that was cut off still looks like a number", "get the file again"),
    "no-rows": _error("there is nothing to exchange", "the file is cut off: get it again"),
    # ECSV.
    "not-ecsv": _error("astropy knows ECSV by its first line", "begin the file with '# %ECSV 0.9'"),
    "bad-head": _error("astropy refuses a head that is not valid YAML", "write the head anew"),
    "delimiter": _warning("the standard asks for commas", "separate the columns by commas"),
    "undeclared-column": _error("astropy refuses the file", "declare the column in the head"),
    "absent-column": _error("astropy refuses the file", "take the column out of the head"),
    "column-order": _error("astropy refuses the file", "declare the columns in the order of the table"),
    "repeated-column": _error("which of the two counts is left to the reader", "take one of them out"),
    "missing-key": _error("without the site nothing can be solved", "add the key to meta"),
    "missing-column": _error("the standard asks for it", "add the column"),
    "unit": _warning("who believes the unit converts right numbers to wrong ones", "state deg or pix"),
    "datatype": _warning("a reader takes numbers for text", "declare float64"),
    "magnitude-label": _warning("the brightness is not found", "let mag_label name a column, or no_mag_data"),
    "site-decimals": _warning("the standard asks for six: 0.1 m", "write latitude and longitude with six"),
    "no-camera": _error("WMPL skips a file without a camera", "add camera_id"),
    "frames-size": _warning("cx and cy are needed to undo a flipped y", "write whole pixels above 0"),
    # FTPdetectinfo.
    "meteor-count": _error("readers trust it; too many stated: the file is cut off", "state the count"),
    "segment-count": _error("readers trust it; too many stated: rows are missing", "state the count"),
    "header-lines": _error("readers skip eleven lines before the first meteor", "write the header of eleven"),
    "meteor-number": _warning("tools name a meteor by its number", "number from 1"),
    "ff-name": _error("the time of the meteor is in the name of its FF file alone", "restore the name"),
    "camera-name": _warning("the site is looked up by this name", "write the station of the FF file"),
    "frame-range": _error("an FF file holds 256 frames: the time is wrong otherwise", "count from its first"),
    "duplicate": _note("one meteor counts twice", "take the copy out"),
    "uncalibrated": _note("there is nothing to solve with", "calibrate the camera and write it again"),
    # Times.
    "time-format": _error("strict readers refuse it, others lose digits", "write 2024-08-12T22:30:00.123"),
    "time-decimals": _error("a meteor moves kilometres in a rounding", "write at least three decimals"),
    "time-order": _error("speeds come out negative", "sort the rows by time"),
    "time-step": _error("one row at another time is a wrong speed", "correct it, or leave the row out"),
    "frame-rate": _error("every speed is wrong by this factor", "state the frame rate of the recording"),
    "start-time": _warning("two statements of the time contradict each other", "correct isodate_start_obs"),
    "file-time": _warning("two statements of the time contradict each other", "correct the name of the file"),
    # Places in the image.
    "zero-pixels": _warning("(0, 0) is a corner, it is not unknown", "write nan where it is not known"),
    "outside-image": _error("no camera sees there", "check cx, cy and the columns"),
    "y-from-bottom": _error("y counts from the top in every format here", "write cy - 1 - y"),
    "platepar": _warning("the calibration beside the file says otherwise", "recalibrate, or replace it"),
    # Places on the sky.
    "range": _error("it is no place on the sky", "correct the value or its column"),
    "azimuth-range": _warning("the standard asks for 0 to 360 degrees", "add 360"),
    "zero-sky": _error(_SEES, "leave the row out, or measure it"),
    "below-horizon": _error("nothing is seen there", "check for swapped or negated columns"),
    "azimuth-from-south": _error(_SEES, "add 180 degrees: azimuth counts from north"),
    "azimuth-reversed": _error(_SEES, "change its sign: azimuth grows to the east"),
    "azimuth-south-reversed": _error(_SEES, "write 180 degrees minus it: from north, to the east"),
    "zenith-distance": _error(_SEES, "write 90 degrees minus it"),
    "refraction": _error("altitudes are exchanged without refraction", "take the refraction out"),
    "of-date": _error(_SEES, "precess RA and Dec to J2000"),
    "hours": _error(_SEES, "multiply RA by 15: it is in hours"),
    "radians": _error(_SEES, "convert to degrees"),
    "longitude-sign": _error(_SEES, "change its sign: longitude grows to the east"),
    "latitude-sign": _error(_SEES, "change its sign: latitude grows to the north"),
    "site-swapped": _error(_SEES, "swap latitude and longitude"),
    "time-zone": _error(_SEES, "write UTC"),
    "inconsistent": _error("positions, time or site are wrong", "measure again"),
    "outlier": _error("one wrong point pulls the solution", "correct the row or leave it out"),
}  # fmt: skip
