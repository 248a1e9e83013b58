"""Scenes of still images: the truth is what the image shows, and the same seed gives the same image."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from click.testing import CliRunner

from astrodetect.cli import cli
from astrodetect.methods.ellipses import angle_between, axes_of, moments_of
from astrodetect.simulation.fields.command import scene_from
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.simulation.fields.stamps import add_gaussians
from astrodetect.simulation.fields.stars import StarScene
from astrodetect.simulation.fields.trails import TrailScene


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_radio_field_without_noise_is_the_sum_of_its_list():
    """Drawn again from the columns of the truth, and nothing else, the field is the same."""
    scene = RadioScene(shape=(200, 300), noise=1e-15, listed_snr=0, longest=3, beam=(2.4, 1.5, 40.0),
                       primary_beam=0.05)  # fmt: skip
    field = scene.make(rng())
    assert len(field) > 300
    own = field.sources
    again = np.zeros((200, 300), np.float32)
    moments = moments_of(own["major"], own["minor"], own["theta"])
    add_gaussians(again, own["x"], own["y"], own["peak"], moments)
    inner = (slice(30, -30), slice(30, -30))  # what lies beyond the edge is not in the list
    np.testing.assert_allclose(field.image[inner], again[inner], atol=1e-4 * float(again.max()))


def alone(scene, n_seeds=150):
    """Give fields of one source in their middle, and its row."""
    for seed in range(n_seeds):
        field = scene.make(rng(seed))
        own = {name: values[0] for name, values in field.sources.items()} if len(field) == 1 else None
        height, width = scene.shape
        if own and field.unlisted == 0 and 20 < own["x"] < width - 20 and 20 < own["y"] < height - 20:
            yield field, own


@pytest.mark.parametrize("beam", [(1.5, 1.5, 0.0), (3.0, 1.8, 70.0)])
def test_flux_size_and_angle_are_what_is_measured(beam):
    scene = RadioScene(shape=(80, 80), noise=1e-15, density=2.0, faintest=1.65e-6, listed_snr=0, longest=1.5,
                       beam=beam)  # fmt: skip
    seen = 0
    for field, own in alone(scene):
        plane = field.image.astype(float)
        y, x = np.mgrid[:80, :80]
        flux = plane.sum()
        cx, cy = (plane * x).sum() / flux, (plane * y).sum() / flux
        spread = [
            (plane * (x - cx) ** 2).sum(),
            (plane * (y - cy) ** 2).sum(),
            (plane * (x - cx) * (y - cy)).sum(),
        ]
        major, minor, theta = axes_of(np.array(spread) / flux)
        assert (cx, cy) == (pytest.approx(own["x"], abs=1e-3), pytest.approx(own["y"], abs=1e-3))
        assert flux == pytest.approx(own["flux"], rel=1e-4)
        assert flux / scene.beam_area == pytest.approx(own["flux_jy"], rel=1e-4)
        assert major == pytest.approx(own["major"], rel=1e-3)
        assert minor == pytest.approx(own["minor"], rel=1e-3)
        assert angle_between(theta, own["theta"]) < 0.5 or minor > 0.99 * major
        seen += 1
    assert seen >= 3


def test_sizes_before_convolution_and_the_beam_add_up():
    """For a round beam: squares of the axes as seen are those of the source plus those of the beam."""
    own = RadioScene(shape=(256, 256)).make(rng()).sources
    for seen, before in (("major", "bmaj"), ("minor", "bmin")):
        expected = np.hypot(own[before] / 0.6, 1.5 / 0.6)
        np.testing.assert_allclose(own[seen], expected, rtol=1e-6)
    apart = angle_between(own["theta"] - 90, own["pa"])
    assert apart[own["minor"] < 0.99 * own["major"]].max() < 1e-6


def test_position_angles_go_from_north_through_east():
    """A step along the major axis in the image goes into the direction `pa` on the sky."""
    from astropy.coordinates import SkyCoord

    field = RadioScene(shape=(256, 256)).make(rng())
    wcs = WCS(fits.Header(field.header))
    own = {name: values[:20] for name, values in field.sources.items()}
    dx, dy = np.cos(np.radians(own["theta"])), np.sin(np.radians(own["theta"]))
    a = SkyCoord(wcs.pixel_to_world(own["x"], own["y"]))
    b = SkyCoord(wcs.pixel_to_world(own["x"] + dx, own["y"] + dy))
    assert angle_between(a.position_angle(b).deg, own["pa"]).max() < 0.02  # meridians meet at the pole


def test_density_and_signal_to_noise_mean_what_they_say():
    scene = RadioScene(shape=(512, 512), listed_snr=0, density=200)
    field, silent = scene.make(rng(3)), replace(scene, noise=1e-15).make(rng(3))
    own = field.sources
    above = (own["flux_jy"] > scene.anchor).sum() / 4
    assert above == pytest.approx(200, rel=0.1)
    compact = own["population"] == "compact"
    assert compact[own["flux_jy"] > scene.anchor].mean() == pytest.approx(0.2, abs=0.05)
    # The signal-to-noise of a point is its height over the noise; that of others less than that of the flux.
    points = own["bmaj"] < 0.1
    np.testing.assert_allclose(own["snr"][points], own["flux_jy"][points] / scene.noise, rtol=0.01)
    assert (own["snr"] <= own["flux_jy"] / scene.noise * 1.0001).all()
    np.testing.assert_array_equal(own["difficult"], own["snr"] < 5)
    assert (field.image - silent.image).std() == pytest.approx(scene.noise, rel=0.05)


def test_the_primary_beam_weakens_what_is_far_out_and_not_the_noise():
    scene = RadioScene(shape=(600, 600), primary_beam=0.1, listed_snr=0)
    own = scene.make(rng()).sources
    radius = np.hypot(own["x"] - 299.5, own["y"] - 299.5) * 0.6 / 3600
    np.testing.assert_allclose(own["attenuation"], 0.5 ** ((radius / 0.05) ** 2), rtol=1e-6)
    assert scene.make(rng()).image[:20].std() > 0.8 * scene.noise


def test_stars_have_the_flux_and_the_noise_of_a_camera():
    quiet = StarScene(shape=(300, 300), read_noise=0, gain=1e6, density=15, anchor=2000, faintest=2000, sky=0,
                      bias=500, brightest=2e5)  # fmt: skip
    field = quiet.make(rng(1))
    assert field.image.dtype == np.uint16
    own = field.sources
    apart = np.hypot(own["x"][:, None] - own["x"], own["y"][:, None] - own["y"]) + 1e9 * np.eye(len(field))
    inner = np.maximum(abs(own["x"] - 150), abs(own["y"] - 150)) < 135
    lone = (apart.min(axis=1) > 22) & inner
    assert lone.sum() >= 5
    for row in np.flatnonzero(lone):
        x, y = round(own["x"][row]), round(own["y"][row])
        stamp = field.image[y - 9 : y + 10, x - 9 : x + 10].astype(float) - 500
        assert stamp.sum() == pytest.approx(own["flux"][row], abs=0.02 * own["flux"][row] + 80)
    empty = StarScene(shape=(300, 300), density=0, gradient=0)
    pixels = empty.make(rng()).image.astype(float)
    assert pixels.mean() == pytest.approx(1120, abs=0.5)
    assert pixels.std() == pytest.approx(empty.level, rel=0.02)
    assert np.isnan(own["theta"]).all()
    assert not np.isnan(StarScene(shape=(99, 99), roundness=0.7, angle=20).make(rng()).sources["theta"]).any()


def test_trails_lie_where_the_truth_says():
    scene = TrailScene(shape=(200, 240), density=0, trails=3, signals=(20, 40), crossing=0.5)
    field = scene.make(rng(5))
    assert len(field) >= 1
    image = field.image.astype(float) - np.median(field.image)
    for row in range(len(field)):
        own = {name: values[row] for name, values in field.sources.items()}
        assert own["label"] == "streak"
        along = np.linspace(0.1, 0.9, 50)
        x = own["x_first"] + along * (own["x_last"] - own["x_first"])
        y = own["y_first"] + along * (own["y_last"] - own["y_first"])
        on = image[np.rint(y).astype(int), np.rint(x).astype(int)]
        assert on.mean() > 5 * scene.level
        assert on.mean() == pytest.approx(own["peak"], rel=0.35)
        for name, limit in (("x_first", 239), ("x_last", 239), ("y_first", 199), ("y_last", 199)):
            assert -1e-9 <= own[name] <= limit + 1e-9
    assert len(TrailScene(shape=(64, 64), trails=0).make(rng())) == 0


@pytest.mark.parametrize("scene", [RadioScene, StarScene, TrailScene])
def test_the_same_seed_gives_the_same_field(scene):
    made = [scene(shape=(64, 80)).make(rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0].image, made[1].image)
    for name, values in made[0].sources.items():
        np.testing.assert_array_equal(values, made[1].sources[name])
    assert (made[0].image != made[2].image).any()


def astrodetect(*arguments):
    return CliRunner().invoke(cli, [str(own) for own in arguments])


def test_the_command_writes_images_with_wcs_and_a_truth(tmp_path):
    arguments = ("simulate", tmp_path / "a", "--scene", "radio", "--recordings", "2", "--shape", "96x128")
    done = astrodetect(*arguments, "--set", "density=200")
    assert done.exit_code == 0, done.output
    assert "2 fields (radio, 96x128)" in done.output
    truth = Table.read(tmp_path / "a" / "truth.csv")
    assert set(truth["path"]) == {"radio-0001.fits", "radio-0002.fits"}
    assert (
        len(set(truth["object"][truth["path"] == "radio-0001.fits"]))
        == (truth["path"] == "radio-0001.fits").sum()
    )
    with fits.open(tmp_path / "a" / "radio-0001.fits") as opened:
        assert opened[0].data.shape == (96, 128)
        assert opened[0].header["BUNIT"] == "JY/BEAM"
        assert opened[0].header["BMAJ"] == pytest.approx(1.5 / 3600)
        wcs = WCS(opened[0].header)
    first = truth[truth["path"] == "radio-0001.fits"]
    x, y = wcs.all_world2pix(first["ra"], first["dec"], 0)
    np.testing.assert_allclose(x, first["x"], atol=1e-6)
    np.testing.assert_allclose(y, first["y"], atol=1e-6)
    assert "density = 200" in (tmp_path / "a" / "settings.txt").read_text()
    again = astrodetect(*arguments[:1], tmp_path / "b", *arguments[2:], "--set", "density=200")
    assert again.exit_code == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert astrodetect(*arguments).exit_code != 0  # the folder is not empty
    assert astrodetect(*arguments, "--force", "--quiet").output == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--scene", "radio", "--set", "densty=3"), "densty = 3: unknown key; did you mean 'density'?"),
        (("--scene", "radio", "--set", "pixel=-1"), "pixel = -1: expected greater than 0"),
        (("--scene", "stars", "--set", "fwhm"), "--set fwhm: not a setting; expected NAME=VALUE"),
        (("--scene", "radio", "--set", "beam=[1.0,1.0,0.0]"), "at least 1.9 pixels"),
        (("--scene", "radio", "--set", "faintest=1.0"), "expected faintest <= anchor < brightest"),
        (("--scene", "trails", "--set", "lengths=[9.0,3.0]"), "lengths is 9 to 3; expected low <= high"),
        (("--scene", "stars", "--frames", "3"), "--frames: not an option of --scene stars"),
        (("--set", "density=3"), "--set: not an option of --scene night"),
        (("--scene", "stars", "--seed", "-1"), "a seed from 0"),
    ],
)
def test_what_cannot_be_simulated_is_told_in_a_line(tmp_path, arguments, told):
    done = astrodetect("simulate", tmp_path / "out", *arguments)
    message = done.output or str(done.exception)
    assert done.exit_code != 0
    assert told in message
    assert not (tmp_path / "out").exists()


def test_settings_are_written_as_in_toml():
    scene = scene_from("radio", ["density = 140", "beam = [2.0, 1.5, 30]"], (64, 64))
    assert isinstance(scene, RadioScene)
    assert (scene.density, scene.beam, scene.shape) == (140, (2.0, 1.5, 30), (64, 64))
