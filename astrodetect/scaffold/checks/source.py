"""What astrodetect relies on in a source, and what this one is for."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from astrodetect.core.errors import SourceError
from astrodetect.core.testing import SourceConformance
from astrodetect.scaffold.kinds.source import Example


class TestExample(SourceConformance):
    """Runs all conformance tests of a source."""

    plugin = Example

    n_frames = 12

    def write_sample(self, folder: Path) -> None:
        """Write one recording of `n_frames` frames."""
        rng = np.random.default_rng(0)
        np.save(folder / "night.npy", rng.integers(0, 4096, (self.n_frames, 24, 32)).astype(np.uint16))

    def test_refuses_an_array_that_is_no_stack(self) -> None:
        """Tell the user what was expected."""
        with TemporaryDirectory() as folder:
            np.save(Path(folder) / "flat.npy", np.zeros((4, 4)))
            (recording,) = self.found(Path(folder))
            with pytest.raises(SourceError, match=r"expected numbers of shape \(T, H, W\)"):
                self.make().open(recording)
