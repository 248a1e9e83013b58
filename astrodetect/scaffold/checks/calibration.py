"""What astrodetect relies on in a calibration, and what this one is for."""

from pathlib import Path

import pytest

from astrodetect.core.testing import CalibrationConformance
from astrodetect.scaffold.kinds.calibration import Example


class TestExample(CalibrationConformance):
    """Runs all conformance tests of a calibration."""

    plugin = Example

    def write_sample(self, folder: Path) -> Path:
        """Write a good file, and give its name."""
        path = folder / "camera.cal"
        path.write_text("60 64 48 0")
        return path

    def test_up_is_north(self, tmp_path: Path) -> None:
        """A point above the middle of the image, half a radian from the zenith."""
        sky = self.make().load(self.write_sample(tmp_path)).pixel_to_sky(64, 18, 0.0)
        assert sky.az[0] == pytest.approx(0, abs=1e-9)
        assert sky.alt[0] == pytest.approx(90 - 28.648, abs=0.02)
