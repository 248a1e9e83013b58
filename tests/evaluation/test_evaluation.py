"""What counts as found, as missed and as false."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.catalogs.journal import Journal
from astrodetect.cli.evaluate import evaluate as command
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.results import RecordingBlock
from astrodetect.evaluation import (
    TruthObject,
    evaluate,
    match,
    read_tracks,
    read_truth,
    separation,
    wilson_interval,
)
from astrodetect.evaluation.report import to_dict, to_text

Ends = tuple[float, float, float, float]


def thing(
    path: str = "a", ends: Ends = (10, 10, 110, 10), frames: Sequence[float] = (5, 15), **more: Any
) -> TruthObject:
    more.setdefault("label", "meteor")
    return TruthObject(path, more.pop("object", "m"), more.pop("label"), *frames, *ends, **more)


def found(ends: Ends = (10, 10, 110, 10), frames: Sequence[int] = (5, 15), **more: Any) -> dict[str, Any]:
    names = ("x_start", "y_start", "x_end", "y_end")
    row = {
        "recording_id": 1, "frame_start": frames[0], "frame_end": frames[1], "accepted": True,
        "label": "meteor", "reason": "", "speed": 10.0, "snr": 9.0,
        "x_min": min(ends[0], ends[2]) - 2, "y_min": min(ends[1], ends[3]) - 2,
        "x_max": max(ends[0], ends[2]) + 3, "y_max": max(ends[1], ends[3]) + 3,
    }  # fmt: skip
    row.update(zip(names, ends, strict=True))
    return {**row, **more}


def table(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    names = list(found()) if not rows else list(rows[0])
    return {name: [row[name] for row in rows] for name in names}


RECORDINGS = {
    "recording_id": [1, 2, 3], "path": ["a", "night/b", "night/c"], "n_frames": [100, 100, 100],
    "width": [640, 640, 640], "height": [480, 480, 480],
}  # fmt: skip


def test_an_end_may_be_ten_pixels_off_or_a_quarter_of_the_length() -> None:
    short, long = thing(ends=(100, 100, 120, 100)), thing(ends=(100, 100, 200, 100))
    assert match([found((100, 110, 120, 100))], [short])
    assert not match([found((100, 110.1, 120, 100))], [short])
    assert match([found((125, 100, 200, 100))], [long])
    assert not match([found((125.1, 100, 200, 100))], [long])
    assert not match([found((100, 100, 120, 110.1))], [short])


def test_ends_are_compared_in_order_of_time() -> None:
    assert not match([found((110, 10, 10, 10))], [thing()])


def test_frames_must_overlap() -> None:
    assert match([found(frames=(15, 20))], [thing()])
    assert not match([found(frames=(16, 20))], [thing()])
    assert not match([found(frames=(0, 4))], [thing()])
    assert match([found(frames=(80, 90))], [thing(frames=(float("nan"), float("nan")))])


def test_pairs_are_one_to_one_and_as_many_as_possible() -> None:
    # The first detection is nearest to the second object, but only it can be the first object.
    objects = [thing(ends=(100, 100, 110, 100)), thing(ends=(100, 112, 110, 112))]
    rows = [found((100, 108, 110, 108)), found((100, 118, 110, 118))]
    assert match(rows, objects) == [(0, 0), (1, 1)]
    assert len(match([rows[0], rows[0]], objects[:1])) == 1


def test_a_box_without_ends_matches_by_its_better_diagonal() -> None:
    nan = float("nan")
    row = found((10, 60, 110, 10), x_start=nan, y_start=nan, x_end=nan, y_end=nan)
    row.update(x_min=10, y_min=10, x_max=111, y_max=61)
    assert separation(row, thing(ends=(10, 60, 110, 10))) == 0
    assert separation(row, thing(ends=(110, 10, 10, 60))) == 0
    assert separation(row, thing(ends=(10, 10, 110, 60))) == 0


@settings(max_examples=80, deadline=None)
@given(
    ends=st.tuples(*[st.floats(0, 400)] * 4), move=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    off=st.tuples(*[st.floats(-60, 60)] * 4),
)  # fmt: skip
def test_matching_does_not_depend_on_where_it_happens(
    ends: Ends, move: tuple[float, float], off: Ends
) -> None:
    seen = tuple(end + change for end, change in zip(ends, off, strict=True))
    shift = (*move, *move)
    moved = [tuple(value + by for value, by in zip(values, shift, strict=True)) for values in (ends, seen)]
    apart = separation(found(seen), thing(ends=ends))  # type: ignore[arg-type]
    assert separation(found(moved[1]), thing(ends=moved[0])) == pytest.approx(apart, abs=1e-6)  # type: ignore[arg-type]


def full_case() -> tuple[list[dict[str, Any]], list[TruthObject]]:
    objects = [
        thing(peak_snr=20.0, speed=10.0, object="m1"),
        thing(ends=(300, 300, 340, 300), peak_snr=4.0, speed=4.0, object="m2"),
        thing("night/b", ends=(50, 50, 90, 50), peak_snr=7.0, speed=4.0, object="m3"),
        thing("night/b", ends=(200, 200, 300, 300), frames=(0, 99), label="aircraft", peak_snr=30.0),
        thing("night/b", ends=(600, 400, 600, 400), frames=(70, 75), label="lightning"),
    ]
    rows = [
        found(),
        found((12, 11, 108, 9), frames=(6, 14)),
        found((300, 301, 341, 300), label="slow", accepted=False, reason="label not accepted"),
        found((240, 245, 260, 262), recording_id=2, frames=(40, 60)),
        found((20, 400, 60, 420), recording_id=2, frames=(71, 74)),
        found((20, 400, 60, 420), recording_id=2, frames=(10, 20)),
        found((20, 300, 60, 320), recording_id=2, frames=(10, 20), label="noise", accepted=False),
    ]
    return rows, objects


def test_every_outcome_is_counted_and_named() -> None:
    rows, objects = full_case()
    result = evaluate(table(rows), RECORDINGS, objects)
    assert [item.outcome for item in result.objects] == [
        "found",
        "found as slow: label not accepted",
        "missed",
    ]
    assert (result.recall.hits, result.recall.n) == (1, 3)
    assert (result.candidate_recall.hits, result.candidate_recall.n) == (2, 3)
    assert (result.precision.hits, result.precision.n) == (1, 5)
    assert [alarm.explanation for alarm in result.false_alarms] == [
        "duplicate of meteor", "aircraft", "nothing (during lightning)", "nothing",
    ]  # fmt: skip
    assert result.not_in_truth == ("night/c",)
    assert result.recall_where("peak_snr", 6.0) == (1, 2)
    assert result.recall_where("speed", 4.0, 8.0) == (0, 2)
    assert result.precision_where("snr", 8.0, 12.0) == (1, 5)


def test_other_classes_can_be_looked_for() -> None:
    _, objects = full_case()
    rows = table([found((200, 200, 300, 300), label="aircraft", recording_id=2)])
    result = evaluate(rows, RECORDINGS, objects, ["aircraft", "satellite"])
    assert result.recall == (1, 1)
    assert result.precision == (1, 1)


def test_nothing_found_and_nothing_there_are_no_error() -> None:
    result = evaluate(table([]), RECORDINGS, [])
    assert result.recall.n == result.precision.n == 0
    assert "0 of 0" in to_text(result)
    json.dumps(to_dict(result), allow_nan=False)


def test_recordings_that_only_one_side_has_are_told() -> None:
    objects = [thing("gone/x", object="m1"), thing("gone/x", label="aircraft"), thing("a")]
    result = evaluate(table([found(), found(recording_id=3)]), RECORDINGS, objects)
    assert result.not_in_catalog == ("gone/x",)
    assert result.objects_left_out == 1
    assert result.not_in_truth == ("night/b", "night/c")
    assert result.recall == (1, 1)
    assert result.precision == (1, 2)
    listed = evaluate(table([found(), found(recording_id=3)]), RECORDINGS, objects, ignore_unlisted=True)
    assert listed.precision == (1, 1)
    text = to_text(result)
    assert "1 recordings of the truth are not in the catalog (1 objects not counted): gone/x" in text


def test_a_path_matches_whole_or_by_its_last_part_if_that_is_unambiguous() -> None:
    recordings = {"recording_id": [1, 2, 3], "path": ["x/one", "y/one", "y/two"]}
    assert evaluate(table([]), recordings, [thing("y/one")]).objects[0].path == "y/one"
    assert evaluate(table([]), recordings, [thing("elsewhere/two")]).objects[0].path == "y/two"
    assert evaluate(table([]), recordings, [thing("one")]).not_in_catalog == ("one",)


def test_objects_are_cut_at_the_ends_of_the_recording_and_at_its_edges() -> None:
    whole = thing(ends=(0, 100, 200, 100), frames=(-10, 10))
    part = whole.clipped(100, 640, 480)
    assert part is not None
    assert (part.frame_first, part.x_first, part.x_last) == (0, 100, 200)
    late = thing(ends=(0, 100, 200, 100), frames=(89, 109)).clipped(100, 640, 480)
    assert late is not None
    assert (late.frame_last, late.x_last) == (99, 100)
    crossing = thing(ends=(600, 100, 680, 140), frames=(5, 15)).clipped(100, 640, 480)
    assert crossing is not None
    assert crossing.x_last == pytest.approx(639.5)
    assert crossing.y_last == pytest.approx(119.75)
    assert thing(frames=(100, 110)).clipped(100, 640, 480) is None
    assert thing(frames=(-9, -1)).clipped(100, 640, 480) is None
    assert thing(ends=(-50, 10, -20, 10)).clipped(100, 640, 480) is None
    assert repr(thing().clipped(0, 0, 0)) == repr(thing())  # NaN is not equal to itself
    outside = evaluate(table([]), RECORDINGS, [thing(frames=(100, 110)), thing()])
    assert len(outside.outside) == 1
    assert outside.recall.n == 1


@settings(max_examples=100, deadline=None)
@given(
    ends=st.tuples(*[st.floats(-300, 900)] * 4), first=st.integers(-50, 150), n=st.integers(0, 60),
)  # fmt: skip
def test_what_is_left_of_an_object_lies_inside(ends: Ends, first: int, n: int) -> None:
    part = thing(ends=ends, frames=(first, first + n)).clipped(100, 640, 480)
    if part is not None:
        assert -1e-6 <= part.frame_first <= part.frame_last <= 99 + 1e-6
        assert all(-0.5 - 1e-6 <= x <= 639.5 + 1e-6 for x in (part.x_first, part.x_last))
        assert all(-0.5 - 1e-6 <= y <= 479.5 + 1e-6 for y in (part.y_first, part.y_last))


def test_wilson_interval_holds_the_fraction_and_is_never_empty() -> None:
    for n in range(1, 30):
        for hits in range(n + 1):
            low, high = wilson_interval(hits, n)
            assert 0 <= low <= hits / n <= high <= 1
            assert high > low


def test_truth_may_lack_columns_and_call_the_path_file(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(
        "file,frame_first,frame_last,x_first,y_first,x_last,y_last\nb,5,15,0,0,30,40\n", encoding="utf-8-sig"
    )
    (item,) = read_truth(path)
    assert (item.path, item.label, item.speed, item.length) == ("b", "", 5.0, 50.0)
    result = evaluate(table([found((0, 0, 30, 40), recording_id=2)]), RECORDINGS, [item])
    assert result.recall == (1, 1)
    assert result.precision == (1, 1)
    assert "1 objects" in to_text(result)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("path", "first line")),
        ("name,x\n1,2\n", ("path", "first line")),
        ("path,x_first\na,12\nb,left\n", ("line 3", "x_first", "left", "number")),
        ("path,label\n,meteor\n", ("line 2", "path")),
        ("path,frame_first,frame_last\na,9,3\n", ("line 2", "frame_last 3", "frame_first 9")),
    ],
)
def test_a_bad_truth_file_is_told_in_one_line(tmp_path: Path, text: str, words: Sequence[str]) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(AstrodetectError) as caught:
        read_truth(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in (str(path), *words))


def test_truth_that_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    binary = tmp_path / "x.csv"
    binary.write_bytes(b"\xff\xfe\x00\x89HDF\r\n")
    for path in (binary, tmp_path / "none.csv", tmp_path):
        with pytest.raises(AstrodetectError, match=path.name):
            read_truth(path)


def test_text_lists_what_was_missed_and_what_is_false() -> None:
    rows, objects = full_case()
    text = to_text(evaluate(table(rows), RECORDINGS, objects))
    assert "recall      0.333" in text
    assert "Not found: 2 (1 found as slow: label not accepted, 1 missed)" in text
    assert "False alarms: 4" in text
    assert "night/b m3: missed (signal-to-noise 7.0, 4.0 px/frame)" in text
    plain = json.loads(json.dumps(to_dict(evaluate(table(rows), RECORDINGS, objects)), allow_nan=False))
    assert plain["recall"]["hits"] == 1
    assert [row["recall"]["n"] for row in plain["by_snr"] if row["recall"]["n"]] == [1, 1, 1]


def make_catalog(path: Path, *, finish: bool = True) -> Path:
    """Write a catalog with the rows of `full_case`."""
    rows, _ = full_case()
    with Journal.open(path, {"pipeline": "", "versions": "{}", "command": "", "created": ""}) as journal:
        for number, name in zip(RECORDINGS["recording_id"], RECORDINGS["path"], strict=True):
            own = [row for row in rows if row["recording_id"] == number]
            detections = (
                Detections(
                    table(
                        [
                            {**row, "probability": 0.9, "detection_id": 100 * number + at}
                            for at, row in enumerate(own)
                        ]
                    )
                )
                if own
                else Detections.empty()
            )
            row = {
                "recording_id": number,
                "path": name,
                "n_frames": 100,
                "width": 640,
                "height": 480,
                "status": "done",
            }
            journal.append(RecordingBlock(row, detections, summary={}))
        if finish:
            journal.finish()
    return path


def write_truth(path: Path, objects: Sequence[TruthObject]) -> Path:
    names = [name for name in vars(objects[0]) if name != "line"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([getattr(item, name) for name in names] for item in objects)
    return path


@pytest.mark.parametrize("finish", [True, False])
def test_command_compares_a_catalog_with_a_truth_file(tmp_path: Path, finish: bool) -> None:
    catalog = make_catalog(tmp_path / "night.h5", finish=finish)
    truth = write_truth(tmp_path / "truth.csv", full_case()[1])
    result = CliRunner().invoke(command, [str(catalog), "--truth", str(truth)])
    assert result.exit_code == 0, result.output
    assert "(1 of 3)" in result.stdout
    assert ("not finished" in result.stderr) is not finish
    plain = CliRunner().invoke(
        command, [str(catalog), "--truth", str(truth), "--json", "--label", "aircraft"]
    )
    assert json.loads(plain.stdout)["recall"] == {
        "hits": 0, "n": 1, "value": 0.0, "low": 0.0, "high": pytest.approx(0.793, abs=1e-3),
    }  # fmt: skip


def test_a_false_alarm_is_explained_by_where_an_object_was_at_the_time(tmp_path: Path) -> None:
    # It flies a corner, from (0, 0) by way of (100, 0) to (100, 100), a pixel in each frame.
    insect = thing(ends=(0, 0, 100, 100), frames=(0, 200), label="insect", object="i", peak_snr=20.0)
    points = [(frame, min(frame, 100), max(0, frame - 100)) for frame in range(201)]
    tracks = tmp_path / "tracks.csv"
    tracks.write_text("path,object,frame,x,y\n" + "".join(f"a,i,{f},{x},{y}\n" for f, x, y in points))
    (with_track,) = read_tracks(tracks, [insect])
    recordings = {**RECORDINGS, "n_frames": [300] * 3}
    at_corner = table([found((90, 2, 98, 2), frames=(92, 100))])
    too_late = table([found((90, 2, 98, 2), frames=(150, 160))])
    for rows, truth, expected in (
        (at_corner, with_track, "insect"), (at_corner, insect, "nothing"), (too_late, with_track, "nothing"),
    ):  # fmt: skip
        (alarm,) = evaluate(rows, recordings, [truth]).false_alarms
        assert alarm.explanation == expected


def test_objects_of_a_recording_that_failed_are_missed() -> None:
    recordings = {**RECORDINGS, "n_frames": [3, 100, 100], "status": ["failed", "done", "done"]}
    result = evaluate(table([]), recordings, [thing(frames=(50, 60))])
    assert result.recall == (0, 1)
    assert result.failed == ("a",)
    assert "1 recordings failed, their objects count as missed: a" in to_text(result)
