"""The geometry under the events: frames, sites, the Sun; against exact results and astropy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.events import directions as d
from astrodetect.events.sites import determines_site, read_sites, site_from_positions
from astrodetect.sky.frames import angles, vectors

TIME = 1682113344.982  # 2023-04-21T21:42:24.982
latitudes, longitudes = st.floats(-80, 80), st.floats(-180, 180)
azimuths, altitudes = st.floats(0, 359.9), st.floats(5, 85)


@given(latitudes, longitudes, azimuths, altitudes)
def test_azimuth_and_altitude_go_to_the_earths_frame_and_back(lat, lon, az, alt):
    site = Site(lat, lon, 100.0)
    back = d.earth_to_horizontal(d.horizontal_to_earth([az], [alt], site), site)
    assert float(d.separation(vectors(*back), vectors([az], [alt]))[0]) < 1e-9


@given(azimuths, st.floats(-85, 85), st.floats(0, 2e9))
def test_right_ascension_and_declination_go_to_the_earths_frame_and_back(ra, dec, time):
    back = d.earth_to_celestial(d.celestial_to_earth([ra], [dec], [time]), [time])
    assert float(d.separation(vectors(*back), vectors([ra], [dec]))[0]) < 1e-9


@given(st.floats(0, 2 * math.pi), st.floats(1e-9, 3.1))
def test_small_and_large_angles_are_exact(turn, angle):
    a = np.array([1.0, 0.0, 0.0])
    b = np.array([math.cos(angle), math.sin(angle) * math.cos(turn), math.sin(angle) * math.sin(turn)])
    assert float(d.separation(a, b)) == pytest.approx(math.degrees(angle), rel=1e-7)


def test_the_zenith_is_up_and_azimuth_goes_from_north_to_east():
    site = Site(51.88, -1.31, 80.0)
    up, north, east = d.horizontal_to_earth([0, 0, 90], [90, 0, 0], site)
    assert angles(up) == (pytest.approx(358.69), pytest.approx(51.88))
    assert d.position(Site(52.0, -1.31, 80.0)) @ north > d.position(site) @ north
    assert d.position(Site(51.88, -1.0, 80.0)) @ east > d.position(site) @ east


def test_directions_are_those_of_astropy_but_for_aberration_and_nutation():
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    place = EarthLocation.from_geodetic(-1.30616, 51.8831, 80.0)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "warn"):
        frame = AltAz(obstime=Time(TIME, format="unix"), location=place)
        theirs = SkyCoord(139.4958, 8.4746, unit="deg").transform_to(frame)
    ours = d.celestial_to_earth([139.4958], [8.4746], [TIME])
    az, alt = d.earth_to_horizontal(ours, Site(51.8831, -1.30616, 80.0))
    miss = d.separation(vectors(az, alt), vectors([theirs.az.deg], [theirs.alt.deg]))
    assert float(miss[0]) < 40 / 3600


def test_geodetic_places_come_back():
    lat, lon, height = d.geodetic(d.position(Site(-33.5, 151.2, 95_000.0)))
    assert (float(lat), float(lon), float(height)) == pytest.approx((-33.5, 151.2, 95_000.0))


@pytest.mark.parametrize(
    ("time", "longitude"),
    [(1723471200.0, 140.0), (1702565100.0, 262.1), (1704358800.0, 283.2)],  # 2024 PER, 2023 GEM, 2024 QUA
)
def test_the_solar_longitude_is_that_of_the_calendars(time, longitude):
    assert float(d.solar_longitude(time)) == pytest.approx(longitude, abs=0.1)


def points(site, n=8, spread=20.0):
    az, alt = 120 + np.linspace(0, spread, n), 40 + np.linspace(0, spread / 2, n)
    time = TIME + np.arange(n) / 25
    return (*d.earth_to_celestial(d.horizontal_to_earth(az, alt, site), time), az, alt, time)


@settings(max_examples=50, deadline=None)
@given(latitudes, longitudes)
def test_a_site_follows_from_positions_in_both_systems(lat, lon):
    site = Site(lat, lon, 0.0)
    found = site_from_positions(*(np.round(column, 4) for column in points(site)[:4]), points(site)[4])
    apart = np.linalg.norm(d.position(found.site) - d.position(site)) / 1000
    assert apart < 0.3
    assert apart < 5 * found.error


def test_positions_that_contradict_each_other_or_lie_too_near_give_no_site():
    ra, dec, az, alt, time = points(Site(52.0, -1.0, 0.0))
    assert site_from_positions(ra, dec, -az, alt, time) is None
    assert site_from_positions(ra, dec, az + 180, alt, time) is None
    assert site_from_positions(ra[:1], dec[:1], az[:1], alt[:1], time[:1]) is None
    near = points(Site(52.0, -1.0, 0.0), spread=0.01)
    assert site_from_positions(*near) is None
    assert not determines_site(*near)
    assert determines_site(ra, dec, -az, alt, time)


def test_a_table_of_sites_is_read_whatever_its_columns_are_called(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("# ours\nStation, Lat, Lon, Elevation\nUK0006, 51.88, -1.31, 80\n\nUK0007, 50, 1,\n")
    assert read_sites(path) == {"UK0006": Site(51.88, -1.31, 80.0), "UK0007": Site(50.0, 1.0, 0.0)}
    path.write_text("latitude;longitude;camera_id\n1;2;A\n")
    assert read_sites(path) == {"A": Site(1.0, 2.0, 0.0)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("station,lat\nA,1\n", "line 1: no column 'lon'"),
        ("station,lat,lon\nA,1,2\nB,x,2\n", "line 3: 'B,x,2'"),
        ("station,lat,lon\nA,91,2\n", "line 2: 'A,91,2' is no place"),
    ],
)
def test_a_wrong_table_of_sites_is_refused_with_its_line(tmp_path, text, told):
    path = tmp_path / "sites.csv"
    path.write_text(text)
    with pytest.raises(AstrodetectError, match=f"sites.csv.*{told}"):
        read_sites(path)
