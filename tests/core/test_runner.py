"""Recordings through a pipeline: what is found, what fails, what is told."""

import math

import numpy as np
import pytest
import toys

from astrodetect import Pipeline, hookimpl
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.hooks import HookCaller


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "night"
    toys.write_dots(folder / "a" / "one.dots", "- - 5,6 - - - - - - - - 20,21 -")
    toys.write_dots(folder / "b.dots", "- - -")
    toys.write_dots(folder / "cut.dots", "- 7,8 - !")
    toys.write_dots(folder / "none.dots", "! -")
    (folder / "rubbish.dots").write_bytes(b"\xff\xfe\x00")
    (folder / "notes.txt").write_text("clouds")
    return folder


def blocks(folder, text=toys.PIPELINE, **keywords):
    pipeline = Pipeline(text)
    return {block.path: block for block in pipeline.results(pipeline.find(folder), **keywords)}


def test_every_recording_has_its_row(night):
    results = blocks(night)
    rows = {path: block.recording for path, block in results.items()}
    assert [(path, row["status"]) for path, row in rows.items()] == [
        ("b.dots", "done"),
        ("cut.dots", "partial"),
        ("none.dots", "failed"),
        ("rubbish.dots", "failed"),
        ("a/one.dots", "done"),
    ]
    assert rows["a/one.dots"]["n_frames"] == 13
    assert rows["a/one.dots"]["n_windows"] == 2
    assert rows["a/one.dots"]["time_end"] == pytest.approx(1.6e9 + 1.2)
    assert rows["cut.dots"]["message"] == "cut.dots: decoded 3 of 4 frames"
    assert len(results["cut.dots"].detections) == 1
    assert "decoded 0 of 2" in rows["none.dots"]["message"]


def test_detections_are_complete(night):
    found = blocks(night)["a/one.dots"].detections
    assert found["frame_start"].tolist() == [2, 11]
    assert found["x_start"].tolist() == [5, 20]
    assert found["time_start"] == pytest.approx([1.6e9 + 0.2, 1.6e9 + 1.1])
    assert found["accepted"].all()
    assert found["reason"].tolist() == ["", ""]
    assert len(set(found["detection_id"])) == 2
    assert np.isnan(found["ra_start"]).all()
    assert math.isnan(found["flux"][0])


def test_a_stage_put_in_by_the_runner_has_one_name(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((40, 40), 9, np.uint8)).save(tmp_path / "still.png")
    (block,) = Pipeline.from_toml("meteor").results(Pipeline.from_toml("meteor").find(tmp_path))
    assert {"background"} == {name for name in block.summary["seconds"] if "ackground" in name}


def test_an_unknown_frame_rate_is_told_and_warnings_stay_whole(tmp_path):
    from astropy.io import fits

    fits.writeto(tmp_path / "cube.fits", np.zeros((5, 40, 40), np.uint16), fits.Header({"TELESCOP": "A"}))
    pipeline = Pipeline.from_toml("meteor")
    (block,) = pipeline.results(pipeline.find(tmp_path))
    told = block.recording["message"].split("; ")
    assert "the frame rate is unknown: windows of 63 frames are taken" in told

    for number, second in enumerate((1, 0, 2)):
        header = fits.Header({"DATE-OBS": f"2024-01-01T00:00:0{second}.000"})
        folder = tmp_path / "night"
        folder.mkdir(exist_ok=True)
        fits.writeto(folder / f"{number}.fits", np.full((40, 40), number, np.uint16), header)
    (block,) = pipeline.results(pipeline.find(tmp_path / "night"))
    (told,) = [text for text in block.recording["message"].split("; ") if "backwards" in text]
    assert told.endswith(", frames are taken by DATE-OBS")


def test_rejects_are_kept_with_the_reason(night):
    low = toys.PIPELINE.replace('use = "toys:Everything"', 'use = "toys:Everything"\nprobability = 0.4')
    assert set(blocks(night, low)["a/one.dots"].detections["reason"]) == {"below threshold"}
    other = toys.PIPELINE.replace('["dot"]', '["meteor"]')
    assert set(blocks(night, other)["a/one.dots"].detections["reason"]) == {"label dot"}
    station = low + '\n[station."a/on"]\nthreshold = 0.3\n'
    assert blocks(night, station)["a/one.dots"].detections["accepted"].all()


def test_a_stage_that_raises_costs_that_recording_only(night):
    failing = toys.PIPELINE.replace('use = "toys:Reduce"', 'use = "toys:Reduce"\nlimit = 100')
    results = blocks(night, failing)
    assert (
        results["a/one.dots"].recording["message"]
        == "toys:Reduce: ArithmeticError: too bright for this stage"
    )
    assert "Traceback" in results["a/one.dots"].summary["traceback"]
    assert results["b.dots"].status == "done"


