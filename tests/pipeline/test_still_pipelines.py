"""The built-in pipelines for single images, from the file to catalog, regions and pictures."""

import contextlib
import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from PIL import Image

from astrodetect import Catalog, Pipeline
from astrodetect.cli import main
from astrodetect.simulation.fields.stars import StarScene
from astrodetect.simulation.psf import add_streak


def run(*arguments, status=0):
    """Run the command and give what it said."""
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    assert code == status, said.getvalue()
    return said.getvalue()


def wcs_header():
    """One arcsecond a pixel, north up."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 20.0], [150.5, 100.5]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    return wcs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A FITS image of stars with a trail and a corner without data; where they are."""
    folder = tmp_path_factory.mktemp("stills")
    scene = StarScene(shape=(200, 300), density=40.0)
    field = scene.make(np.random.default_rng(3))
    image = field.image.astype(np.float32)
    trail = np.zeros(image.shape)
    add_streak(trail, (40.0, 150.0), (260.0, 60.0), 60000.0, 3.0)
    image += trail.astype(np.float32)
    image[:40, :50] = np.nan
    fits.PrimaryHDU(image, wcs_header().to_header()).writeto(folder / "field.fits")
    return folder, field


def test_stars_come_with_their_places_on_the_sky(folder, tmp_path):
    files, field = folder
    out = tmp_path / "stars.h5"
    run("run", "--pipeline", "stars", files / "field.fits", "--out", out, "--quiet")
    with Catalog(out) as catalog:
        found = catalog.detections
        assert catalog.recordings["status"].tolist() == ["done"]
    assert set(found["label"]) == {"star"}
    x, y = np.asarray(found["x_start"]), np.asarray(found["y_start"])
    sky = wcs_header().pixel_to_world(x, y)
    assert np.abs(np.asarray(found["ra_start"]) - sky.ra.deg).max() < 1e-7
    assert np.abs(np.asarray(found["dec_start"]) - sky.dec.deg).max() < 1e-7
    bright = (field.sources["snr"] > 30) & ((field.sources["x"] > 55) | (field.sources["y"] > 45))
    away = np.hypot(x[:, None] - field.sources["x"][bright], y[:, None] - field.sources["y"][bright])
    assert np.mean(away.min(axis=0) < 1.5) > 0.9
    assert not np.any((x < 49) & (y < 39))
    # What other programs take.
    run("catalog", "export", out, tmp_path / "stars.ecsv")
    table = QTable.read(tmp_path / "stars.ecsv")
    assert len(table) == len(found)
    assert str(table["ra_start"].unit) == "deg"
    run("catalog", "export", out, tmp_path / "stars.reg", "--format", "ds9")
    regions = (tmp_path / "stars.reg").read_text()
    assert regions.count("box(") == len(found)
    run("plot", "found", out, "--out", tmp_path / "stars.png")
    with Image.open(tmp_path / "stars.png") as picture:
        assert picture.size[0] > 300


def test_a_trail_is_one_detection_with_ends_and_width(folder, tmp_path):
    files, _ = folder
    out = tmp_path / "trails.h5"
    run("run", "--pipeline", "trails", files / "field.fits", "--out", out, "--quiet")
    with Catalog(out) as catalog:
        found = catalog.detections[catalog.detections["accepted"]]
    (row,) = found
    assert row["label"] == "streak"
    ends = [float(row[name].value) for name in ("x_start", "y_start", "x_end", "y_end")]
    assert np.abs(np.subtract(ends, (40, 150, 260, 60))).max() < 6
    assert row["width"].value == pytest.approx(3.0, abs=1.0)
    sky = wcs_header().pixel_to_world(ends[0], ends[1])
    assert row["ra_start"].value == pytest.approx(sky.ra.deg, abs=1e-7)
    run("catalog", "export", out, tmp_path / "trails.reg", "--format", "ds9")
    assert "line(" in (tmp_path / "trails.reg").read_text()
    run("plot", "found", out, "--out", tmp_path / "trails.pdf", "--rejected")


