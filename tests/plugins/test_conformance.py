"""Our own plugins keep the rules that strangers' plugins are held to."""

import pytest

from astrodetect.core import registry, settings
from astrodetect.core.testing import conformance_problems

OURS = [name for name, owners in registry.installed().items() if owners[0].distribution == "astrodetect"]
#: They need a file, and are tested where they are tested.
NEED_A_FILE = {"mask", "flat-field", "noise-pattern", "sliding-window", "track-net", "yolo"} | {
    f"{method}-{kind}"
    for method in ("ats", "dps", "ips", "fcn-mil")
    for kind in ("scorer", "classifier", "detector")
}


@pytest.mark.parametrize("name", OURS)
def test_conforms(name):
    plugin = registry.load(name)
    if lacking := plugin.unavailable():
        pytest.skip(lacking)
    required = [setting.name for setting in settings.describe(plugin) if setting.default is settings.MISSING]
    if required:
        assert name in NEED_A_FILE
        return
    assert conformance_problems(plugin) == []
