"""What astrodetect relies on in a preprocessor, and what this one is for."""

import numpy as np

from astrodetect.core.samples import sample_window
from astrodetect.core.testing import PreprocessorConformance
from astrodetect.scaffold.kinds.preprocessor import Example


class TestExample(PreprocessorConformance):
    """Runs all conformance tests of a preprocessor."""

    plugin = Example

    def test_lowers_the_noise(self) -> None:
        """The mean stays, the spread shrinks."""
        window = sample_window(moving=False)
        before, after = window.planes["image"], self.make().process(window).planes["image"]
        assert np.std(after) < 0.5 * np.std(before)
        assert np.isclose(np.mean(after), np.mean(before), rtol=0.02)
