"""Detections are checked at birth and keep rows and tracks together."""

import numpy as np
import pytest

from astrodetect.core.detections import Detections
from astrodetect.core.samples import sample_detections


def box(**columns):
    given = {
        "x_min": [0.0],
        "y_min": [0.0],
        "x_max": [1.0],
        "y_max": [1.0],
        "label": ["meteor"],
        "probability": [0.5],
    }
    return {**given, **columns}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x_max": [0.0]}, "box is empty"),
        ({"y_min": [np.nan]}, "box is empty"),
        ({"probability": [1.1]}, "probabilities"),
        ({"probability": [np.nan]}, "probabilities"),
        ({"label": [""]}, "label is empty"),
        ({"label": ["a", "b"]}, "one length"),
    ],
)
def test_what_is_no_detection_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Detections(box(**wrong))


def test_required_columns_are_required():
    with pytest.raises(ValueError, match="probability"):
        Detections({"x_min": [], "y_min": [], "x_max": [], "y_max": [], "label": []})


def test_a_track_point_of_no_row_is_refused():
    with pytest.raises(ValueError, match="no row"):
        Detections(box(), {"detection": [1], "frame": [0]})


def test_taking_rows_takes_their_tracks():
    taken = sample_detections().take([2, 0])
    assert taken["label"].tolist() == ["static", "meteor"]
    assert taken.track(0)["x"].tolist() == [60, 60, 60]
    assert taken.track(1)["x"].tolist() == [10, 13, 16]
    assert len(sample_detections().take(np.array([False, False, False]))) == 0


def test_joining_fills_in_what_only_some_have():
    first = sample_detections()
    second = Detections(box(shape=[3.5], reason=["why"]))
    joined = Detections.concatenate([first, Detections.empty(), second])
    assert len(joined) == 4
    assert np.isnan(joined["shape"][:3]).all()
    assert joined["shape"][3] == 3.5
    assert joined["reason"].tolist() == ["", "", "", "why"]
    assert joined["n_frames"].tolist() == [3, 3, 3, -1]
    assert joined.track(2)["x"].tolist() == [60, 60, 60]
    assert len(joined.track(3)["x"]) == 0


def test_a_table_has_units():
    table = sample_detections().to_table()
    assert str(table["x_min"].unit) == "pix"
    assert table["label"].tolist() == ["meteor", "meteor", "static"]
