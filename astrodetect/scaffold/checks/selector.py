"""What astrodetect relies on in a selector, and what this one is for."""

import numpy as np

from astrodetect import ScoreMap
from astrodetect.core.testing import SelectorConformance
from astrodetect.scaffold.kinds.selector import Example


class TestExample(SelectorConformance):
    """Runs all conformance tests of a selector."""

    plugin = Example

    def test_gives_the_best_first_and_no_more_than_k(self) -> None:
        """Rank 0 is the best cell of the map."""
        data = np.arange(12, dtype=np.float32).reshape(3, 4)
        chosen = self.plugin(k=3).select(ScoreMap(data, (1.0, 1.0), (0.0, 0.0)))
        assert chosen.indices.tolist() == [11, 10, 9]
