"""The columns of a catalog: names, types, units and meanings, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """One column of a catalog table.

    Attributes
    ----------
    name : str
        Column name.
    dtype : str
        NumPy type string; ``"str"`` for variable-length text.
    unit : str
        Unit in the FITS standard's spelling, empty where there is none.
    description : str
        One line.
    """

    name: str
    dtype: str
    unit: str
    description: str


#: What a detector has to give for every detection.
REQUIRED_COLUMNS = ("x_min", "y_min", "x_max", "y_max", "label", "probability")

#: What a pipeline may do with a detection; more labels come from plugins.
LABELS = (
    "meteor", "aircraft", "satellite", "slow", "insect", "bird", "lightning", "flash", "cloud", "star",
    "static", "noise", "streak", "source", "galaxy", "unknown",
)  # fmt: skip

_SKY = tuple(
    Column(f"{name}_{end}", "float64", "deg", f"{what} in the {when} frame; NaN without a calibration")
    for name, what in (
        ("ra", "right ascension, ICRS"),
        ("dec", "declination, ICRS"),
        ("az", "azimuth of date, east of north"),
        ("alt", "altitude of date, without refraction"),
    )
    for end, when in (("start", "first"), ("end", "last"))
)

DETECTION_COLUMNS: tuple[Column, ...] = (
    Column("detection_id", "int64", "", "hash of recording, window and rank"),
    Column("recording_id", "int64", "", "hash of the recording's relative path and fingerprint"),
    Column("time_start", "float64", "s", "UTC Unix seconds of the first frame; NaN without absolute time"),
    Column("time_end", "float64", "s", "UTC Unix seconds of the last frame; NaN without absolute time"),
    Column("frame_start", "int64", "", "first frame, 0-based in the recording"),
    Column("frame_end", "int64", "", "last frame, inclusive"),
    Column("x_start", "float64", "pix", "x in the first frame"),
    Column("y_start", "float64", "pix", "y in the first frame, downward"),
    Column("x_end", "float64", "pix", "x in the last frame"),
    Column("y_end", "float64", "pix", "y in the last frame, downward"),
    Column("x_min", "float64", "pix", "left edge of the box"),
    Column("y_min", "float64", "pix", "top edge of the box"),
    Column("x_max", "float64", "pix", "right edge of the box, exclusive"),
    Column("y_max", "float64", "pix", "bottom edge of the box, exclusive"),
    Column("label", "str", "", "class"),
    Column("probability", "float32", "", "probability that the label is right"),
    Column("accepted", "bool", "", "passed the pipeline's [accept] table"),
    Column("reason", "str", "", "why it was not accepted; empty if it was"),
    Column("score", "float32", "", "what the patch selector ranked by"),
    Column("n_frames", "int64", "", "frames in which it was seen"),
    Column("speed", "float64", "pix", "pixels per frame"),
    Column("peak", "float64", "adu", "highest pixel above background"),
    Column("flux", "float64", "adu", "sum above background over all frames"),
    Column("snr", "float64", "", "peak signal-to-noise in one frame, aperture of 2 FWHM diameter"),
    Column("n_saturated", "int64", "", "saturated pixels, summed over frames"),
    Column("peak_magnitude", "float64", "mag", "apparent magnitude at the peak; NaN without photometry"),
    *_SKY,
)

TRACK_COLUMNS: tuple[Column, ...] = (
    Column("detection_id", "int64", "", "the detection this point belongs to"),
    Column("frame", "int64", "", "frame, 0-based in the recording"),
    Column("time", "float64", "s", "start of exposure, UTC Unix seconds, or seconds from the first frame"),
    Column("x", "float64", "pix", "centroid"),
    Column("y", "float64", "pix", "centroid, downward"),
    Column("flux", "float64", "adu", "sum above background"),
    Column("snr", "float64", "", "signal-to-noise in the aperture along the path of this frame"),
    Column("background", "float64", "adu", "background level at this place, per pixel"),
    Column("n_saturated", "int64", "", "saturated pixels"),
)

#: Columns of a track where they are known: with a calibration, with photometry.
OPTIONAL_TRACK_COLUMNS: tuple[Column, ...] = (
    Column("ra", "float64", "deg", "right ascension, ICRS"),
    Column("dec", "float64", "deg", "declination, ICRS"),
    Column("az", "float64", "deg", "azimuth of date, east of north"),
    Column("alt", "float64", "deg", "altitude of date, without refraction"),
    Column("ra_error", "float64", "deg", "standard error of ra on the great circle, cos(dec) included"),
    Column("dec_error", "float64", "deg", "standard error of dec"),
    Column("az_error", "float64", "deg", "standard error of az on the great circle, cos(alt) included"),
    Column("alt_error", "float64", "deg", "standard error of alt"),
    Column("magnitude", "float64", "mag", "apparent magnitude"),
    Column("magnitude_error", "float64", "mag", "standard error of magnitude"),
)

#: Columns of ``/recordings`` that say where a camera stands.
SITE_COLUMNS = (
    Column("site_latitude", "float64", "deg", "where the camera stands, north; NaN if unknown"),
    Column("site_longitude", "float64", "deg", "where the camera stands, east; NaN if unknown"),
    Column("site_elevation", "float64", "m", "where the camera stands, above sea level; NaN if unknown"),
)

RECORDING_COLUMNS: tuple[Column, ...] = (
    Column("recording_id", "int64", "", "hash of relative path and fingerprint"),
    Column("path", "str", "", "path relative to root"),
    Column("root", "str", "", "the input under which it was found"),
    Column("source", "str", "", "name of the frame source that read it"),
    Column("camera", "str", "", "station or camera, as the recording says"),
    Column("fingerprint", "str", "", "fingerprint of the content"),
    Column("time_start", "float64", "s", "UTC Unix seconds of the first frame; NaN if unknown"),
    Column("time_end", "float64", "s", "UTC Unix seconds of the last frame; NaN if unknown"),
    Column("calibration", "str", "", "what gave the positions on the sky; empty: none"),
    *SITE_COLUMNS,
    Column("frame_rate", "float64", "Hz", "frames per second; NaN if unknown"),
    Column("width", "int64", "pix", "frame width"),
    Column("height", "int64", "pix", "frame height"),
    Column("n_frames", "int64", "", "frames decoded"),
    Column("n_windows", "int64", "", "windows examined"),
    Column("n_candidates", "int64", "", "patches selected in all windows"),
    Column("n_detections", "int64", "", "rows in /detections"),
    Column("n_accepted", "int64", "", "rows in /detections that were accepted"),
    Column("status", "str", "", "done, partial or failed"),
    Column("message", "str", "", "warnings, or why it failed"),
    Column("seconds", "float64", "s", "time it took"),
)


def site_columns(site: Sequence[float] | None) -> dict[str, float]:
    """Give the columns of ``/recordings`` for a site (latitude, longitude, elevation); NaN for none.

    Examples
    --------
    >>> site_columns((51.5, -1.25, 80))
    {'site_latitude': 51.5, 'site_longitude': -1.25, 'site_elevation': 80.0}
    """
    values = (float("nan"),) * 3 if site is None else site
    return {column.name: float(value) for column, value in zip(SITE_COLUMNS, values, strict=True)}