def test_a_stage_that_fails_at_closing_leaves_no_other_open_and_loses_nothing(night, monkeypatch):
    closed = []

    def fail(self):
        closed.append("Reduce")
        raise OSError("no card any more")

    monkeypatch.setattr(toys.Reduce, "close", fail)
    monkeypatch.setattr(toys.Everything, "close", lambda self: closed.append("Everything"))
    block = blocks(night)["a/one.dots"]
    assert closed[:2] == ["Reduce", "Everything"]
    assert "toys:Reduce: closing it failed: OSError: no card any more" in block.recording["message"]
    assert (block.status, len(block.detections)) == ("done", 2)


def test_a_card_that_is_not_there_is_told_before_anything_is_written(night, tmp_path):
    from astrodetect.core.process import cuda_cards

    if cuda_cards():
        pytest.skip("there is a card")
    with pytest.raises(AstrodetectError, match="device cuda: no CUDA card found here"):
        Pipeline(toys.PIPELINE).run(night, tmp_path / "n.h5", device="cuda")
    assert not list(tmp_path.glob("n.h5*"))


def test_what_was_found_before_a_failure_is_kept(tmp_path):
    toys.write_dots(tmp_path / "r.dots", "- 5,6 - - - - - - - - - - - - - - - boom")
    block = blocks(tmp_path)["r.dots"]
    assert block.status == "failed"
    assert "the disk went away" in block.recording["message"]
    assert block.detections["frame_start"].tolist() == [1]
    assert block.recording["n_detections"] == 1


def test_postprocessors_see_the_whole_recording(tmp_path):
    toys.write_dots(tmp_path / "r.dots", "- - - - - - - - 5,5 -  - - -")
    assert len(blocks(tmp_path)["r.dots"].detections) == 2  # in both windows
    once = toys.PIPELINE + '\n[[postprocess]]\nuse = "toys:Once"\n'
    assert len(blocks(tmp_path, once)["r.dots"].detections) == 1


def test_a_detector_that_says_no_frames_gets_those_of_the_window(tmp_path):
    toys.write_dots(tmp_path / "r.dots", "- 5,5 -")
    text = '[source]\nuse = "toys:Dots"\n[[preprocess]]\nuse = "toys:Reduce"\n[detect]\nuse = "toys:Whole"\n'
    found = blocks(tmp_path, text)["r.dots"].detections
    assert (found["frame_start"][0], found["frame_end"][0]) == (0, 2)


@pytest.mark.slow
def test_workers_give_the_same_and_survive_a_crash(night):
    toys.write_dots(night / "bomb.dots", "- crash -")
    alone = blocks(night_without(night, "bomb.dots"))
    several = blocks(night, jobs=2)
    assert several["bomb.dots"].recording["message"] == "the process that read it crashed"
    for path, block in alone.items():
        assert list(several[path].detections["label"]) == list(block.detections["label"])
        assert several[path].status == block.status


def night_without(night, name):
    text = (night / name).read_text()
    (night / name).unlink()
    copy = night.parent / "copy" / "night"
    import shutil

    shutil.copytree(night, copy)
    (night / name).write_text(text)
    return copy


def test_hooks_are_told_and_a_failing_one_is_left_out(night):
    told, warnings = [], []

    class Good:
        @hookimpl
        def recording_done(self, block):
            told.append(block.path)

        @hookimpl
        def window_done(self, recording, frames_done):
            told.append((recording.path, frames_done))

    class Bad:
        @hookimpl
        def recording_done(self, recording):
            raise RuntimeError("no")

    hooks = HookCaller(warnings.append, load=False)
    hooks.register(Good())
    hooks.register(Bad())
    pipeline = Pipeline(toys.PIPELINE)
    list(pipeline.results(pipeline.find(night), hooks=hooks))
    assert ("a/one.dots", 10) in told
    assert "b.dots" in told
    assert len(warnings) == 1
    assert "recording_done failed and is left out: RuntimeError: no" in warnings[0]


def test_no_input_is_told(tmp_path):
    pipeline = Pipeline(toys.PIPELINE)
    with pytest.raises(AstrodetectError, match="no recording found; looked for toys:Dots"):
        pipeline.find(tmp_path)
    with pytest.raises(AstrodetectError, match="no such file or folder"):
        pipeline.find(tmp_path / "absent")
    with pytest.raises(AstrodetectError, match="no input"):
        pipeline.find()


def test_ids_do_not_depend_on_where_the_archive_lies(night, tmp_path):
    import shutil

    shutil.copytree(night, tmp_path / "elsewhere")
    first, second = blocks(night), blocks(tmp_path / "elsewhere")
    assert {p: b.recording_id for p, b in first.items()} == {p: b.recording_id for p, b in second.items()}
