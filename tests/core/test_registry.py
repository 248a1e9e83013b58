"""Plugins of strangers: found by name, broken ones listed, doubled ones refused."""

import sys

import pytest

from astrodetect.core import registry
from astrodetect.core.errors import PluginError
from astrodetect.core.stages import RegionScorer


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Install a distribution with entry points, without pip."""
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.installed.cache_clear()
    made = []

    def install(name, entries, modules=None):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(f"{entry} = {target}" for entry, target in entries.items())
        (info / "entry_points.txt").write_text(f"[astrodetect]\n{lines}\n")
        for module, text in (modules or {}).items():
            (tmp_path / f"{module}.py").write_text(text)
            made.append(module)
        registry.installed.cache_clear()

    yield install
    for module in made:
        sys.modules.pop(module, None)
    registry.installed.cache_clear()


PEAK = """
from dataclasses import dataclass
import numpy as np
from astrodetect import RegionScorer, ScoreMap

@dataclass
class Peak(RegionScorer):
    needs = ("image",)
    def score(self, window):
        return ScoreMap(window.planes["image"][4::8, 4::8].astype(np.float32), (8, 8), (4, 4))
"""


def test_a_strangers_plugin_is_found_and_kept_apart(distribution):
    distribution("stranger", {"stranger-peak": "stranger_peak:Peak"}, {"stranger_peak": PEAK})
    assert registry.find("stranger-peak").distribution == "stranger"
    assert issubclass(registry.load("stranger-peak", RegionScorer), RegionScorer)


def test_two_owners_of_a_name_are_an_error_that_names_both(distribution):
    distribution("one", {"peak": "one_peak:Peak"})
    distribution("two", {"peak": "two_peak:Peak", "fine": "stranger_fine:Peak"}, {"stranger_fine": PEAK})
    with pytest.raises(PluginError, match=r"declared by two distributions, one 1\.0 and two 1\.0"):
        registry.load("peak")
    registry.load("fine")
    failures = {
        item.plugin.distribution: item.failure
        for item in registry.list_plugins()
        if item.plugin.name == "peak"
    }
    assert set(failures) == {"one", "two"}


def test_a_plugin_that_fails_on_import_is_listed_and_harms_nobody(distribution):
    distribution(
        "broken", {"broken": "broken_plugin:Peak"}, {"broken_plugin": "raise RuntimeError('no licence')"}
    )
    with pytest.raises(
        PluginError, match=r"'broken' \(from broken 1\.0\) cannot be imported: RuntimeError: no licence"
    ):
        registry.load("broken")
    listed = {item.plugin.name: item for item in registry.list_plugins()}
    assert "no licence" in listed["broken"].failure
    sources, failures = registry.load_sources()
    assert "fits" in sources
    assert any("no licence" in line for line in failures)


def test_only_what_is_named_is_imported(distribution):
    distribution("heavy", {"heavy": "heavy_plugin:Peak"}, {"heavy_plugin": PEAK})
    registry.load("top-k")
    assert "heavy_plugin" not in sys.modules


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        (PEAK, False),
        ("import astrodetect as ad\nclass Peak(ad.RegionScorer): pass", False),
        ("from astrodetect.core.stages import Detector as Any\nclass Peak(Any): pass", False),
        ("from astrodetect import FrameSource\nclass Peak(FrameSource): pass", True),
        ("from astrodetect import Detector\nclass Own(Detector): pass\nclass Peak(Own): pass", True),
        ("from astrodetect import Detector\nPeak = Detector", True),
        ("class Peak(", True),
    ],
)
def test_without_a_source_table_only_what_may_be_a_source_is_imported(distribution, text, imported):
    marker = "import sys\nsys.modules['it_was_imported'] = sys\n"
    distribution("heavy", {"heavy": "heavy_plugin:Peak"}, {"heavy_plugin": marker + text})
    registry._known_kind.cache_clear()
    sources, failures = registry.load_sources()
    assert "fits" in sources
    seen = sys.modules.pop("it_was_imported", None) is not None or any("heavy" in line for line in failures)
    assert seen == imported


def test_a_module_in_a_package_is_read_without_importing_the_package(distribution, tmp_path):
    (tmp_path / "heavy_package").mkdir()
    (tmp_path / "heavy_package/__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "heavy_package/peak.py").write_text(PEAK)
    distribution("heavy", {"heavy": "heavy_package.peak:Peak"})
    assert not registry.load_sources()[1]


def test_what_is_no_stage_is_refused(distribution):
    modules = {"odd_plugin": "class Odd: pass\n" + PEAK.replace("@dataclass\n", "").replace("Peak(", "Bare(")}
    distribution("odd", {"odd": "odd_plugin:Odd", "bare": "odd_plugin:Bare"}, modules)
    with pytest.raises(PluginError, match="implements none of the interfaces"):
        registry.load("odd")
    with pytest.raises(PluginError, match="put @dataclass above class Bare"):
        registry.load("bare")


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(PluginError, match="no plugin is named 'topk'; did you mean 'top-k'"):
        registry.load("topk")
