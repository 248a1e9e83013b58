"""Detections on their way out: what a format needs of them, and one clear line where it is missing."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.model import SKY, Content, Observed
from astrodetect.exchange.text import iso_text

#: Unix seconds that are still in the calendar.
_LAST_TIME = 6e10
#: At most so many detections are named in a message.
_NAMED = 3
_WHAT_TO_DO = {
    "no position on the sky": "calibrate the camera ([calibrate] in the pipeline file) and run again",
    "no absolute time": "only recordings with a date and time can be exchanged",
    "no known site": "give --site LAT,LON,ELEVATION, or calibrate the camera",
    "no position in the image": "the format holds nothing else",
    "no track": "the pipeline gave boxes alone",
    "no frame rate": "the recording does not state one",
    "no frame size": "the recording does not state one",
}


@dataclass(frozen=True)
class Outgoing:
    """One detection: its recording, its row there, its track in order of time."""

    recording: Observed
    row: int
    track: dict[str, Any]

    def value(self, name: str, default: Any = "") -> Any:
        """Give a column of the detection."""
        return self.recording.detections[name][self.row] if name in self.recording.detections else default

    @property
    def site(self) -> Site:
        """Where the camera stands.

        Raises
        ------
        AstrodetectError
            It is not known.
        """
        if self.recording.site is None:
            raise AstrodetectError(f"{self}: no known site; {_WHAT_TO_DO['no known site']}")
        return self.recording.site

    def __str__(self) -> str:
        start = self.value("time_start", math.nan)
        when = f" at {iso_text(start, 1)}" if abs(start) < _LAST_TIME else ""
        return f"{self.recording.path}{when}"


def outgoing(content: Content) -> Iterator[Outgoing]:
    """Give all detections of a content in order, with their tracks."""
    for recording in content.recordings:
        for row in range(len(recording.detections)):
            yield Outgoing(recording, row, recording.detections.track(row))


def with_sky(item: Outgoing) -> Outgoing:
    """Give a detection with the points of its track of which the place on the sky is known."""
    known = np.isfinite(sum(item.track[name] for name in SKY))
    return Outgoing(item.recording, item.row, {name: values[known] for name, values in item.track.items()})


def lacks_sky(item: Outgoing) -> bool:
    """Tell whether no point of a track has a place on the sky, in both systems."""
    if any(name not in item.track for name in SKY):
        return True
    return not np.isfinite(sum(item.track[name] for name in SKY)).any()


def lacks_time(item: Outgoing) -> bool:
    """Tell whether the times of a track are seconds from the beginning, none, or not of the calendar."""
    times = np.append(item.track.get("time", ()), item.value("time_start", math.nan))
    return not bool(np.all(np.abs(times) < _LAST_TIME))


def lacks_track(item: Outgoing) -> bool:
    """Tell whether there are no points with times."""
    return not len(item.track.get("time", ()))


def lacks_pixels(item: Outgoing) -> bool:
    """Tell whether no point has a place in the image."""
    return not ("x" in item.track and np.isfinite(item.track["x"] + item.track["y"]).all())


def lacks_site(item: Outgoing) -> bool:
    """Tell whether it is not known where the camera stands."""
    return item.recording.site is None


def lacks_size(item: Outgoing) -> bool:
    """Tell whether the size of a frame is not known."""
    return item.recording.width <= 0 or item.recording.height <= 0


def lacks_rate(item: Outgoing) -> bool:
    """Tell whether the frame rate is neither stated nor to be had from the track."""
    return not frame_rate(item) > 0


def require(name: str, items: Iterable[Outgoing], **conditions: Callable[[Outgoing], bool]) -> list[Outgoing]:
    """Give the detections if a format can hold all of them.

    Parameters
    ----------
    name : str
        The format.
    items : iterable of Outgoing
        What is to be written.
    conditions : callables
        What is missing, with underscores (a key of the advice), and the test for it.

    Raises
    ------
    AstrodetectError
        It cannot: how many, which, and what to do.
    """
    listed = list(items)
    for key, lacks in conditions.items():
        what = key.replace("_", " ")
        missing = [str(item) for item in listed if lacks(item)]
        if missing:
            names = list(Counter(missing))
            shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            how_many = f"{len(missing)} of {len(listed)} detections"
            raise AstrodetectError(f"{name}: {how_many} have {what} ({shown}); {_WHAT_TO_DO[what]}")
    return listed


def frame_rate(item: Outgoing) -> float:
    """Give frames per second: as stated, or by the steps of the track; NaN if unknown."""
    if item.recording.frame_rate > 0:
        return item.recording.frame_rate
    frames, times = (np.asarray(item.track.get(name, ())) for name in ("frame", "time"))
    if len(times) < 2:
        return math.nan
    if len(frames) != len(times) or (frames < 0).any():
        frames = np.arange(len(times))  # no numbers: a point in every frame
    steps, seconds = np.diff(frames), np.diff(times)
    good = (steps > 0) & (seconds > 0)
    return float(np.median(steps[good] / seconds[good])) if good.any() else math.nan


def safe_name(text: str) -> str:
    """Give a text as it can stand in the name of a file.

    Examples
    --------
    >>> safe_name("../East Barnet/NE")
    'East-Barnet-NE'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-.") or "unknown"


def unique_names(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Give files under names that differ: the second ``a.txt`` becomes ``a_2.txt``."""
    seen: Counter[str] = Counter()
    for name, data in files:
        seen[name] += 1
        if seen[name] > 1:
            stem, dot, suffix = name.rpartition(".")
            yield (f"{stem}_{seen[name]}{dot}{suffix}" if dot else f"{name}_{seen[name]}"), data
        else:
            yield name, data


def on_the_sky(name: str, content: Content) -> list[Outgoing]:
    """Give what a format holds that wants times, places on the sky and a site: points with all of them.

    Raises
    ------
    AstrodetectError
        Detections have no absolute time, no position on the sky, or no known site.
    """
    items = require(
        name, outgoing(content), no_track=lacks_track, no_absolute_time=lacks_time,
        no_position_on_the_sky=lacks_sky, no_known_site=lacks_site,
    )  # fmt: skip
    return [with_sky(item) for item in items]
