"""Elliptical Gaussians fitted together: exact without noise, as good as noise allows with it."""

import numpy as np
import pytest

from astrodetect import Pipeline
from astrodetect.evaluation.sources import Sources, score_sources
from astrodetect.methods.ellipses import angle_between, moments_of
from astrodetect.methods.gaussian_fit import GaussianFit, Shapes, check_beam
from astrodetect.plugins.detectors.sep import Sep
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.simulation.fields.stamps import add_gaussians
from astrodetect.simulation.fields.writing import write_fits

BEAM = (3.0, 2.5, 30.0)
TRUE = Shapes(
    x=np.array([20.3, 24.1, 50.0, 70.8]),
    y=np.array([20.8, 21.9, 40.2, 60.1]),
    flux=np.array([50.0, 30.0, 80.0, 10.0]),
    major=np.array([4.5, 3.8, 6.0, 3.4]),
    minor=np.array([3.2, 3.0, 4.0, 2.9]),
    theta=np.array([10.0, 40.0, 120.0, 35.0]),
)
NEAR = Shapes(
    TRUE.x + 0.3, TRUE.y - 0.3, TRUE.flux * 1.2, TRUE.major * 1.1, TRUE.minor * 1.05, TRUE.theta + 20
)


def drawn(shapes, noise=1e-3, seed=0):
    """An image of 160 x 200 pixels of sources in a little white noise."""
    image = np.random.default_rng(seed).normal(0, noise, (160, 200)).astype(np.float32)
    moments = moments_of(shapes.major, shapes.minor, shapes.theta)
    spread = 2 * np.pi * np.sqrt(moments[:, 0] * moments[:, 1] - moments[:, 2] ** 2)
    add_gaussians(image, shapes.x, shapes.y, shapes.flux / spread, moments, noise * 1e-3)
    return image


def test_sources_are_measured_to_the_noise():
    found, snr = GaussianFit(BEAM, sharpen=False)(drawn(TRUE), NEAR)
    free = slice(2, None)
    for name in ("x", "y"):
        assert getattr(found, name)[free] == pytest.approx(getattr(TRUE, name)[free], abs=0.01)
    for name in ("flux", "major", "minor"):
        assert getattr(found, name)[free] == pytest.approx(getattr(TRUE, name)[free], rel=0.01)
    assert (angle_between(found.theta, TRUE.theta)[free] < 2).all()
    assert (snr > 100).all()


def test_blended_sources_come_apart_step_by_step():
    image, far = drawn(TRUE), []
    for steps in (0, 12, 150):
        found, _ = GaussianFit(BEAM, sharpen=False, steps=steps)(image, NEAR)
        far.append(float(np.abs(found.flux / TRUE.flux - 1)[:2].max()))
    assert far[2] < far[1] < far[0]
    assert far[2] < far[0] / 3


def test_the_signal_to_noise_is_that_of_the_best_weights():
    _, snr = GaussianFit(BEAM, sharpen=False)(drawn(TRUE), NEAR)
    # A Gaussian of moments M in white noise: flux / noise / sqrt(4 pi sqrt(det M)).
    wide = np.sqrt(4 * np.pi * TRUE.major * TRUE.minor / (8 * np.log(2)))
    assert snr[2:] == pytest.approx((TRUE.flux / 1e-3 / wide)[2:], rel=0.05)


def test_dividing_by_the_beam_measures_angles_that_pixels_as_they_are_hide():
    field = RadioScene(shape=(384, 384)).make(np.random.default_rng(5))
    true = Sources.of(field.sources)
    start = Shapes(*(true[name] for name in Shapes._fields))
    beam, free = (2.5, 2.5, 0.0), (5.0, 5.0, 5.0)
    marks = {}
    for sharpen in (False, True):
        shapes, _ = GaussianFit(beam, sharpen, allowed=free)(field.image, start)
        score = score_sources(Sources.of(shapes._asdict()), true)
        marks[sharpen] = {part: score.marks[part] / n for part, n in score.counts.items() if n}
    assert marks[True]["flux"] > marks[False]["flux"] + 0.1
    assert marks[True]["theta"] > marks[False]["theta"] + 0.1
    assert marks[True]["theta"] < 0.75  # not taken from the start


def test_what_cannot_be_fitted_stays_as_it_was():
    image = drawn(TRUE)
    image[30:50, 40:60] = np.nan
    unknown = TRUE._replace(flux=np.array([50.0, np.nan, 80.0, 10.0]), major=np.array([4.5, 3.8, 6.0, 40.0]))
    found, snr = GaussianFit(BEAM)(image, unknown)
    for name in Shapes._fields:
        assert getattr(found, name)[1:] == pytest.approx(getattr(unknown, name)[1:], nan_ok=True)
    assert np.isnan(snr[1])
    assert snr[3] > 0  # too large for its square, and still a source


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.full((40, 40), np.nan)])
def test_an_image_of_nothing_is_no_error(image):
    start = Shapes(*(np.array([value]) for value in (20.0, 20.0, 1.0, 4.0, 3.0, 0.0)))
    found, _ = GaussianFit(BEAM)(image, start)
    assert np.isfinite(np.stack(found)).all()
    empty = Shapes(*(np.zeros(0) for _ in Shapes._fields))
    assert len(GaussianFit(BEAM)(image, empty)[0].x) == 0


def test_classical_detectors_fit_if_they_are_told_the_beam(tmp_path):
    pytest.importorskip("sep")
    field = RadioScene(shape=(256, 256)).make(np.random.default_rng(8))
    write_fits(tmp_path / "map.fits", field)
    quality = {}
    for setting in ("", "fit_beam = [2.5, 2.5, 0.0]"):
        text = f'[[preprocess]]\nuse = "background"\n[detect]\nuse = "sep"\n{setting}\n'
        found = Pipeline.from_toml(text).run(tmp_path / "map.fits")
        columns = {name: np.asarray(values) for name, values in found.columns.items()}
        score = score_sources(Sources.of(columns), Sources.of(field.sources))
        quality[setting] = score.quality / score.n_match
    assert quality["fit_beam = [2.5, 2.5, 0.0]"] > quality[""] + 0.03


@pytest.mark.parametrize("beam", [(2.5,), (2.0, 3.0, 0.0), (2.5, 0.0, 0.0)])
def test_what_is_no_beam_is_refused(beam):
    with pytest.raises(ValueError, match="fit_beam is"):
        check_beam(beam)
    with pytest.raises(ValueError, match="fit_beam is"):
        Sep(fit_beam=beam)
