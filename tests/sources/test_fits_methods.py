"""Dates, headers and cadences, against astropy where it has an opinion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from astrodetect.methods.fits_cadence import measure_cadence
from astrodetect.methods.fits_headers import (
    Header,
    camera_name,
    exposure_time,
    frame_rate_card,
    parse_degrees,
    saturation_level,
    site_of,
)
from astrodetect.methods.fits_times import observation_time, parse_utc
from astrodetect.methods.freeture_positions import (
    Position,
    clock_of,
    match_frames,
    parse_positions,
    row_from_top,
)


@given(st.integers(0, 4_000_000_000_000))
def test_iso_dates_as_astropy_reads_them(milliseconds):
    text = str(np.datetime64(milliseconds, "ms"))
    assert parse_utc(text) == (pytest.approx(milliseconds / 1000, abs=1e-6), True)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2019-04-15T19:49:60", "2019-04-15T19:50:00"),
        ("2019-04-15T19:49:7", "2019-04-15T19:49:07"),
        ("2019-04-15 19:49", "2019-04-15T19:49:00"),
        ("20190415T194907", "2019-04-15T19:49:07"),
        ("2019-04-15T19:49:07Z", "2019-04-15T19:49:07"),
        ("2019-04-15T21:49:07+02:00", "2019-04-15T19:49:07"),
        ("2019/04/15T19:49:07.250", "2019-04-15T19:49:07.250"),
    ],
)
def test_dates_that_others_write(text, same):
    assert parse_utc(text)[0] == pytest.approx(Time(same).unix, abs=1e-5)


@pytest.mark.parametrize("text", ["", "yesterday", "2019-13-01T00:00:00", "31/02/99", "2019-04-15T19:99:00"])
def test_what_is_no_date(text):
    assert math.isnan(parse_utc(text)[0])


def test_where_the_time_stands():
    noon = Time("2002-07-26T12:00:00").unix
    assert observation_time({"DATE-OBS": "26/07/102", "TIME-OBS": "12:00:00"}) == noon
    assert observation_time({"DATE-OBS": "2002-07-26", "UT": "12:00:00"}) == noon
    assert observation_time({"DATE-OBS": "2002-07-26", "MJD-OBS": 52481.5}) == pytest.approx(noon)
    assert observation_time({"JD": 2452482.0}) == pytest.approx(noon)
    assert observation_time({"DATE-AVG": "2002-07-26T12:00:30"}, 60.0) == noon
    assert math.isnan(observation_time({"DATE-OBS": "2002-07-26"}))
    assert math.isnan(observation_time({"DATE": "2002-07-26T12:00:00"}))


@given(
    st.dictionaries(
        st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=8).filter(
            lambda name: (
                name not in {"END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH", "SIMPLE", "XTENSION"}
            )
        ),
        st.one_of(
            st.booleans(),
            st.integers(-(2**60), 2**60),
            st.floats(-1e30, 1e30, allow_nan=False),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=25),
        ),
        max_size=20,
    )
)
def test_headers_as_astropy_writes_them(cards):
    header = fits.Header()
    for name, value in cards.items():
        header[name] = value, "a comment"
    header = fits.Header.fromstring(header.tostring())
    read = Header(header.tostring().encode("ascii"))
    for name, value in cards.items():
        if isinstance(value, str):
            # Against what was written: astropy itself reads '/ after a doubled quote as the end of the text.
            assert read.get(name, "").rstrip() == value.rstrip()
        else:
            assert read[name] == pytest.approx(header[name], rel=1e-14)


def test_what_headers_say():
    assert camera_name({"TELESCOP": " ", "INSTRUME": "CAM"}) == "CAM"
    assert exposure_time({"EXPOSURE": "120.0"}) == 120
    assert math.isnan(exposure_time({"EXPOSURE": 999999}))
    assert saturation_level({}, np.dtype("u1")) == 255
    assert saturation_level({}, np.dtype("u2")) == 65535
    assert math.isnan(saturation_level({}, np.dtype("f4")))
    assert frame_rate_card({"CD3_3": 30, "PROGRAM": "FreeTure"}) == 30
    assert math.isnan(frame_rate_card({"CD3_3": 30}))
    assert frame_rate_card({"CDELT3": 0.04, "CUNIT3": "s"}) == 25
    assert site_of({"LATITUDE": "-32:22:30", "LONGITUD": " 20:48:00"})[:2] == (-32.375, pytest.approx(20.8))
    assert site_of({"SITELAT": 45.0, "SITELONG": 350.0, "SITEELEV": 12})[1:] == (-10, 12)
    assert site_of({"SITELAT": 0.0, "SITELONG": 0.0}) is None
    assert site_of({}) is None
    assert math.isnan(parse_degrees("north"))


@given(st.floats(0.5, 200), st.integers(3, 80), st.integers(0, 1000))
def test_cadence_of_jittered_times(rate, n, seed):
    jitter = np.random.default_rng(seed).uniform(-0.1, 0.1, n) / rate
    cadence = measure_cadence(np.arange(n) / rate + jitter)
    assert cadence.frame_rate == pytest.approx(rate, rel=0.25 / (n - 1) + 1e-9)
    assert cadence.gaps == ()
    assert cadence.n_repeated == 0


@given(st.integers(8, 60), st.data())
def test_every_gap_is_counted(n, data):
    lost = data.draw(st.sets(st.integers(1, n - 2), max_size=n // 4))
    kept = np.array([i for i in range(n) if i not in lost])
    cadence = measure_cadence(1.7e9 + kept / 30)
    assert cadence.n_missing == len(lost)
    assert cadence.frame_rate == pytest.approx(30, rel=1e-3)


def test_no_cadence_without_movement():
    assert math.isnan(measure_cadence([5.0, 5.0]).frame_rate)
    assert math.isnan(measure_cadence([5.0]).frame_rate)
    assert math.isnan(measure_cadence([]).frame_rate)


@given(st.integers(2, 40), st.floats(5, 60), st.integers(0, 1000), st.integers(0, 50))
def test_positions_find_their_frame_whatever_the_index(n, rate, seed, shift):
    times = 1.5e9 + np.arange(n) / rate
    chosen = np.random.default_rng(seed).integers(0, n, 10)
    positions = [Position(int(i) + shift, 1.0, 1.0, times[i] + 1e-4) for i in chosen]
    assert match_frames(positions, times, 1 / rate).tolist() == chosen.tolist()


def test_positions_between_frames_match_none():
    positions = [Position(0, 1, 1, 10.0)]
    assert match_frames(positions, np.array([0.0, 1.0]), 1.0).tolist() == [-1]
    assert match_frames(positions, np.array([10.2]), 1.0).tolist() == [0]
    assert match_frames([], np.array([10.2]), 1.0).tolist() == []


def test_rows_from_the_top_and_clock():
    assert row_from_top(966, 966) == 0
    assert row_from_top(1, 966) == 965
    positions = [Position(10 + i, 0, 0, 100.0 + i / 30) for i in (0, 3, 9)]
    start, rate = clock_of(positions)
    assert rate == pytest.approx(30)
    assert start == pytest.approx(100 - 10 / 30)
    assert math.isnan(clock_of(positions[:1])[1])
    assert parse_positions("\n1 (2;3) nonsense\nx\n")[1] == [2, 3]
