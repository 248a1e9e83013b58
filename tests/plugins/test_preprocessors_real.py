"""What cameras really deliver goes through the preprocessors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from astrodetect.core import registry
from astrodetect.core.data import Window
from astrodetect.core.discovery import discover
from astrodetect.core.stages import FrameSource, Preprocessor
from astrodetect.core.windows import opened
from astrodetect.plugins.preprocessors.background import Background
from astrodetect.plugins.preprocessors.flat_field import FlatField
from astrodetect.plugins.preprocessors.mask import Mask
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian

DATA = Path(os.environ.get("ASTRODETECT_DATA", "unset"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="ASTRODETECT_DATA names no folder of recordings")


def first_windows(folder: Path, stages: list[Preprocessor], most: int = 2) -> list[Window]:
    sources, _ = registry.load_sources()
    made = []
    for recording in sorted(discover([folder], sources))[:most]:
        source = registry.load(recording.source, FrameSource)()
        with opened(source, recording) as stream:
            for stage in stages:
                stage.open(stream)
            window = next(iter(source.windows(65, 50)))
            for stage in stages:
                window = stage.process(window)
            made.append(window.with_planes(**{name: np.array(p) for name, p in window.planes.items()}))
    return made


def test_ff_file_with_its_mask_and_flat() -> None:
    """A flat makes the sky of a vignetting lens flatter."""
    folder = DATA / "rms" / "UK0006_20220914"
    stages: list[Preprocessor] = [MaxMinusMedian(), FlatField(night=True), Mask(folder / "mask.bmp")]
    for plain, corrected in zip(
        first_windows(folder, stages[:1]), first_windows(folder, stages), strict=True
    ):
        assert corrected.mask is not None
        assert 0.02 < corrected.mask.mean() < 0.1
        np.testing.assert_array_equal(plain.planes["argmax"], corrected.planes["argmax"])

        def unevenness(window: Window, seen: np.ndarray = ~corrected.mask) -> float:
            sky = np.where(seen, window.planes["background"], np.nan)
            centre, side = np.nanmedian(sky[260:460, 540:740]), np.nanmedian(sky[:100, :100])
            return abs(float(centre / side) - 1)

        assert unevenness(corrected) < unevenness(plain)


def test_all_sky_stills() -> None:
    """The background of a night sky leaves noise about zero, fish-eye border or not."""
    windows = first_windows(DATA / "allsky", [Background()], most=9)
    stills = [window for window in windows if window.n_frames == 1]
    assert len(stills) >= 4
    for window in stills:
        image, noise = window.planes["image"], window.planes["std"]
        assert np.isfinite(image).all()
        assert window.mask is not None
        assert 0.01 < window.mask.mean() < 0.3
        seen = ~window.mask & (noise > 0)
        assert abs(np.median(image[seen] / noise[seen])) < 0.3
