"""What astrodetect relies on in a scorer, and what this one is for."""

import numpy as np

from astrodetect.core.samples import sample_window
from astrodetect.core.testing import ScorerConformance
from astrodetect.scaffold.kinds.scorer import Example


class TestExample(ScorerConformance):
    """Runs all conformance tests of a scorer."""

    plugin = Example

    def test_scores_the_moving_spot_highest(self) -> None:
        """The spot of the sample runs from (y, x) = (27.5, 30) to (41, 57)."""
        scores = self.make().score(sample_window())
        ((y, x),) = scores.centres(np.array([np.argmax(scores.data)]))
        assert 20 < y < 50
        assert 20 < x < 70
