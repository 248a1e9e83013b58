"""astropy's tables of time as they came with it: nothing is ever downloaded.

The one place that says so. Whoever uses `astropy.time` or `astropy.coordinates` calls `stay_offline`
before.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np

from astrodetect.core.calibration import Floats

#: Modified Julian date of the Unix epoch, in days.
UNIX_MJD = 40587.0


@cache
def stay_offline() -> None:
    """Let astropy take leap seconds and the rotation of the Earth from its bundled tables alone.

    Also when they are old: a prediction that has run out is off by some 0.1 s, 1.5 arcsec of azimuth.
    """
    from astropy.time import Time
    from astropy.utils import iers

    iers.conf.auto_download = False
    iers.conf.auto_max_age = None
    iers.conf.iers_degraded_accuracy = "ignore"
    with warnings.catch_warnings():  # once per process, astropy says that its table of leap seconds is old
        warnings.simplefilter("ignore")
        _ = Time(0.0, format="unix").tai.jd


def ut1_minus_utc(time: Floats) -> Floats:
    """Give UT1 - UTC from the table bundled with astropy (IERS Bulletins A and B).

    Parameters
    ----------
    time : (n,) float64 array
        UTC Unix seconds.

    Returns
    -------
    (n,) float64 array
        Seconds; beyond the table its last value, before it 0.
    """
    days, values = _table()
    found: Floats = np.interp(UNIX_MJD + time / 86400, days, values, left=0.0)
    return found


@cache
def _table() -> tuple[Floats, Floats]:
    stay_offline()
    from astropy.utils import iers

    table = iers.IERS_Auto.open()
    days = np.asarray(table["MJD"].value, dtype=np.float64)
    return days, np.asarray(table["UT1_UTC"].value, dtype=np.float64)
