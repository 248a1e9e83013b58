"""Plate solutions of RMS: every distortion, both meanings of the pointing, and the network's own numbers."""

import json
import re

import numpy as np
import pytest

from astrodetect.core.calibrating import load_calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.names import time_from_name
from astrodetect.plugins.calibrations.platepar import PlateparFile
from astrodetect.sky import frames
from astrodetect.sky.distortion import POLYNOMIAL, RADIAL, coefficients_needed
from astrodetect.sky.platepar import Platepar
from astrodetect.sky.platepar_files import platepar_from, star_residual, stars_of

JD = 2459950.25
TIME = (JD - 2440587.5) * 86400

#: A camera of 88 x 47 degrees, as RMS writes it.
VALUES = {
    "version": 2, "X_res": 1280, "Y_res": 720, "lat": 51.88, "lon": -1.31, "elev": 80.0, "JD": JD,
    "Ho": 135.2, "RA_d": 92.4, "dec_d": 15.8, "pos_angle_ref": 29.3, "F_scale": 15.65, "refraction": True,
    "distortion_type": "radial7-odd", "equal_aspect": True, "force_distortion_centre": False,
    "asymmetry_corr": True, "station_code": "UK0006", "mag_lev": 10.6, "mag_lev_stddev": 0.2,
    "x_poly_fwd": [-0.018, 0.097, 0.008, -1.38, 0.069, 0.0067, 0.0082], "y_poly_fwd": [0.5] + [0.0] * 6,
    "distorsion_type": "poly3+radial", "star_list": [],
}  # fmt: skip


def with_stars(values, pointing="plain", swapped=False, moved=0.0, n=12):
    """The same platepar with stars that fit one meaning of its pointing."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(20, 1260, n), rng.uniform(20, 700, n)
    sky = platepar_from(values, pointing).pixel_to_sky(x + moved, y, TIME)
    first, second = (y, x) if swapped else (x, y)
    rows = np.stack([np.full(n, JD), first, second, x, sky.ra, sky.dec, x / 300], axis=1)
    return {**values, "star_list": rows.tolist()}


def made(kind, *, fixed_centre=False, equal_aspect=False, asymmetric=False):
    """A platepar with small random distortion of a type."""
    rng = np.random.default_rng(len(kind))
    flags = {"fixed_centre": fixed_centre, "equal_aspect": equal_aspect, "asymmetric": asymmetric}
    n = coefficients_needed(kind, **flags)
    if kind in POLYNOMIAL:
        sizes = np.array([3, 1e-2, 1e-2, 1e-5, 1e-5, 1e-5, 1e-8, 1e-8, 1e-8, 1e-8, 1e-5, 1e-5, 1e-11, 1e-17])
        lists = [tuple(sizes[:n] * rng.uniform(-1, 1, n)) for _ in "xy"]
    else:
        lists = [tuple(0.02 * rng.uniform(-1, 1, n)), ()]
    values = platepar_from(VALUES)
    return Platepar(
        1280, 720, values.site, 92.4, 15.8, 135.2, 29.3, 15.65, kind, *lists,
        equal_aspect, fixed_centre, asymmetric, refraction=True, residual=0.2,
    )  # fmt: skip


@pytest.mark.parametrize("pointing", ["plain", "precessed"])
@pytest.mark.parametrize("kind", [*POLYNOMIAL, *RADIAL])
def test_every_distortion_is_undone(kind, pointing):
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1279, 9), np.linspace(0, 719, 7)))
    for flags in ({}, {"fixed_centre": True}, {"equal_aspect": True, "asymmetric": True}):
        values = {**made(kind, **flags).to_json(), "pointing": pointing}
        model = Platepar.from_json(json.loads(json.dumps(values)))
        sky = model.pixel_to_sky(x, y, TIME)
        again = model.sky_to_pixel(sky.ra, sky.dec, TIME)
        assert np.hypot(again[0] - x, again[1] - y).max() < 1e-4
        again = model.horizon_to_pixel(sky.az, sky.alt, TIME)
        assert np.hypot(again[0] - x, again[1] - y).max() < 1e-4


def test_a_radial_distortion_by_hand():
    """One point right of the centre, worked out: r' = r + k1 r³ of half the width."""
    model = Platepar(
        1280, 720, platepar_from(VALUES).site, 92.4, 15.8, 135.2, 29.3, 16.0, "radial3-odd", (0.0, 0.0, 0.1),
        equal_aspect=True,
    )  # fmt: skip
    sky = model.pixel_to_sky([640.0, 960.0], [360.0, 360.0], TIME)
    apart = np.degrees(np.arccos(frames.vectors(sky.ra, sky.dec)[0] @ frames.vectors(sky.ra, sky.dec)[1]))
    assert apart == pytest.approx(640 * (0.5 + 0.1 * 0.5**3) / 16.0)


def test_what_is_behind_the_camera_has_no_pixel():
    model = platepar_from(VALUES)
    sky = model.pixel_to_sky(640.0, 360.0, TIME)
    assert np.isnan(model.sky_to_pixel(sky.ra + 180, -sky.dec, TIME)).all()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("pointing", ["plain", "precessed"])
def test_the_stars_decide_what_the_pointing_means(tmp_path, pointing, swapped):
    path = tmp_path / "platepar_cmn2010.cal"
    path.write_text(json.dumps(with_stars(VALUES, pointing, swapped)))
    found = load_calibration(path)
    assert found.pointing == pointing
    assert found.residual < 1e-3
    assert found.shape == (720, 1280)
    assert found.photometry.zero_point == 10.6


