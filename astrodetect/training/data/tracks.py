"""Tracks of catalogs as series with labels: for a network on positions and light over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.compare import locate
from astrodetect.evaluation.truth import TruthObject
from astrodetect.methods.track_series import track_series
from astrodetect.training.data.splits import DataSet, Split, SplitName, require_classes
from astrodetect.training.samples.dealing import Dealing, Group, deal
from astrodetect.training.samples.labels import NOTHING, read_labels
from astrodetect.training.samples.settings import OTHER
from astrodetect.training.samples.store import Sample

#: A point follows an object that is so near (px), and half of the way of a frame more.
_NEAR = 6.0


@dataclass(frozen=True, kw_only=True)
class Tracks(DataSet):
    """Series of the detections in catalogs, labelled by a truth file or by those who reviewed them.

    A detection has the label of the object that at least half of its points follow, and is noise without one.
    """

    #: Catalogs, made by a pipeline that keeps tracks (`streak` does).
    catalogs: tuple[Path, ...]
    #: The truth of each catalog, in the same order; absent: the labels of detections that were reviewed.
    truth: tuple[Path, ...] = ()
    #: Labels that are looked for: each becomes a class, and everything else is `other`.
    wanted: tuple[str, ...] = ("meteor",)
    #: Steps of a series: longer tracks are thinned.
    length: Annotated[int, Ge(8)] = 64
    #: Fewest points of a track that is learned from.
    least: Annotated[int, Ge(2)] = 3
    #: What is never divided between training and judging: an event, or all of a station.
    group: Group = "event"
    #: Share of the groups for validation.
    validation: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Share of the groups for the test.
    test: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Other seeds deal groups out otherwise.
    seed: int = 0

    def __post_init__(self) -> None:
        if self.truth and len(self.truth) != len(self.catalogs):
            raise ValueError(
                f"{len(self.truth)} truth files for {len(self.catalogs)} catalogs; expected as many"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Without what is looked for, and each label that is."""
        return (OTHER, *self.wanted)

    @cached_property
    def known(self) -> tuple[NDArray[np.float32], list[Sample]]:
        """All series (n, C, 1, length), and what is known of them."""
        series: list[NDArray[np.float32]] = []
        samples: list[Sample] = []
        for number, path in enumerate(self.catalogs):
            truth = read_labels(self.truth[number]) if self.truth else None
            for track, sample, rate in _tracks_of(path, truth, self.least):
                series.append(track_series(track, rate, self.length)[:, None])
                samples.append(sample)
        if not series:
            raise AstrodetectError(f"{self.catalogs[0]}: no track of {self.least} points that has a label")
        return np.stack(series), samples

    def split(self, name: SplitName) -> Split:
        """Make one split."""
        series, samples = self.known
        splits, groups = deal(
            samples, self.wanted, Dealing(self.group, self.validation, self.test, seed=self.seed)
        )
        own = [row for row, split in enumerate(splits) if split == name]
        labels = [samples[row].label for row in own]
        targets = np.array([1 + self.wanted.index(n) if n in self.wanted else 0 for n in labels], np.int64)
        require_classes(targets, self.classes, f"{self.catalogs[0]}: the split {name!r}")
        numbers = np.unique(groups, return_inverse=True)[1][own].astype(np.int64)
        return Split(Series(series[own]), targets, numbers)


@dataclass(frozen=True)
class Series:
    """Series in memory."""

    series: NDArray[np.float32]

    def __len__(self) -> int:
        """Give the number of series."""
        return len(self.series)

    def render(self, number: int) -> NDArray[np.float32]:
        """Give a series as an image of one row, (C, 1, length)."""
        return np.asarray(self.series[number])


def _tracks_of(
    path: Path, truth: Sequence[TruthObject] | None, least: int
) -> list[tuple[dict[str, Any], Sample, float]]:
    """Give the labelled tracks of a catalog, what is known of each, and the frame rates."""
    from astrodetect.catalogs.reader import Catalog

    found = []
    with Catalog(path) as catalog:
        rows = catalog.read_columns(
            ["recording_id", "path", "camera", "time_start", "frame_rate"], "recordings"
        )
        numbers = {int(number): row for row, number in enumerate(rows["recording_id"])}
        located = {} if truth is None else locate(truth, [str(one) for one in rows["path"]])[0]
        for block in catalog.blocks():
            row = numbers[block.recording_id]
            rate, where = float(rows["frame_rate"][row]), str(rows["path"][row])
            for number in range(len(block.detections)):
                track = block.detections.track(number)
                own = {name: values[number] for name, values in block.detections.columns.items()}
                label = _reviewed(own) if truth is None else followed(track, located.get(where, ()))
                if label and len(track.get("frame", ())) >= least:
                    sample = Sample(
                        int(own["detection_id"]), where, str(rows["camera"][row]), int(own["frame_start"]),
                        int(own["frame_end"]), float(rows["time_start"][row]), 0.0, label, place="camera",
                    )  # fmt: skip
                    found.append((track, sample, rate))
    return found


def _reviewed(row: dict[str, Any]) -> str:
    """Give the label of a detection that somebody has looked at, else an empty one."""
    return str(row["label"]) if row.get("verdict") else ""


def followed(track: dict[str, Any], objects: Sequence[TruthObject]) -> str:
    """Give the label of the object that at least half of the points of a track follow, or that of nothing.

    Parameters
    ----------
    track : mapping of str to array
        ``frame``, ``x``, ``y``.
    objects : sequence of TruthObject
        Of the same recording.
    """
    frames = np.asarray(track.get("frame", ()), np.float64)
    best, share = NOTHING, 0.5
    for item in (one for one in objects if (one.has_ends or one.track) and len(frames)):
        at = np.array([item.position(frame) for frame in frames])
        reach = _NEAR + 0.5 * np.nan_to_num(item.speed)
        near = np.hypot(at[:, 0] - track["x"], at[:, 1] - track["y"]) <= reach
        there = (frames >= item.frame_first - 1) & (frames <= item.frame_last + 1)
        part = float((near & there).mean())
        if part >= share:
            best, share = item.label, part
    return best
