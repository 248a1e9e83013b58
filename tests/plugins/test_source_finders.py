"""Stars and sources of any shape: what is there is found, measured and told from noise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.tables import TileSettings
from astrodetect.core.tiling import Tiled
from astrodetect.methods.sources import source_probability
from astrodetect.methods.star_finding import find_stars
from astrodetect.plugins.detectors.segmentation import Segmentation
from astrodetect.plugins.detectors.sep import Sep
from astrodetect.plugins.detectors.star_finder import StarFinder
from astrodetect.plugins.preprocessors.background import Background

FWHM = 3.0


def star_field(shape=(300, 400), n=60, seed=0, noise=5.0, fluxes=(600, 40000)):
    """Give an image of round stars on a sloping sky, and their places and fluxes."""
    rng = np.random.default_rng(seed)
    image = 200 + np.indices(shape).sum(axis=0) / 20 + rng.normal(0, noise, shape)
    x, y = rng.uniform(8, shape[1] - 9, n), rng.uniform(8, shape[0] - 9, n)
    flux = np.exp(rng.uniform(*np.log(fluxes), n))
    sigma = FWHM / 2.3548
    yy, xx = np.indices(shape)
    for one_x, one_y, one_flux in zip(x, y, flux, strict=True):
        part = np.s_[int(one_y) - 8 : int(one_y) + 9, int(one_x) - 8 : int(one_x) + 9]
        away = (xx[part] - one_x) ** 2 + (yy[part] - one_y) ** 2
        image[part] += one_flux / (2 * np.pi * sigma**2) * np.exp(-away / 2 / sigma**2)
    return image.astype(np.float32), x, y, flux


def still(image, saturation=np.nan, mask=None):
    stream = Stream(image.shape, image.dtype, 1, saturation=saturation)
    window = Window(Recording("a"), stream, 0, np.zeros(1), image[None], mask=mask)
    return Background(box=50).process(window)


def matched(found, x, y, within=1.0):
    """Which detection shows each star: row, or -1."""
    if not len(found):
        return np.full(len(x), -1)
    places = np.stack([found["x_start"], found["y_start"]], axis=1)
    distance, row = KDTree(places).query(np.stack([x, y], axis=1))
    return np.where(distance <= within, row, -1)


FINDERS = [
    StarFinder(fwhm=FWHM),
    Segmentation(),
    Sep(threshold=1.5),
    Sep(flux="kron"),
    Segmentation(flux="kron"),
]


@pytest.mark.parametrize(
    "finder", FINDERS, ids=lambda finder: f"{type(finder).__name__}-{getattr(finder, 'flux', '')}"
)
def test_stars_are_found_and_measured(finder):
    image, x, y, flux = star_field()
    found = finder.detect(still(image))
    rows = matched(found, x, y)
    assert np.mean(rows >= 0) > 0.9  # some lie on top of each other
    assert len(found) < 1.15 * len(x)
    rows, there = rows[rows >= 0], rows >= 0
    error = np.hypot(found["x_start"][rows] - x[there], found["y_start"][rows] - y[there])
    assert np.median(error) < 0.15
    ratio = found["flux"][rows] / flux[there]
    assert 0.8 < np.median(ratio) < 1.1
    assert np.all(found["x_min"][rows] < x[there] + 0.5)
    assert np.all(found["x_max"][rows] > x[there] + 0.5)
    np.testing.assert_array_equal(found["x_start"], found["x_end"])
    assert set(found["label"]) == {"star" if isinstance(finder, StarFinder) else "source"}
    assert np.all(found["probability"][rows] > 0.9)
    if "major" in found:
        assert 2.2 < np.median(found["major"][rows]) < 4.2


def test_signal_to_noise_is_that_of_the_matched_filter():
    image, _, _, _ = star_field(n=1, noise=5.0, fluxes=(3000, 3001))
    # A Gaussian matched to a Gaussian: flux over noise over the root of its effective area 4 pi sigma^2.
    expected = 3000 / 5 / np.sqrt(4 * np.pi * (FWHM / 2.3548) ** 2)
    for finder in (Segmentation(fwhm=FWHM), Sep(fwhm=FWHM)):
        assert finder.detect(still(image))["snr"].max() == pytest.approx(expected, rel=0.12)
    # In a square the light weighs the same everywhere: somewhat less.
    assert StarFinder(fwhm=FWHM).detect(still(image))["snr"].max() == pytest.approx(expected, rel=0.25)


def test_the_star_finder_gives_what_photutils_gives():
    from photutils.detection import DAOStarFinder

    image, *_ = star_field()
    window = still(image)
    plain = DAOStarFinder(4.0 * window.planes["std"], FWHM, min_separation=0)(window.planes["image"])
    found = StarFinder(threshold=4.0, fwhm=FWHM).detect(window)
    assert len(found) == len(plain)
    np.testing.assert_array_equal(found["x_start"], plain["x_centroid"])
    np.testing.assert_array_equal(found["flux"], plain["flux"])
    np.testing.assert_array_equal(found["sharpness"], plain["sharpness"])


@pytest.mark.parametrize(
    "finder", [StarFinder(fwhm=FWHM), Segmentation(), Sep()], ids=lambda f: type(f).__name__
)
def test_what_is_masked_is_not_found_and_disturbs_nothing_beside_it(finder):
    image, x, y, _ = star_field()
    image[100:180, 120:260] = np.nan
    image[20:40, 20:40] = 1e6  # masked below
    mask = np.zeros(image.shape, bool)
    mask[18:42, 18:42] = True
    found = finder.detect(still(image, mask=mask))
    inside = (
        (found["x_start"] > 119)
        & (found["x_start"] < 260)
        & (found["y_start"] > 99)
        & (found["y_start"] < 180)
    )
    assert not inside.any()
    free = (x < 112) | (x > 268) | (y < 92) | (y > 188)
    free &= (x > 50) | (y > 50)
    assert np.mean(matched(found, x[free], y[free]) >= 0) > 0.9
    assert len(found) < 1.2 * free.sum() + 3


@pytest.mark.parametrize("finder", [StarFinder(), Segmentation(), Sep()], ids=lambda f: type(f).__name__)
def test_nothing_comes_of_nothing(finder):
    for image in (
        np.zeros((80, 90), np.float32),
        np.full((80, 90), np.nan, np.float32),
        np.ones((5, 4), np.uint8),
    ):
        assert len(finder.detect(still(image))) == 0


@pytest.mark.parametrize(
    "finder", [StarFinder(fwhm=FWHM), Segmentation(), Sep()], ids=lambda f: type(f).__name__
)
def test_the_result_does_not_depend_on_the_size_of_the_tiles(finder):
    image, *_ = star_field((420, 560), n=250, seed=3)
    window = still(image)
    whole = finder.detect(window)
    expected = np.stack([whole["x_start"], whole["y_start"]], axis=1)
    for size, overlap in ((128, 64), (200, 64), (333, 100)):
        tiled = Tiled(finder, TileSettings(size=size, overlap=overlap)).detect(window)
        assert len(tiled) == len(whole)
        places = np.stack([tiled["x_start"], tiled["y_start"]], axis=1)
        distance, row = KDTree(expected).query(places)
        assert len(set(row)) == len(row)
        assert distance.max() < 1e-3
        alone = KDTree(places).query(places, k=2)[0][:, 1] > 25
        for name in ("flux", "snr", "probability"):
            change = np.abs(tiled[name] / whole[name][row] - 1)
            assert change[alone].max() < 1e-4
            # sep shares out the faint pixels between two sources by chance, as SExtractor does.
            assert change.max() < (0.2 if isinstance(finder, Sep) else 1e-4)


def test_saturated_pixels_are_counted_where_saturation_is_known():
    image, *_ = star_field(n=5, fluxes=(20000, 40000))
    window = still(image, saturation=1500.0)
    found = StarFinder(fwhm=FWHM).detect(window)
    bright = window.planes["max"] >= 1500.0
    for row in found:
        box = np.s_[int(np.ceil(row["y_min"])) : int(np.ceil(row["y_max"])),
                    int(np.ceil(row["x_min"])) : int(np.ceil(row["x_max"]))]  # fmt: skip
        assert row["n_saturated"] == bright[box].sum()
    assert found["n_saturated"].max() > 0
    unknown = replace(window, stream=replace(window.stream, saturation=np.nan))
    assert not StarFinder(fwhm=FWHM).detect(unknown)["n_saturated"].any()


def test_the_probability_is_right_where_the_density_of_stars_is_the_expected_one():
    """Faint stars whose number falls as 1/flux, in noise: as many are real as the probabilities say."""
    rng = np.random.default_rng(5)
    shape, density = (1500, 1500), 1e-3
    image = rng.normal(0, 1, shape)
    least = 2.0
    n = rng.poisson(density * 5 / least * image.size)
    x, y = rng.uniform(5, 1494, n), rng.uniform(5, 1494, n)
    snr = least / rng.random(n)
    sigma = FWHM / 2.3548
    for one_x, one_y, one in zip(x, y, np.minimum(snr, 500), strict=True):
        yy, xx = np.mgrid[int(one_y) - 6 : int(one_y) + 7, int(one_x) - 6 : int(one_x) + 7]
        yy, xx = np.clip(yy, 0, 1499), np.clip(xx, 0, 1499)
        peak = one * 1.285  # the noise of DAOFIND's convolved image, for this width
        np.add.at(image, (yy, xx), peak * np.exp(-((xx - one_x) ** 2 + (yy - one_y) ** 2) / 2 / sigma**2))
    stars = find_stars(image, 1.0, threshold=3.5, fwhm=FWHM, sharpness=(-9, 9), roundness=(-9, 9))
    places = np.stack([stars["x_centroid"], stars["y_centroid"]], axis=1)
    distance, _ = KDTree(np.stack([x, y], axis=1)).query(places)
    real = distance < 2.0
    said = source_probability(stars["height"], FWHM, density)
    for low, high in ((0.0, 0.7), (0.7, 0.95), (0.95, 1.01)):
        chosen = (said >= low) & (said < high)
        assert chosen.sum() > 100
        assert real[chosen].mean() == pytest.approx(said[chosen].mean(), abs=0.1)


def test_sep_takes_crowded_images_or_says_what_to_do():
    rng = np.random.default_rng(0)
    image = rng.normal(50, 1, (700, 700)).astype(np.float32)  # every pixel far above the threshold
    window = still(image)
    window = window.with_planes(image=image, std=np.ones_like(image))
    assert len(Sep(contrast=1.0, clean=False).detect(window)) >= 1


def test_the_background_of_sep_is_nearly_that_of_photutils():
    image, *_ = star_field((500, 500), n=100)
    stream = Stream(image.shape, image.dtype, 1)
    window = Window(Recording("a"), stream, 0, np.zeros(1), image[None])
    one, other = (Background(box=50, estimator=name).process(window) for name in ("photutils", "sep"))
    noise = one.planes["std"].mean()
    assert np.abs(one.planes["background"] - other.planes["background"]).mean() < 0.2 * noise
    assert np.abs(one.planes["std"] / other.planes["std"] - 1).mean() < 0.1
