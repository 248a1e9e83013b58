"""From the stars to the horizon and back, as astropy has it, without any network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stranger_packages import python

from astrodetect.core.data import Site
from astrodetect.sky import frames, refraction
from astrodetect.sky.offline import stay_offline

SITE = Site(51.8831, -1.30616, 80.0)
TIMES = st.floats(1.0e9, 1.79e9)


def separation(a, b):
    """Angle between unit vectors in arcsec; good for small ones."""
    return 3600 * np.degrees(np.linalg.norm(a - b, axis=-1))


def test_the_horizon_is_that_of_astropy_to_an_arcsecond():
    stay_offline()
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time

    rng = np.random.default_rng(0)
    ra, dec, time = rng.uniform(0, 360, 40), rng.uniform(-30, 90, 40), rng.uniform(1.2e9, 1.78e9, 40)
    place = EarthLocation.from_geodetic(SITE.longitude, SITE.latitude, SITE.elevation)
    there = AltAz(obstime=Time(time, format="unix"), location=place)
    known = SkyCoord(ra * u.deg, dec * u.deg).transform_to(there)
    ours = frames.to_horizon(frames.vectors(ra, dec), time, SITE)
    assert separation(ours, frames.vectors(known.az.deg, known.alt.deg)).max() < 0.6
    mean = frames.to_horizon(frames.vectors(ra, dec), time, SITE, "mean")
    assert 5 < separation(mean, ours).max() < 40  # aberration and nutation


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90), TIMES, st.sampled_from(["apparent", "mean"]))
def test_there_and_back_again(ra, dec, time, rule):
    point, when = frames.vectors([ra], [dec]), np.array([time])
    again = frames.to_icrs(frames.to_horizon(point, when, SITE, rule), when, SITE, rule)
    assert separation(again, point).max() < 1e-6


def test_an_unknown_time_gives_nan_and_leaves_the_others():
    known = frames.to_icrs(frames.vectors([10.0, 10.0], [40.0, 40.0]), np.array([np.nan, 1.6e9]), SITE)
    assert np.isnan(known[0]).all()
    assert np.isfinite(known[1]).all()


@pytest.mark.parametrize(("true", "shift"), [(90.0, 0.0), (45.0, 0.98), (10.0, 5.4), (0.0, 28.9)])
def test_refraction_is_that_of_the_almanac(true, shift):
    """Minutes of arc at 1010 hPa and 10 degrees (Meeus 1998, chapter 16)."""
    assert 60 * (refraction.apparent_altitude(true) - true) == pytest.approx(shift, abs=0.1)


@given(st.floats(-10, 90))
def test_refraction_can_be_undone(true):
    seen = refraction.seen_altitude(true)
    assert refraction.true_altitude(seen) == pytest.approx(true, abs=1e-6)


OFFLINE = """
import socket
def refused(*arguments, **keywords):
    raise AssertionError("the network was asked")
class Shut(socket.socket):
    connect = connect_ex = refused
socket.socket, socket.create_connection, socket.getaddrinfo = Shut, refused, refused
import warnings
warnings.simplefilter("error")
import numpy as np
from astrodetect.core.data import Site
from astrodetect.sky import frames
from astrodetect.sky.lens import AllSkyLens
lens = AllSkyLens("equidistant", (240.0,), 320.0, 240.0, site=Site(48.0, 11.0, 500.0))
times = np.array([1.0e9, 1.6e9, 1.78e9, 2.2e9])
sky = lens.pixel_to_sky(100.0, 200.0, times)
assert np.isfinite(sky.ra).all()
from astropy.time import Time
print(Time(times[:3], format="unix").tai.iso[0], Time(1.6e9, format="unix").ut1.jd > 0)
"""


def test_nothing_is_downloaded_and_leap_seconds_are_known(tmp_path):
    done = python("-c", OFFLINE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2001-09-09 01:47:12.000 True\n"  # 32 s
