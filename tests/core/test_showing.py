"""In a notebook data shows itself; names that go say so."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from astrodetect import Catalog, Frame, Patches, ScoreMap
from astrodetect.core.deprecation import AstrodetectDeprecationWarning, deprecated
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.samples import sample_detections, sample_selection, sample_window
from astrodetect.core.showing import grey

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from report_samples import make_night

PNG = 'src="data:image/png;base64,'


def test_frames_windows_maps_and_patches_show_themselves() -> None:
    window = sample_window()
    assert window._repr_html_().count(PNG) == 2
    assert "frames 0 to" in window._repr_html_()
    frame = Frame(window.frames[3], 3, 1.5)
    assert "frame 3, 96x" in re.sub(r"\s+", " ", frame._repr_html_()) or PNG in frame._repr_html_()
    patches = Patches(np.ones((3, 2, 8, 8)), ("image", "max"), np.zeros((3, 2), np.int64), sample_selection())
    assert patches._repr_html_().count(PNG) == 3
    assert PNG in ScoreMap(np.eye(4, dtype=np.float32), (8.0, 8.0), (0.0, 0.0))._repr_html_()


def test_levels_are_finite_and_large_images_are_reduced_by_maxima() -> None:
    image = np.zeros((2000, 1500))
    image[777, 333] = 9
    levels = grey(image)
    assert max(levels.shape) <= 720
    assert levels.max() == 255
    assert grey(np.full((3, 3), np.nan)).max() == 0
    assert grey(np.zeros((3, 3))).max() == 0


def test_detections_show_themselves_and_go_to_pandas() -> None:
    found = sample_detections()
    shown = found._repr_html_()
    assert "Detections: 2 meteor, 1 static" in shown
    assert shown.count("<tr>") == 4
    table = found.to_pandas()
    assert list(table["label"]) == ["meteor", "meteor", "static"]
    assert table["x_min"].dtype == float
    assert "none" in Detections.empty()._repr_html_()
    assert len(Detections.empty().to_pandas()) == 0
    assert "&lt;b&gt;" in found.with_columns(label=["<b>", "a", "b"])._repr_html_()


def test_a_catalog_shows_itself_and_goes_to_pandas(tmp_path: Path) -> None:
    with Catalog(make_night(tmp_path)) as catalog:
        shown = catalog._repr_html_()
        assert "recordings: 2 done; 60 frames, 2026-08-12T22:00:00" in shown
        assert "<td>meteor</td><td>2</td><td>0</td>" in shown
        assert list(catalog.to_pandas("recordings")["path"]) == ["cube0.fits", "cube1.fits"]
        assert set(catalog.to_pandas()["label"]) == {"meteor", "lightning"}
        assert len(catalog.to_pandas("tracks")) == 20
    assert "closed" in catalog._repr_html_()


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(AstrodetectError, match=r"pip install .astrodetect\[parquet\]"):
        sample_detections().to_pandas()


def test_a_deprecated_name_works_and_says_what_to_use() -> None:
    @deprecated(since="0.2", removed_in="0.4", instead="new_name")
    def old_name(value: int) -> int:
        """Give it back."""
        return value

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert old_name(3) == 3
    assert caught[0].category is AstrodetectDeprecationWarning
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "old_name is deprecated since astrodetect 0.2 and will be removed in 0.4; use new_name"
    )
    assert old_name.__doc__ == "Give it back."
