"""What astrodetect relies on in a postprocessor, and what this one is for."""

from astrodetect.core.samples import sample_detections, sample_window
from astrodetect.core.testing import PostprocessorConformance
from astrodetect.scaffold.kinds.postprocessor import Example


class TestExample(PostprocessorConformance):
    """Runs all conformance tests of a postprocessor."""

    plugin = Example

    def test_says_why_and_keeps_all(self) -> None:
        """The third detection of the sample does not move."""
        found = self.make().process(sample_detections(), sample_window().stream)
        assert list(found["reason"]) == ["", "", "too short"]
