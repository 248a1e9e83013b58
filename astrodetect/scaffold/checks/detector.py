"""What astrodetect relies on in a detector, and what this one is for."""

from astrodetect.core.samples import sample_window
from astrodetect.core.testing import DetectorConformance
from astrodetect.scaffold.kinds.detector import Example


class TestExample(DetectorConformance):
    """Runs all conformance tests of a detector."""

    plugin = Example

    def test_finds_the_trail_and_nothing_where_there_is_none(self) -> None:
        """The spot of the sample leaves one trail."""
        (found,) = self.make().detect(sample_window())
        assert found["x_min"] < 35
        assert found["x_max"] > 50
        assert len(self.make().detect(sample_window(moving=False))) == 0
