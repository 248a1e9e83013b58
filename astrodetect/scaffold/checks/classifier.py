"""What astrodetect relies on in a classifier, and what this one is for."""

from astrodetect.core.samples import sample_window
from astrodetect.core.testing import ClassifierConformance
from astrodetect.scaffold.kinds.classifier import Example


class TestExample(ClassifierConformance):
    """Runs all conformance tests of a classifier."""

    plugin = Example

    def test_tells_the_spot_from_the_empty_sky(self) -> None:
        """Of the three patches of the sample the last one is empty."""
        found = self.decide(self.make(), sample_window())
        assert list(found["label"]) == ["unknown", "unknown", "noise"]
