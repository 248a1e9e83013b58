"""How samples are made from recordings: the keys of the table [data] that a store depends on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from astrodetect.core import settings

Plane = Literal["max", "median", "image", "clean", "argmax", "std", "mean", "background"]

#: The class of everything that is not looked for.
OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What is cut from recordings, and where it is kept."""

    #: Recordings, or folders of them: event folders of freeture, FITS, AVI, FF files, simulated nights.
    recordings: tuple[Path, ...]
    #: Where the samples are kept: an HDF5 file (ending in .h5), or by any other name a folder of FITS files
    #: with a table. Made when it is not there.
    store: Path
    #: What the recordings show: truth files, CSV tables with the columns path and label, and of frame_first,
    #: frame_last, x_first ... what is known, or catalogs with reviews. Absent: the `truth.csv` in each
    #: folder of `recordings`.
    labels: tuple[Path, ...] = ()
    #: Labels that are looked for: each becomes a class, and everything else is `other`.
    wanted: tuple[str, ...] = ("meteor",)
    #: What a recording shows that no label names: nothing (`empty`), or nobody knows (`leave-out`). `auto`:
    #: nothing where the labels are the `truth.csv` beside the recordings, else nobody knows.
    unlisted: Literal["auto", "empty", "leave-out"] = "auto"
    #: Learn from the labels of a catalog that nobody has looked at, too: the network learns to repeat
    #: the mistakes of the pipeline.
    unreviewed: bool = False
    #: Objects with a lower peak signal-to-noise are shown as nothing at all: nobody could see them.
    least_snr: Annotated[float, Ge(0)] = 3.0
    #: Length of a window, in seconds; as in the pipeline that the network is for.
    seconds: Annotated[float, Gt(0)] = 2.1
    #: Seconds that two windows share. More overlap gives more images of the same events.
    overlap: Annotated[float, Ge(0)] = 0.5
    #: Planes of an image, in the order in which the network sees them: `max` (MP), `median` (M), `image`
    #: (MP-M), `clean` (MP-M-MMP, without the pattern of the camera's noise), `argmax` (when each pixel was
    #: brightest: the motion), `std` (the noise), `mean`.
    planes: tuple[Plane, ...] = ("image",)
    #: Bring the brightest pixel of every frame to 255 first, as the thesis did to compare cameras; the
    #: pipeline then needs the preprocessor `scale`.
    scale: bool = False
    #: Small images about what is to be seen (for networks of patches), or whole frames.
    cut: Literal["crops", "frames"] = "crops"
    #: Height and width of a crop in pixels of the frame.
    side: Annotated[int, Ge(8)] = 56
    #: Join so many by so many pixels to one: 2 makes crops of 28x28 from 56x56.
    shrink: Annotated[int, Ge(1), Le(16)] = 1
    #: Height and width to which whole frames are cut or filled up with zeros, after `shrink`; absent: as
    #: they are, and frames of different cameras need `[train] batch = 1`.
    shape: tuple[int, int] | None = None
    #: Largest shift of a copy, in pixels of the frame. Crops are stored wider by it.
    shift: Annotated[int, Ge(0)] = 8
    #: Most crops along one object in one window.
    crops: Annotated[int, Ge(1)] = 4
    #: Crops in each window where something else looks interesting: what the network has to tell apart.
    others: Annotated[int, Ge(0)] = 3
    #: Crops in each window at random places.
    chance: Annotated[int, Ge(0)] = 1

    def __post_init__(self) -> None:
        if not self.planes:
            raise ValueError("planes is empty: name at least one")
        if not self.wanted or OTHER in self.wanted:
            raise ValueError(f"wanted = {list(self.wanted)}: name at least one label, and not {OTHER!r}")
        if self.overlap >= self.seconds:
            raise ValueError(f"overlap = {self.overlap} must be less than seconds = {self.seconds}")
        if (self.side + 2 * self.shift) % self.shrink or self.shift % self.shrink:
            raise ValueError(f"side = {self.side} and shift = {self.shift} must be multiples of shrink")

    @property
    def margin(self) -> int:
        """Pixels of an image that a crop is wider on every side than it is shown."""
        return self.shift // self.shrink if self.cut == "crops" else 0

    def recipe(self) -> dict[str, Any]:
        """Give the settings that the store depends on, as JSON holds them."""
        table = settings.to_table(self)
        names = [field.name for field in fields(BuildSettings) if field.name != "store"]
        return {name: table[name] for name in names if name in table}
