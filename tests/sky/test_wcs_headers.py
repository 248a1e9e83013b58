"""Plate solutions in FITS headers and in the text headers of SCAMP, against astropy."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord

from astrodetect.core.calibrating import load_calibration
from astrodetect.core.data import Recording, Site, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.calibrations.wcs import Wcs
from astrodetect.sky.wcs import FitsWcs, wcs_from

SITE = Site(50.0, 10.0, 300.0)
TAN = {
    "NAXIS": 2, "NAXIS1": 1000, "NAXIS2": 800, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 500.0,
    "CRPIX2": 400.0, "CRVAL1": 30.0, "CRVAL2": 60.0, "CD1_1": -0.001, "CD1_2": 1e-4, "CD2_1": 1e-4,
    "CD2_2": 0.001, "RADESYS": "ICRS", "DATE-OBS": "2020-09-13T12:26:40",
}  # fmt: skip
SIP = {
    **TAN, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "A_2_0": 1e-6, "A_1_1": 2e-6,
    "B_ORDER": 2, "B_0_2": -3e-6,
}  # fmt: skip
TERMS = {
    "PV1_0": 0.0,
    "PV1_1": 1.001,
    "PV1_4": 0.01,
    "PV2_0": 0.0,
    "PV2_1": 1.0,
    "PV2_5": -0.02,
    "PV2_7": 0.01,
}
TPV = {**TAN, **TERMS, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}
HEADERS = {
    "TAN": TAN,
    "SIP": SIP,
    "TPV": TPV,
    "FK5": {**SIP, "RADESYS": "FK5", "EQUINOX": 1975.0},
    "galactic": {**SIP, "CTYPE1": "GLON-TAN-SIP", "CTYPE2": "GLAT-TAN-SIP"},
    "ZEA": {**TAN, "CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA"},
}


def header(values):
    made = fits.Header()
    for name, value in values.items():
        made[name] = value
    return made


def reference(values):
    """The same by astropy, which tells of a date that it understands."""
    return WCS(header({name: value for name, value in values.items() if name != "DATE-OBS"}))


def without_image(values):
    """As astrometry.net writes it: a header without an image, whose size has names of its own."""
    size = {"NAXIS": 0, "IMAGEW": values["NAXIS1"], "IMAGEH": values["NAXIS2"]}
    return header({**{n: v for n, v in values.items() if not n.startswith("NAXIS")}, **size})


@pytest.mark.parametrize("name", HEADERS)
def test_it_gives_what_astropy_gives_and_comes_back(name):
    model = wcs_from(HEADERS[name])
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 999, 50), rng.uniform(0, 799, 50)
    known = pixel_to_skycoord(x, y, reference(HEADERS[name])).icrs
    sky = model.pixel_to_sky(x, y, 1.6e9)
    assert SkyCoord(sky.ra, sky.dec, unit="deg").separation(known).arcsec.max() < 1e-6
    assert np.allclose(model.sky_to_pixel(sky.ra, sky.dec, 1.6e9), (x, y), atol=1e-6)
    copy = FitsWcs.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert np.array_equal(copy.pixel_to_sky(x, y, 1.6e9).ra, sky.ra)
    assert np.isnan(sky.az).all()  # no site


def test_axes_in_the_other_order_are_told_apart():
    model = wcs_from({**TAN, "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 60.0, "CRVAL2": 30.0})
    sky = model.pixel_to_sky(499.0, 399.0, 1.6e9)
    assert (sky.ra[0], sky.dec[0]) == pytest.approx((30.0, 60.0))


def test_what_lies_behind_has_no_pixel():
    assert np.isnan(wcs_from(SIP).sky_to_pixel(210.0, -60.0, 1.6e9)).all()


def test_a_fixed_camera_sees_the_sky_turn_and_a_tracking_one_does_not():
    hour = 3600.0
    for mount, turned in (("fixed", 15.04), ("tracking", 0.0)):
        model = wcs_from(TAN, mount=mount, site=SITE)
        sky = model.pixel_to_sky(499.0, 399.0, model.time + np.array([0.0, hour]))
        assert sky.ra[0] == pytest.approx(30.0, abs=1e-9)
        assert sky.ra[1] - sky.ra[0] == pytest.approx(turned, abs=0.05)
        assert (abs(sky.az[1] - sky.az[0]) < 1e-9) == (mount == "fixed")
        assert np.allclose(
            model.sky_to_pixel(sky.ra, sky.dec, model.time + np.array([0.0, hour])), [[499], [399]]
        )


def test_wide_fields_with_site_and_time_are_those_of_fixed_cameras():
    wide = {**TAN, "CD1_1": -0.05, "CD2_2": 0.05}
    assert wcs_from(wide, site=SITE).mount == "fixed"
    assert wcs_from(wide).mount == "tracking"
    assert wcs_from(TAN, site=SITE).mount == "tracking"


def test_rows_that_count_from_the_bottom_are_turned():
    plain, flipped = wcs_from(TAN), wcs_from(TAN, flipped=True, shape=(800, 1000))
    assert plain.pixel_to_sky(100.0, 50.0, 1.6e9).dec == flipped.pixel_to_sky(100.0, 749.0, 1.6e9).dec


def test_the_nominal_header_of_freeture_is_no_calibration():
    nominal = {
        **TAN, "CTYPE1": "RA---ARC", "CTYPE2": "DEC--ARC", "CD1_1": 0.17, "CD2_2": -0.17, "CD3_3": 30.0,
        "PROGRAM": "FreeTure", "K1": 1.0, "K2": 2.0, "CRPIX1": 0, "CRPIX2": 0,
    }  # fmt: skip
    assert wcs_from(nominal) is None
    assert wcs_from({}) is None
    assert wcs_from({**TAN, "CTYPE1": "X", "CTYPE2": "Y"}) is None


def test_the_scatter_that_scamp_states_becomes_the_error(tmp_path):
    cards = {**TAN, **TERMS, "ASTRRMS1": 0.0003, "ASTRRMS2": 0.0004}
    path = tmp_path / "night.head"
    lines = [str(card).rstrip() for card in header(cards).cards]
    path.write_text(
        "\n".join(["HISTORY   Astrometric solution by SCAMP", "COMMENT   (c) 2010", *lines, "END", *lines])
    )
    model = load_calibration(path, stream=Stream((800, 1000), np.dtype("u2"), start=1.6e9, site=SITE))
    assert model.residual == pytest.approx(0.3536, rel=0.02)
    sky = model.pixel_to_sky(100.0, 50.0, 1.6e9)
    known = pixel_to_skycoord(100.0, 50.0, reference(TPV))
    assert SkyCoord(sky.ra, sky.dec, unit="deg").separation(known).arcsec[0] < 1e-6
    assert "night.head" in model.made_by


def test_a_header_beside_the_recording_comes_before_its_own(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.zeros((800, 1000), np.int16), header(TAN)).writeto(path)
    recording = Recording("a.fits", str(tmp_path), ("a.fits",), "fits")
    stream = Stream((800, 1000), np.dtype("i2"), start=1.6e9, header=dict(header(TAN)))
    assert Wcs().find(recording) == path
    assert Wcs().load(path, recording, stream).made_by == "RA---TAN of a.fits, tracking camera"
    assert Wcs().load(path, recording, Stream((8, 8), np.dtype("i2"))) is None
    fits.PrimaryHDU(header=without_image(SIP)).writeto(tmp_path / "a.wcs")
    assert Wcs().find(recording) == tmp_path / "a.wcs"
    assert Wcs().load(tmp_path / "a.wcs", recording, stream).cards["CTYPE1"] == "RA---TAN-SIP"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CTYPE2": "LINEAR"}, "no world coordinate system"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "no world coordinate system"),
        ({"CPDIS1": "LOOKUP"}, "its distortion is a table"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, change, said):
    path = tmp_path / "a.wcs"
    fits.PrimaryHDU(header=without_image({**TAN, **change})).writeto(path)
    with pytest.raises(AstrodetectError) as caught:
        load_calibration(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_without_coordinates_holds_no_calibration(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.zeros((8, 8), np.int16)).writeto(path)
    with pytest.raises(AstrodetectError, match="holds no calibration"):
        load_calibration(path)
    (tmp_path / "b.head").write_text("nothing of the kind")
    with pytest.raises(AstrodetectError, match="no calibration in a known form"):
        load_calibration(tmp_path / "b.head")
