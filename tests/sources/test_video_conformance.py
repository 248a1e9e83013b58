"""The sources `video`, `image` and `rms-ff` keep what every frame source promises."""

from pathlib import Path

import test_rms_ff
from PIL import Image as Pillow
from video_fixture import noise, ramps, write

from astrodetect.core.testing import SourceConformance
from astrodetect.plugins.sources.image import Image
from astrodetect.plugins.sources.rms_ff import RmsFF
from astrodetect.plugins.sources.video import Video


class TestVideo(SourceConformance):
    plugin = Video
    n_frames = 12

    def write_sample(self, folder: Path) -> None:
        write(folder / "CAM1_20210307_021710.avi", ramps(12), "mjpeg", "yuvj420p")


class TestImage(SourceConformance):
    plugin = Image
    n_frames = 1

    def write_sample(self, folder: Path) -> None:
        Pillow.fromarray(noise(1)[0]).save(folder / "CAM1_20210307_021710.png")


class TestRmsFF(SourceConformance):
    plugin = RmsFF
    n_frames = 256

    def write_sample(self, folder: Path) -> None:
        test_rms_ff.write_fits(folder / test_rms_ff.NAME)
