"""Make samples from recordings, one window after the other: the data set of Nicolini (2022), section 5.3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

import astrodetect
from astrodetect.core import registry
from astrodetect.core.data import Recording, Window, as_reference, stable_id
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError, SourceError
from astrodetect.core.geometry import clip_box, patch_corners
from astrodetect.core.tables import WindowSettings
from astrodetect.evaluation.truth import TruthObject
from astrodetect.training.samples.labels import Labelled, Labels, assign, placed, read_labels
from astrodetect.training.samples.places import Chooser, Place, Seen, frame_place, objects_in, timeless_item
from astrodetect.training.samples.settings import BuildSettings
from astrodetect.training.samples.store import Sample, Writer, columns_of, new_store
from astrodetect.training.samples.windows import Reduction, open_recording, shrunk, stacked

#: About so many points of a path are kept.
_POINTS = 40
#: A line for the user.
Tell = Callable[[str], None]


@dataclass
class Built:
    """What a build made.

    Attributes
    ----------
    samples : list of Sample
        In the order of the store.
    failed : list of str
        Recordings that could not be read, with the reason.
    labels : Labels
        What was labelled, and what was left out.
    """

    labels: Labels
    samples: list[Sample] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def find_labelled(how: BuildSettings) -> Labels:
    """Find the recordings and their labels.

    Raises
    ------
    AstrodetectError
        An input is not there, has no labels, or none of the labels belongs to a recording.
    """
    sources = registry.load_sources()[0]
    every: list[tuple[list[Recording], list[TruthObject], bool]] = []
    for root in how.recordings:
        if not root.exists():
            raise AstrodetectError(f"{root}: no such file or folder; expected recordings")
        recordings = sorted(discover([root], sources))
        if how.labels:
            every.append((recordings, [], False))
            continue
        truth = root / "truth.csv"
        if not truth.is_file():
            raise AstrodetectError(f"{root}: holds no truth.csv; give labels = [...], what it shows")
        every.append((recordings, read_labels(truth), how.unlisted != "leave-out"))
    if how.labels:
        truth_of_all = [item for path in how.labels for item in read_labels(path, unreviewed=how.unreviewed)]
        together = [recording for recordings, _, _ in every for recording in recordings]
        every = [(together, truth_of_all, how.unlisted == "empty")]
    found = Labels()
    for recordings, objects, empty in every:
        part = assign(recordings, objects, empty=empty)
        found.labelled += part.labelled
        found.unlisted += part.unlisted
        found.absent += part.absent
    if not found.labelled:
        named = f"; the labels name {found.absent[0]} and others" if found.absent else ""
        raise AstrodetectError(f"{how.recordings[0]}: no recording that the labels name was found{named}")
    return found


def build(how: BuildSettings, tell: Tell = lambda _: None, tick: Tell = lambda _: None) -> Built:
    """Make the store of a data set.

    Parameters
    ----------
    how : BuildSettings
        From what, and how.
    tell : callable
        Gets a line about each recording that is left out.
    tick : callable
        Gets the path of each recording when it is done.

    Returns
    -------
    Built

    Raises
    ------
    AstrodetectError
        No recording could be used.
    """
    done = Built(find_labelled(how))
    for path in done.labels.absent:
        tell(f"{path}: labelled, and not there")
    if done.labels.unlisted:
        tell(f"{len(done.labels.unlisted)} recordings left out: no label says what they show")
    with new_store(how.store) as store:
        cutter = _Cutter(how, store)
        for labelled in done.labels.labelled:
            try:
                cutter.cut(labelled)
            except (SourceError, AstrodetectError) as error:
                done.failed.append(str(error))
                tell(str(error))
            tick(labelled.recording.path)
        done.samples = cutter.made
        if not done.samples:
            why = f": {done.failed[0]}" if done.failed else ""
            raise AstrodetectError(f"{how.store}: not made, no recording gave a sample{why}")
        store.finish(columns_of(done.samples), _provenance(how, done))
    return done


def _provenance(how: BuildSettings, done: Built) -> dict[str, str]:
    recordings = {
        one.recording.path: {"source": one.recording.source, "fingerprint": one.recording.fingerprint}
        for one in done.labels.labelled
    }
    return {
        "recipe": json.dumps(how.recipe()),
        "labels": json.dumps(labels_digest(how)),
        "recordings": json.dumps(recordings),
        "failed": json.dumps(done.failed),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": astrodetect.__version__,
    }


def labels_digest(how: BuildSettings) -> dict[str, str]:
    """Give a digest of each file of labels."""
    files = how.labels or tuple(root / "truth.csv" for root in how.recordings)
    return {str(path): as_reference(path).fingerprint for path in files if path.is_file()}


class _Cutter:
    """Cuts the samples of recordings and writes them."""

    def __init__(self, how: BuildSettings, store: Writer) -> None:
        self.how, self.store = how, store
        self.reduction = Reduction(how.planes, scale=how.scale)
        self.chooser = Chooser(how.wanted, how.side, how.crops, how.others, how.chance)
        self.made: list[Sample] = []

    def cut(self, labelled: Labelled) -> None:
        """Cut and write the samples of one recording; of one that breaks off, those before."""
        how = self.how
        best: tuple[float, Sample, NDArray[np.float32]] | None = None
        with open_recording(labelled.recording) as source:
            # The camera's own track is that of the event, if the labels tell of one thing alone.
            camera = source.camera_detections() if len(labelled.objects) == 1 else None
            objects = [placed(item, camera) for item in labelled.objects]
            settings = WindowSettings(seconds=how.seconds, overlap=how.overlap)
            size, step = settings.frames(source.stream.frame_rate)
            for window in self.reduction.windows(source, size, step):
                seen = objects_in(window, objects, how.wanted, how.least_snr)
                seconds = self._seconds(window, step)
                points = self._points(window, seen)
                for place in self._places(window, seen):
                    self._write(self._sample(window, place, seconds, points), self._image(window, place))
                    seconds = 0.0
                best = self._better(window, seen, best)
        if best is not None:
            self._write(best[1], best[2])

    def _places(self, window: Window, seen: list[Seen]) -> list[Place]:
        if self.how.cut == "crops":
            return self.chooser.places(window, seen)
        place = frame_place(window, seen, self.how.wanted)
        return [] if place is None else [place]

    def _better(
        self, window: Window, seen: list[Seen], best: tuple[float, Sample, NDArray[np.float32]] | None
    ) -> tuple[float, Sample, NDArray[np.float32]] | None:
        """Give the likeliest place of an object of which only the recording is known."""
        wanted = self.how.wanted
        lost = [one.item for one in seen if one.item.label in wanted and not len(one.path_yx)]
        vague = [item for item in lost if timeless_item(item)]
        places = self.chooser.interesting(window)[:1] if vague else []
        if not places or (best is not None and places[0].score <= best[0]):
            return best
        score, item = places[0].score, vague[0]
        y, x = (places[0].y, places[0].x) if self.how.cut == "crops" else _middle(window)
        place = Place(y, x, item.label, item.object, "score", item.peak_snr, score)
        return score, self._sample(window, place, 0.0), self._image(window, place)

    @staticmethod
    def _seconds(window: Window, step: int) -> float:
        """Give how much of the recording a window stands for."""
        rate = window.stream.frame_rate
        return min(step, window.n_frames) / rate if rate > 0 else 0.0

    def _points(self, window: Window, seen: list[Seen]) -> str:
        """Give where in the image of a whole frame the wanted objects were."""
        how = self.how
        if how.cut == "crops":
            return ""
        size = [length // how.shrink for length in window.shape]
        moved = [(own - new) // 2 for own, new in zip(size, how.shape or size, strict=True)]
        paths = [one.path_yx for one in seen if one.sure and one.item.label in how.wanted]
        thin = [path[:: max(1, len(path) // _POINTS)] for path in paths]
        places = [(path + 0.5) / how.shrink - 0.5 - moved for path in thin]
        return ";".join(f"{y:.1f} {x:.1f}" for path in places for y, x in path)

    @staticmethod
    def _sample(window: Window, place: Place, seconds: float, points: str = "") -> Sample:
        recording = window.recording
        where = (round(place.y), round(place.x), place.how, place.object)
        absolute = np.isfinite(window.stream.start)
        return Sample(
            stable_id(recording.path, recording.fingerprint, window.start, *where),
            recording.path,
            window.stream.camera,
            window.start,
            window.start + window.n_frames - 1,
            float(window.times[0]) if absolute else float("nan"),
            seconds,
            place.label,
            place.object,
            place.how,
            place.x,
            place.y,
            place.snr,
            points,
        )

    def _image(self, window: Window, place: Place) -> NDArray[np.float32]:
        how = self.how
        if how.cut == "frames":
            return fitted(shrunk(stacked(window, how.planes), how.planes, how.shrink), how.shape)
        side = how.side + 2 * how.shift
        corner = patch_corners([place.y, place.x], (side, side)).tolist()
        (rows, own_rows), (columns, own_columns) = (
            clip_box(first, side, length) for first, length in zip(corner, window.shape, strict=True)
        )
        crop = np.zeros((len(how.planes), side, side), np.float32)
        crop[:, own_rows, own_columns] = [window.planes[name][rows, columns] for name in how.planes]
        crop[~np.isfinite(crop)] = 0
        return shrunk(crop, how.planes, how.shrink)

    def _write(self, sample: Sample, image: NDArray[np.float32]) -> None:
        self.store.add(image)
        self.made.append(sample)


def _middle(window: Window) -> Iterator[float]:
    return ((length - 1) / 2 for length in window.shape)


def fitted(image: NDArray[np.float32], shape: tuple[int, int] | None) -> NDArray[np.float32]:
    """Cut an image (C, H, W) to a size about its middle, or fill it up with zeros.

    Examples
    --------
    >>> fitted(np.ones((1, 1, 3), np.float32), (2, 1)).tolist()
    [[[0.0], [1.0]]]
    """
    if shape is None:
        return image
    out = np.zeros((len(image), *shape), np.float32)
    corner = [(own - wanted) // 2 for own, wanted in zip(image.shape[1:], shape, strict=True)]
    (rows, to_rows), (columns, to_columns) = (
        clip_box(first, wanted, own)
        for first, wanted, own in zip(corner, shape, image.shape[1:], strict=True)
    )
    out[:, to_rows, to_columns] = image[:, rows, columns]
    return out
