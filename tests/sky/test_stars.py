"""Stars are found where they are, and nothing else; catalogues are read whatever their columns are called."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from sky_samples import LENS, NIGHT, draw, sky, write_catalogue

from astrodetect.core.errors import AstrodetectError
from astrodetect.sky.catalogue import StarCatalogue, planets_at, read_star_catalogue
from astrodetect.sky.matching import match_nearest
from astrodetect.sky.stars import find_stars, fixed_places, measure_stars, spread_out

STARS = sky()


@pytest.fixture(scope="module")
def frame():
    return draw(LENS, STARS, NIGHT)


def test_bright_stars_are_found_to_a_tenth_of_a_pixel(frame):
    found = find_stars(frame, saturation=65535.0)
    x, y = LENS.sky_to_pixel(*STARS.at(NIGHT), NIGHT)
    high = np.hypot(x - LENS.x_centre, y - LENS.y_centre) < 190  # higher than 20 degrees
    x, y, magnitude = x[high], y[high], STARS.magnitude[high]
    beside = np.hypot(x[:, None] - x, y[:, None] - y) < 8
    beside &= (magnitude < magnitude[:, None] + 2.5) & ~np.eye(len(x), dtype=bool)
    alone = (magnitude < 4.0) & ~beside.any(1)
    apart = np.hypot(found.x[:, None] - x[alone], found.y[:, None] - y[alone]).min(0)
    assert alone.sum() > 20
    assert np.all(apart < 0.5)
    assert np.median(apart) < 0.1


def test_lamps_hot_pixels_and_noise_are_no_stars(frame):
    found = find_stars(frame, saturation=65535.0)
    lamp = (found.x > 80) & (found.x < 120) & (found.y > 30) & (found.y < 62)
    assert not lamp.any()
    x, y = LENS.sky_to_pixel(*STARS.at(NIGHT), NIGHT)
    near, _ = match_nearest(found.x, found.y, x, y, 2.0)
    assert len(near) > 0.93 * len(found)


def test_brightness_and_width_are_measured(frame):
    y, x = np.mgrid[:64, :64]
    image = 5000.0 / (2 * np.pi * 1.2**2) * np.exp(-((x - 30.3) ** 2 + (y - 33.8) ** 2) / (2 * 1.2**2))
    star = measure_stars(image, np.full_like(image, 2.0), np.array([30.0]), np.array([34.0]), fwhm=2.5)
    assert np.hypot(star.x[0] - 30.3, star.y[0] - 33.8) < 0.01
    assert star.fwhm[0] == pytest.approx(2.3548 * 1.2, rel=0.05)
    assert 0.95 * 5000 < star.flux[0] < 5000
    assert star.elongation[0] < 0.05


def test_an_empty_frame_has_no_stars_and_a_masked_one_is_an_error():
    assert len(find_stars(np.full((60, 80), 7, dtype=np.uint8))) == 0
    with pytest.raises(AstrodetectError, match="no pixel"):
        find_stars(np.zeros((60, 80)), np.ones((60, 80), dtype=bool))


def test_likely_stars_are_spread_over_the_frame(frame):
    found = find_stars(frame, saturation=65535.0)
    likely = spread_out(found, frame.shape, cells=8, each=2)
    cells = (likely.y / 480 * 8).astype(int) * 8 + (likely.x / 640 * 8).astype(int)
    assert np.bincount(cells).max() == 2
    assert np.all(np.diff(likely.flux) <= 0)


def test_what_stands_still_for_an_hour_is_told(frame):
    later = find_stars(draw(LENS, STARS, NIGHT + 3600, seed=2))
    first = find_stars(frame)
    fixed = fixed_places([first, later], [NIGHT, NIGHT + 3600])
    assert fixed[0].mean() < 0.1
    assert fixed_places([first, first], [NIGHT, NIGHT + 3600])[0].all()
    assert not fixed_places([first, first], [NIGHT, NIGHT + 60])[0].any()


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_pairs_are_each_others_nearest_within_the_radius(n, m, seed):
    rng = np.random.default_rng(seed)
    x, y, u_, v = rng.uniform(0, 10, n), rng.uniform(0, 10, n), rng.uniform(0, 10, m), rng.uniform(0, 10, m)
    apart = np.hypot(x[:, None] - u_, y[:, None] - v)
    wanted = {
        (i, int(j)) for i in range(n) if m
        for j in [apart[i].argmin()] if apart[i, j] < 2 and apart[:, j].argmin() == i
    }  # fmt: skip
    assert set(zip(*(part.tolist() for part in match_nearest(x, y, u_, v, 2.0)), strict=True)) == wanted


def test_proper_motion_agrees_with_astropy():
    stars = StarCatalogue(
        np.array([269.452]), np.array([4.6933]), np.array([9.5]), np.array([-0.79858]), np.array([10.32812]),
        np.array(["Barnard"]), epoch=1991.25,
    )  # fmt: skip
    time = Time("2024-01-01T00:00:00")
    coordinate = SkyCoord(
        269.452 * u.deg, 4.6933 * u.deg, pm_ra_cosdec=-0.79858 * u.arcsec / u.yr,
        pm_dec=10.32812 * u.arcsec / u.yr, obstime=Time(1991.25, format="jyear"), distance=1.8 * u.pc,
        radial_velocity=0 * u.km / u.s,
    )  # fmt: skip
    moved = coordinate.apply_space_motion(time)
    ra, dec = stars.at(time.unix)
    assert SkyCoord(ra[0], dec[0], unit="deg").separation(moved).arcsec < 0.05


@pytest.mark.parametrize(
    ("names", "unit"),
    [
        (("RAJ2000", "DEJ2000", "Vmag"), "deg"),
        (("ra_icrs", "de_icrs", "phot_g_mean_mag"), None),
        (("RA", "DEC", "mag"), "rad"),
    ],
)
def test_columns_are_recognised_and_units_converted(tmp_path, names, unit):
    ra, dec = STARS.ra[:50], STARS.dec[:50]
    factor = np.pi / 180 if unit == "rad" else 1.0
    table = Table(dict(zip(names, (ra * factor, dec * factor, STARS.magnitude[:50]), strict=True)))
    if unit:
        table[names[0]].unit = table[names[1]].unit = unit
    table.write(tmp_path / "stars.fits")
    stars = read_star_catalogue(tmp_path / "stars.fits", 7.0)
    assert len(stars) == 50
    np.testing.assert_allclose(stars.ra, ra)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"x": [1.0], "dec": [2.0], "mag": [3.0]}, "no column of right ascension"),
        ({"ra": [400.0], "dec": [2.0], "mag": [3.0]}, "column ra reaches 400; expected degrees"),
        ({"ra": [10.0], "dec": [2.0] * u.m, "mag": [3.0]}, "column dec is in m; expected an angle"),
        ({"ra": [10.0], "dec": [2.0], "mag": [9.0]}, "no star up to magnitude 6"),
        ({"ra": np.linspace(0, 23.9, 2000), "dec": [2.0] * 2000, "mag": [3.0] * 2000}, "hours"),
    ],
)
def test_a_wrong_catalogue_is_told_in_one_line(tmp_path, table, told):
    path = tmp_path / "stars.ecsv"
    Table(table).write(path)
    with pytest.raises(AstrodetectError, match=told) as error:
        read_star_catalogue(path, 6.0)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_picture_is_no_catalogue(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"not FITS")
    for path in ("a.fits", "missing.fits"):
        with pytest.raises(AstrodetectError, match=path):
            read_star_catalogue(tmp_path / path)


def test_a_catalogue_of_ours_is_read_back(tmp_path):
    stars = read_star_catalogue(write_catalogue(tmp_path / "stars.fits", STARS), 5.0)
    assert len(stars) == np.sum(STARS.magnitude <= 5.0)
    assert np.all(np.diff(stars.magnitude) >= 0)


def test_the_planets_are_where_they_were():
    names, ra, _ = planets_at(Time("2020-12-21T18:00:00").unix)  # the great conjunction
    jupiter, saturn = (ra[names.index(name)] for name in ("jupiter", "saturn"))
    assert jupiter == pytest.approx(saturn, abs=0.2)


def test_real_stars_of_an_all_sky_camera_are_found(real_data):
    catalogue = read_star_catalogue(real_data / "allsky" / "hipparcos.fits.gz", 4.0)
    assert 450 < len(catalogue) < 560
    assert catalogue.name[0] == "HIP 32349"
