"""What astrodetect relies on in a scorer, and what this one is for."""

import numpy as np
from stranger_peak import Peak

from astrodetect.core.samples import sample_window
from astrodetect.core.testing import ScorerConformance


class TestPeak(ScorerConformance):
    """Runs all conformance tests of a scorer."""

    plugin = Peak

    def test_scores_the_moving_spot_highest(self):
        """The spot of the sample runs from (y, x) = (27.5, 30) to (41, 57)."""
        scores = self.make().score(sample_window())
        ((y, x),) = scores.centres(np.array([np.argmax(scores.data)]))
        assert 20 < y < 50
        assert 20 < x < 70
