"""A calibration: four numbers in a text file are a fisheye camera that looks up."""

from dataclasses import dataclass
from pathlib import Path

from astrodetect import AstrodetectError, Calibration, CalibrationSource, Recording, Stream
from astrodetect.core.calibrating import beside
from astrodetect.sky.lens import AllSkyLens


@dataclass
class Example(CalibrationSource):
    """Read ``camera.cal``: pixels per radian, x and y of the zenith, azimuth that is up."""

    #: Seen from below, east is on the left of north; set it where it is on the right.
    mirrored: bool = False

    def find(self, recording: Recording) -> Path | None:
        """Find the file in the folder of the recording, or above it."""
        return beside(recording, ["camera.cal"])

    def recognizes(self, path: Path) -> bool:
        """Say whether a file holds four numbers."""
        try:
            self.load(path)
        except AstrodetectError:
            return False
        return True

    def load(
        self, path: Path, recording: Recording | None = None, stream: Stream | None = None
    ) -> Calibration:
        """Read the four numbers; the site is that of the recording."""
        try:
            scale, x, y, rotation = (float(word) for word in path.read_text().split())
        except (OSError, ValueError) as error:
            raise AstrodetectError(f"{path}: expected four numbers: scale x y rotation") from error
        site = stream.site if stream is not None else None
        return AllSkyLens("equidistant", (scale,), x, y, rotation, mirrored=self.mirrored, site=site)