@pytest.mark.parametrize("name", ["stars", "trails"])
def test_the_pipelines_hold_no_mistake_and_can_be_run_again_from_the_catalog(name):
    pipeline = Pipeline.from_toml(name)
    assert pipeline.check() == []
    text = pipeline.plan.to_toml()
    assert Pipeline(text).plan.to_toml() == text


def test_the_size_of_the_tiles_and_lazy_reading_change_nothing(folder, tmp_path):
    files, _ = folder
    text = Pipeline.from_toml("stars").text
    whole = Pipeline(text.replace("[tile]\nsize = 1024\noverlap = 64\n", "")).run(files / "field.fits")
    for size, limits in ((100, ""), (1024, ""), (128, "[limits]\npixels = 20000\n")):  # the last one is lazy
        tiles = f"size = {size}\noverlap = 48\n{limits}"
        tiled = Pipeline(text.replace("size = 1024\noverlap = 64\n", tiles)).run(files / "field.fits")
        assert len(tiled) == len(whole)
        for column in ("x_start", "y_start", "flux", "ra_start"):
            np.testing.assert_allclose(np.sort(tiled[column]), np.sort(whole[column]), rtol=1e-4)


def test_what_cannot_be_cut_is_told_in_one_line(tmp_path):
    head = fits.Header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 2, "NAXIS1": 1 << 15, "NAXIS2": 1 << 15})
    with (tmp_path / "large.fits").open("wb") as file:
        file.write(head.tostring().encode().ljust(2880))
        file.truncate(2880 + (1 << 30))
    pipeline = tmp_path / "whole.toml"
    pipeline.write_text('[[preprocess]]\nuse = "background"\n[detect]\nuse = "star-finder"\n')
    out = tmp_path / "a.h5"
    said = run("run", "--pipeline", pipeline, tmp_path / "large.fits", "--out", out, status=1)
    (line,) = [line for line in said.splitlines() if "32768 x 32768" in line]
    assert "[tile]" in line


@pytest.mark.parametrize(
    ("name", "what", "least", "most"),
    [("stars", "sources/image.fits", 30, 60), ("stars", "streak/long.fits", 50, 200),
     ("trails", "sources/image.fits", 0, 0), ("trails", "streak/long.fits", 1, 1),
     pytest.param("stars", "allsky", 1000, 4000, marks=pytest.mark.slow),
     pytest.param("trails", "allsky", 0, 3, marks=pytest.mark.slow)],
)  # fmt: skip
def test_images_of_strangers_come_through(real_data, tmp_path, name, what, least, most):
    run("run", "--pipeline", name, real_data / what, "--out", tmp_path / "a.h5", "--quiet")
    with Catalog(tmp_path / "a.h5") as catalog:
        found = catalog.detections[catalog.detections["accepted"]]
        assert "failed" not in catalog.recordings["status"].tolist()
    assert least <= len(found) <= most
    if what == "streak/long.fits":
        assert np.isfinite(found["ra_start"]).all()
    if (name, what) == ("trails", "streak/long.fits"):
        ends = [float(found[column][0].value) for column in ("x_start", "y_start", "x_end", "y_end")]
        assert np.abs(np.subtract(ends, (20, 338, 342, 309))).max() < 5
        assert 3 < found["width"][0].value < 7


def test_completeness_and_purity_against_sextractor(real_data):
    """The stars of the catalogue that DAOFIND can see: bright and no larger than a star."""
    found = Pipeline.from_toml("stars").run(real_data / "sources" / "image.fits")
    table = np.loadtxt(real_data / "sources" / "image.cat")
    bright = table[:, 12] / table[:, 13] > 20
    places = np.stack([found["x_start"], found["y_start"]], axis=1) + 1
    away = np.linalg.norm(places[:, None] - table[None, :, 1:3], axis=2)
    assert np.mean(away[:, bright].min(axis=0) < 2) >= 0.9
    assert np.mean(away.min(axis=1) < 2) >= 0.8
