"""Completeness by what objects are like and where they were, and false alarms per hour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astrodetect.evaluation import Evaluation, Frequency, TruthObject, evaluate
from astrodetect.evaluation.completeness import binned, by_place, to_dict, to_text, write_plots
from astrodetect.evaluation.report import to_dict as whole_dict
from astrodetect.evaluation.report import to_text as whole_text


def truth(number: int, x: float, y: float, **changed: Any) -> TruthObject:
    given = {"peak_magnitude": float(number), "peak_snr": 10.0, "speed": 2.0, "label": "meteor", **changed}
    ends = {"x_first": x, "y_first": y, "x_last": x + 18, "y_last": y}
    return TruthObject("a", f"meteor-{number}", frame_first=0, frame_last=9, **ends, **given)


def detection(x: float, y: float) -> dict[str, Any]:
    return {"x_start": x, "y_start": y, "x_end": x + 18, "y_end": y}


def compared(objects: list[TruthObject], found: list[dict[str, Any]]) -> Evaluation:
    n = len(found)
    table: dict[str, Any] = {name: np.array([row[name] for row in found]) for name in detection(0, 0)}
    table |= {
        "recording_id": np.ones(n, int), "frame_start": np.zeros(n, int), "frame_end": np.full(n, 9),
        "label": np.full(n, "meteor"), "accepted": np.ones(n, bool),
    }  # fmt: skip
    recordings = {
        "recording_id": np.array([1]), "path": np.array(["a"]), "n_frames": np.array([9000]),
        "frame_rate": np.array([25.0]), "width": np.array([90]), "height": np.array([60]),
    }  # fmt: skip
    return evaluate(table, recordings, objects)


OBJECTS = [truth(0, 3, 5), truth(1, 33, 5), truth(2, 60, 50), truth(2, 36, 30, label="ignore")]


def test_places_durations_and_magnitudes_are_counted() -> None:
    result = compared(OBJECTS, [detection(3, 5), detection(61, 50)])
    places = by_place(result)
    assert [[(rate.hits, rate.n) for rate in row] for row in places] == [
        [(1, 1), (0, 1), (0, 0)], [(0, 0), (0, 0), (0, 0)], [(0, 0), (0, 0), (1, 1)],
    ]  # fmt: skip
    assert [(low, rate.hits, rate.n) for low, _, rate in binned(result, "peak_magnitude", (0, 1, 2, 3))] == [
        (0, 1, 1), (1, 0, 1), (2, 1, 1),
    ]  # fmt: skip
    assert result.objects[0].truth.duration == 10


def test_what_is_to_be_ignored_is_neither_right_nor_false() -> None:
    result = compared(OBJECTS, [detection(36, 30), detection(10, 45)])
    assert len(result.false_alarms) == 1
    assert result.false_alarms[0].explanation == "nothing"
    assert len(result.objects) == 3


def test_false_alarms_are_given_per_hour_with_a_poisson_interval() -> None:
    result = compared(OBJECTS, [detection(10, 45)])
    assert result.hours == pytest.approx(0.1)
    assert result.alarms_per_hour.value == pytest.approx(10.0)
    # Garwood: one event, 0.0253 to 5.572.
    assert Frequency(1, 1.0).interval == pytest.approx((0.0253, 5.572), abs=1e-3)
    assert Frequency(0, 2.0).interval == pytest.approx((0.0, 3.689 / 2), abs=1e-3)
    assert "unknown" in str(Frequency(3, 0.0))


def test_tables_and_json_have_it_all() -> None:
    result = compared(OBJECTS, [detection(3, 5)])
    text = whole_text(result)
    assert "per camera-hour" in text
    assert "Completeness by peak magnitude" in text
    assert "1/1" in "\n".join(to_text(result))
    values = json.loads(json.dumps(whole_dict(result), allow_nan=False))
    assert values["by_place"] == to_dict(result)["by_place"]
    assert values["false_alarm_rate"]["n"] == 0
    assert {"by_magnitude", "by_duration", "by_snr", "by_speed"} <= set(values)


def test_plots_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = write_plots(compared(OBJECTS, [detection(3, 5)]), tmp_path / "plots")
    assert {path.name for path in written} == {
        f"completeness-{name}.png" for name in ("snr", "magnitude", "speed", "duration", "place")
    }
    assert all(path.stat().st_size > 2000 for path in written)