def test_where_the_stars_do_not_tell_the_date_does_and_the_user_is_told(tmp_path):
    path = tmp_path / "platepar_cmn2010.cal"
    path.write_text(json.dumps(VALUES))
    for start, pointing in ((1.68e9, "plain"), (1.75e9, "precessed")):
        source = PlateparFile()
        found = source.load(path, stream=Stream((720, 1280), np.dtype("u1"), start=start))
        (told,) = source.take_reports()
        assert found.pointing == pointing
        assert "only 0 stars" in told
    assert PlateparFile(pointing="precessed").load(path).pointing == "precessed"


def test_a_camera_that_has_moved_is_told(tmp_path):
    path = tmp_path / "platepar_cmn2010.cal"
    path.write_text(json.dumps(with_stars(VALUES, moved=4.0)))
    source = PlateparFile()
    assert 3 < source.load(path).residual < 5
    (told,) = source.take_reports()
    assert "its 12 stars leave 3.5 or" in told


def test_of_a_night_the_entry_of_the_file_counts_or_the_nearest_in_time(tmp_path):
    path = tmp_path / "platepars_all_recalibrated.json"
    names = [f"FF_UK0006_20230421_{hour}0000_000_0000000.fits" for hour in (20, 22, 23)]
    path.write_text(json.dumps({n: with_stars({**VALUES, "RA_d": 92.0 + i}) for i, n in enumerate(names)}))
    start = time_from_name(names[1]).time
    stream = Stream((720, 1280), np.dtype("u1"), start=start + 600)
    own = PlateparFile().load(path, Recording(f"night/{names[2]}"), stream)
    near = PlateparFile().load(path, Recording("night/FF_UK0006_20230421_221000_000_0000001.fits"), stream)
    assert (own.ra, near.ra) == (94.0, 93.0)
    assert names[1] in near.made_by


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"F_scale": "wide"}, "F_scale = 'wide': expected a number"),
        ({"lat": None}, "lat = None"),
        ({"distortion_type": "fisheye"}, "distortion_type = 'fisheye': expected one of poly3+radial"),
        ({"x_poly_fwd": [0.1, 0.2]}, "takes 7 coefficients, found 2"),
        ({"x_poly_fwd": "none"}, "expected a list of numbers"),
        ({"refraction": "yes"}, "expected true or false"),
        ({"F_scale": float("nan")}, "expected a number"),
        ({"X_res": 0}, "a frame of 0 x 720"),
    ],
)
def test_a_broken_platepar_is_refused_in_one_line(tmp_path, change, said):
    path = tmp_path / "platepar_cmn2010.cal"
    path.write_text(json.dumps({**VALUES, **change}))
    with pytest.raises(AstrodetectError) as caught:
        load_calibration(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def rows_of_ftpdetectinfo(path):
    """File, time since its start, x, y, RA, Dec, azimuth, altitude of every point."""
    name, rate = "", 0.0
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("FF_"):
            name = line.strip()
        elif len(words) == 10 and name and "." in words[3]:
            rate = float(words[3])
        elif len(words) in (9, 12) and re.fullmatch(r"\d+\.\d+", words[0]):
            yield name, float(words[0]) / rate, *map(float, words[1:7])


def apart(one, other):
    """Arcsec between places."""
    return 3600 * np.degrees(np.linalg.norm(frames.vectors(*one) - frames.vectors(*other), axis=-1))


@pytest.mark.parametrize("night", ["UK0006_20220914", "UK0006_20230421"])
def test_the_positions_of_the_network_come_out(real_data, night):
    """Their rounding is 0.2 to 0.4 arcsec."""
    folder = real_data / "rms" / night
    (listed,) = [p for p in folder.glob("FTPdetectinfo_*.txt") if "manual" not in p.name]
    entries = json.loads((folder / "platepars_all_recalibrated.json").read_text())
    off, off_horizon, off_pixel = [], [], []
    rows = list(rows_of_ftpdetectinfo(listed))
    for name in sorted({row[0] for row in rows}):
        after, x, y, *known = np.array([row[1:] for row in rows if row[0] == name]).T
        model, time = platepar_from(entries[name]), time_from_name(name).time + after
        sky = model.pixel_to_sky(x, y, time)
        off.extend(apart((sky.ra, sky.dec), known[:2]))
        off_horizon.extend(apart((sky.az, sky.alt), known[2:]))
        again = model.sky_to_pixel(sky.ra, sky.dec, time)
        off_pixel.extend(np.hypot(again[0] - x, again[1] - y))
    assert len(off) > 200
    assert np.median(off) < 0.2
    assert max(off) < 0.5
    assert max(off_horizon) < 1.0
    assert max(off_pixel) < 0.01


def test_the_stars_of_real_platepars_decide(real_data):
    path = real_data / "rms" / "UK0006_20220914" / "platepars_all_recalibrated.json"
    for name, entry in list(json.loads(path.read_text()).items())[::20]:
        source = PlateparFile()
        found = source.load(path, Recording(name))
        assert found.pointing == "plain"
        assert found.residual < 0.3
        assert source.take_reports() == []
        assert star_residual(platepar_from(entry, "precessed"), stars_of(entry)) > 2
