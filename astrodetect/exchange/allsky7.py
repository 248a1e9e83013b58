"""AllSky7 ``-reduced.json``: one meteor of one camera, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Observed, detections_of
from astrodetect.exchange.outgoing import Outgoing, lacks_time, lacks_track, outgoing, require, unique_names
from astrodetect.exchange.structured import dumps, items, mapping, read_json, real, texts, whole
from astrodetect.exchange.text import iso_text, iso_time

#: Our names of the numbers in a row of ``meteor_frame_data``, after the time.
_ROW = ("frame", "x", "y", "box_width", "box_height", "flux", "ra", "dec", "az", "alt")
#: Keys that are kept as they stand.
_KEPT = ("station_name", "device_name", "sd_video_file", "hd_video_file", "event_duration")
_SITES = (("device_lat", "device_lng", "device_alt"), ("site_lat", "site_lng", "site_alt"))


class AllSky7(Format):
    """Reduced JSON of AllSky7. Pixels are those of the HD video, y from the top."""

    name = "allsky7"
    description = "AllSky7 reduced JSON: one meteor of one camera, frame by frame"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the keys, or by the name."""
        is_reduced = b'"station_name"' in head or b'"sd_video_file"' in head
        return b'"meteor_frame_data"' in head or (is_reduced and path.name.endswith("reduced.json"))

    def read(self, path: Path) -> Content:
        """Read a meteor; one that was not reduced is a recording without detections.

        Raises
        ------
        AstrodetectError
            It is no JSON of AllSky7, or a row has another number of columns.
        """
        value = mapping(path, read_json(path), "the file")
        if "meteor_frame_data" not in value:
            raise AstrodetectError(f"{path}: no 'meteor_frame_data'; expected a reduced JSON of AllSky7")
        rows = items(path, value["meteor_frame_data"], "meteor_frame_data")
        calibration = mapping(path, value.get("cal_params") or {}, "cal_params")
        video = texts(value, ("hd_video_file", "sd_video_file")) or path.name
        device = texts(value, ("device_name", "station_id"))
        camera = "_".join(part for part in (texts(value, ("station_name", "station_id")), device) if part)
        peak = real(path, value.get("peak_magnitude"), "peak_magnitude")
        columns = {"peak_magnitude": [peak]}
        detections = detections_of([_track(path, rows)], columns) if rows else detections_of([])
        meta = {key: value[key] for key in _KEPT if isinstance(value.get(key), str | int | float)}
        recording = Observed(
            PurePosixPath(video.replace("\\", "/")).name, detections, camera=camera,
            site=_site(path, calibration), meta=meta,
        )  # fmt: skip
        stars = [
            [real(path, v, "user_stars") for v in items(path, star, "user_stars")[:2]]
            for star in items(path, calibration.get("user_stars"), "user_stars")
        ]
        pairs = np.array([star for star in stars if len(star) == 2]).reshape(-1, 2)
        table = {"x": pairs[:, 0], "y": pairs[:, 1]} if len(pairs) else {}
        return Content((recording,), table, {camera: calibration} if calibration else {})

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each detection. Without a calibration, positions on the sky are null.

        Raises
        ------
        AstrodetectError
            Detections have no absolute time.
        """
        found = require(self.name, outgoing(content), no_track=lacks_track, no_absolute_time=lacks_time)
        yield from unique_names(_file(item, content.calibrations) for item in found)


def _site(path: Path, calibration: Mapping[str, Any]) -> Site | None:
    for names in _SITES:
        place = [real(path, calibration.get(name), name) for name in names]
        if not any(map(math.isnan, place)):
            return Site(*place)
    return None


def _track(path: Path, rows: list[Any]) -> dict[str, Any]:
    times, numbers = [], []
    for i, row in enumerate(rows, 1):
        cells = items(path, row, f"row {i} of meteor_frame_data")
        if len(cells) < 1 + len(_ROW):
            raise AstrodetectError(
                f"{path}: row {i} of meteor_frame_data has {len(cells)} values; expected {1 + len(_ROW)}"
            )
        try:
            times.append(iso_time(str(cells[0])))
        except ValueError as error:
            raise AstrodetectError(f"{path}: row {i} of meteor_frame_data: {error}") from None
        numbers.append([real(path, v, f"row {i} of meteor_frame_data") for v in cells[1 : 1 + len(_ROW)]])
    values = np.array(numbers)
    track: dict[str, Any] = {name: values[:, i] for i, name in enumerate(_ROW)}
    track["frame"] = np.array([whole(value) for value in track["frame"]])
    return {**track, "time": np.array(times)}


def _file(item: Outgoing, calibrations: Mapping[str, Mapping[str, Any]]) -> tuple[str, bytes]:
    recording, track = item.recording, item.track
    n = len(track["time"])
    empty = np.full(n, NAN)
    columns = [track.get(name, empty) for name in _ROW]
    rows = []
    for i in range(n):
        when = iso_text(track["time"][i]).replace("T", " ")
        cells = [float(column[i]) for column in columns[1:]]
        rows.append([when, int(columns[0][i]), *cells])
    station, _, device = recording.camera.rpartition("_")
    calibration = dict(calibrations.get(recording.camera, {}))
    if recording.site is not None and _site(Path("-"), calibration) is None:
        calibration.update(zip(_SITES[0], map(float, recording.site), strict=True))
    peak = float(item.value("peak_magnitude", NAN))
    value = {
        "station_name": station or recording.camera,
        "device_name": device if station else "",
        "hd_video_file": recording.path,
        "event_start_time": rows[0][0],
        "event_duration": float(track["time"][-1] - track["time"][0]),
        "peak_magnitude": peak,
        **{key: recording.meta[key] for key in _KEPT if key in recording.meta},
        "meteor_frame_data": rows,
        "cal_params": calibration,
    }
    stem = PurePosixPath(recording.path).stem.removesuffix("-reduced")
    return f"{stem}-reduced.json", dumps(value)
