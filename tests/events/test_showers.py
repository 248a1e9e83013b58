"""A meteor is given to its shower by radiant, date and speed, and to none where one of them is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.data import Site
from astrodetect.events.directions import (
    celestial_to_earth,
    horizontal_to_earth,
    position,
    separation,
    solar_longitude,
    unit,
)
from astrodetect.events.showers import Paths, apparent_radiant, associate, shower_named, shower_table
from astrodetect.sky.frames import vectors

SITE = Site(48.0, 11.0, 500.0)
MAXIMUM = {
    "PER": 1723471200.0,
    "GEM": 1702565100.0,
    "LYR": 1682208000.0,
    "ORI": 1729504800.0,
    "LEO": 1731830400.0,
}


def when_high(code):
    """A time within half a day of the maximum at which the radiant stands 40 degrees high, or highest."""
    times = MAXIMUM[code] + np.arange(-12, 12) * 3600.0
    shower = shower_named(code)
    up = vectors(SITE.longitude, SITE.latitude)
    high = [float(celestial_to_earth(shower.ra, shower.dec, t) @ up) for t in times]
    return float(times[int(np.argmin(np.abs(np.array(high) - 0.6)))])


def meteor(code, az, alt, *, km=15.0, slower=1.0, aside=0.0, backward=False, time=None):
    """A path that begins at an azimuth and altitude, 95 km high, and comes from the radiant of a shower."""
    time = when_high(code) if time is None else time
    shower = shower_named(code)
    ra, dec = shower.radiant(float(solar_longitude(time)))
    radiant, speed = apparent_radiant(ra, dec, shower.speed, time, SITE)
    if aside:
        across = unit(np.cross(radiant, np.array([0.2, 0.3, 0.9])))
        radiant = unit(radiant * np.cos(np.radians(aside)) + across * np.sin(np.radians(aside)))
    begin = horizontal_to_earth([az], [alt], SITE)[0]
    origin, height = position(SITE), 95e3
    along = origin @ begin
    reach = -along + np.sqrt(along**2 + 2 * np.linalg.norm(origin) * height + height**2)
    end = unit(reach * begin - km * 1e3 * radiant)
    begin, end = (end, begin) if backward else (begin, end)
    pole = unit(np.cross(begin, end))
    duration = km / float(speed) * slower
    return Paths(begin[None], end[None], pole[None], np.array([1e-3]), np.array([SITE], dtype=float),
                 np.array([time]), np.array([duration]))  # fmt: skip


def code_of(paths):
    return str(associate(paths)[0])


@pytest.mark.parametrize("code", MAXIMUM)
@pytest.mark.parametrize(("az", "alt"), [(20.0, 60.0), (140.0, 45.0), (250.0, 50.0), (310.0, 70.0)])
def test_a_meteor_of_a_shower_is_given_to_it(code, az, alt):
    assert code_of(meteor(code, az, alt)) == code


@pytest.mark.parametrize("code", ["PER", "GEM", "ORI"])
def test_what_goes_towards_the_radiant_or_misses_it_or_comes_in_another_season_is_sporadic(code):
    assert code_of(meteor(code, 140.0, 45.0, backward=True)) != code
    assert code_of(meteor(code, 140.0, 45.0, aside=30.0)) != code
    half_a_year = when_high(code) + 182.5 * 86400
    shifted = meteor(code, 140.0, 45.0)
    shifted = Paths(*(getattr(shifted, n) for n in ("begin", "end", "pole", "tilt", "site")),
                    time=np.array([half_a_year]), duration=shifted.duration)  # fmt: skip
    assert code_of(shifted) != code


@pytest.mark.parametrize("slower", [0.3, 4.0])
def test_what_is_too_fast_or_too_slow_is_not_given_to_the_shower(slower):
    # Far from the radiant, where the angular speed says most.
    assert code_of(meteor("PER", 220.0, 45.0)) == "PER"
    assert code_of(meteor("PER", 220.0, 45.0, slower=slower)) != "PER"


def test_few_of_random_meteors_are_given_to_a_shower():
    rng = np.random.default_rng(1)
    n = 2000
    begin = horizontal_to_earth(rng.uniform(0, 360, n), rng.uniform(20, 80, n), SITE)
    way = unit(np.cross(begin, rng.normal(size=(n, 3))))
    length = np.radians(rng.uniform(3, 20, n))[:, None]
    end = begin * np.cos(length) + way * np.sin(length)
    paths = Paths(begin, end, unit(np.cross(begin, end)), np.full(n, 1e-3), np.tile(np.array(SITE), (n, 1)),
                  np.full(n, when_high("LYR")), rng.uniform(0.2, 1.0, n))  # fmt: skip
    assert np.mean(associate(paths) == "LYR") < 0.05


@settings(deadline=None)
@given(st.floats(0, 360), st.floats(-60, 85), st.floats(12, 71))
def test_zenith_attraction_draws_up_and_speeds_come_out_as_energy_says(ra, dec, speed):
    up = vectors(SITE.longitude, SITE.latitude)
    geocentric = celestial_to_earth(ra, dec, MAXIMUM["PER"])
    apparent, seen = apparent_radiant(ra, dec, speed, MAXIMUM["PER"], SITE)
    turning = 0.4651 * np.cos(np.radians(SITE.latitude))
    assert abs(seen - np.hypot(speed, 11.09)) <= turning + 1e-9
    # The turning of the Earth moves it by a few degrees at most, toward the east.
    aberration = np.degrees(turning / seen) * 1.05
    assert separation(apparent, up) <= separation(geocentric, up) + aberration


def test_the_table_is_sound():
    table = shower_table()
    assert len({shower.code for shower in table}) == len(table) > 50
    assert {"QUA", "LYR", "ETA", "SDA", "PER", "ORI", "STA", "NTA", "LEO", "GEM", "URS"} <= {
        s.code for s in table
    }
    for shower in table:
        assert shower.is_active(shower.peak), shower
        assert 0 <= shower.ra < 360, shower
        assert -90 <= shower.dec <= 90, shower
        assert 10 <= shower.speed <= 72, shower
        assert (shower.end - shower.begin) % 360 <= 90, shower


def test_without_a_duration_the_radiant_alone_decides_and_without_a_direction_nothing():
    path = meteor("GEM", 140.0, 45.0)
    fields = {n: getattr(path, n) for n in ("begin", "end", "pole", "tilt", "site", "time")}
    assert code_of(Paths(**fields, duration=np.array([np.nan]))) == "GEM"
    fields["pole"] = np.full((1, 3), np.nan)
    assert code_of(Paths(**fields, duration=path.duration)) == "SPO"
