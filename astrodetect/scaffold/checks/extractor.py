"""What astrodetect relies on in a extractor, and what this one is for."""

import numpy as np

from astrodetect.core.testing import ExtractorConformance
from astrodetect.scaffold.kinds.extractor import Example


class TestExample(ExtractorConformance):
    """Runs all conformance tests of a extractor."""

    plugin = Example

    def test_fills_the_outside_with_zero(self) -> None:
        """A patch that hangs over the corner of the frame."""
        images = np.full((1, 1, 4, 4), 7, np.uint8)
        cut = self.make().extract(images, np.array([[[-1, -1]]]), (2, 2))
        assert cut[0, 0, 0].tolist() == [[0, 0], [0, 7]]
