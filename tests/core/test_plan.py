"""Pipeline files: read, checked, resolved."""

import pytest
import toys

from astrodetect import Pipeline
from astrodetect.core.errors import AstrodetectError, ConfigurationError


def problems(text):
    return Pipeline(text, "meteor.toml").check()


def test_a_good_file_has_no_mistakes():
    assert problems(toys.PIPELINE) == []


def test_all_mistakes_are_listed_at_once():
    text = toys.PIPELINE.replace("size = 10", 'size = "ten"').replace("toys:Peak", "peek-snr")
    text = (
        text.replace("threshold = 0.5", "threshold = 1.5") + "\n[stations]\nx = 1\n[catalog]\nfile = 'a.h5'\n"
    )
    found = "\n".join(problems(text))
    assert "meteor.toml: [window] size = 'ten': expected a valid integer" in found
    assert "[score] use = 'peek-snr': no plugin is named 'peek-snr'; did you mean 'peak-snr'?" in found
    assert "[accept] threshold = 1.5: expected less than or equal to 1" in found
    assert "[stations]: unknown table; did you mean 'station'?" in found
    assert "[catalog] file = 'a.h5': unknown key" in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[score]\nuse", "[score]\nuze"), "[score]: use is missing"),
        (("toys:Peak", "toys:Best"), "is a selector, but a scorer is needed here"),
        (("toys:Peak", "toys:Missing"), "cannot be imported: AttributeError"),
        (("toys:Peak", "nowhere:Missing"), "cannot be imported: ModuleNotFoundError"),
        (('[[preprocess]]\nuse = "toys:Reduce"', ""), "needs the plane 'image', which nothing before"),
        (("[[preprocess]]", "[preprocess]"), "preprocess must be written as [[preprocess]]"),
        (("[classify]", "[clasify]"), "[clasify]: unknown table; did you mean 'classify'?"),
        (("[accept]", "[detect]\nuse = 'toys:Whole'\n[accept]"), "[detect] is a whole detector; it excludes"),
        (("threshold = 0.5", "threshold = 0.5\nrecall = 0.9"), "give one of threshold, recall"),
        (("threshold = 0.5", "recall = 0.9"), "need a model with a stored calibration"),
        (("step = 8", "step = 80"), "step = 80 must be at most size = 10"),
        (("step = 8", "overlap = 1.0\nseconds = 1.0"), "give seconds or size, not both"),
        (("[source]", "[source]\npath = 3"), "expected a path"),
        (("[window]", "[window"), "not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_users_terms(change, message):
    assert any(message in problem for problem in problems(toys.PIPELINE.replace(*change)))
    assert all("\n" not in problem for problem in problems(toys.PIPELINE.replace(*change)))


def test_a_whole_detector_takes_the_place_of_four_stages():
    text = '[[preprocess]]\nuse = "toys:Reduce"\n[detect]\nuse = "toys:Whole"\n'
    assert problems(text) == []


def test_named_files_that_are_not_there_are_mistakes_too(tmp_path):
    text = toys.PIPELINE + '[[preprocess]]\nuse = "mask"\nfile = "m.png"\n[station.A]\nmask = "s.png"\n'
    pipeline = Pipeline(text, "meteor.toml", tmp_path)
    told = [
        f"meteor.toml: [station.A] mask = '{tmp_path / 's.png'}': there is no such file",
        f"meteor.toml: mask: file = '{tmp_path / 'm.png'}': there is no such file",
    ]
    assert pipeline.check() == told
    with pytest.raises(ConfigurationError) as caught:
        pipeline.find(tmp_path)
    assert caught.value.problems == told
    for name in ("m.png", "s.png"):
        (tmp_path / name).touch()
    assert pipeline.check() == []


def test_the_resolved_text_is_complete_and_means_the_same():
    pipeline = Pipeline(toys.PIPELINE)
    text = pipeline.plan.to_toml()
    assert "probability = 0.9" in text
    assert Pipeline(text).plan.to_toml() == text


def test_from_toml_takes_files_names_and_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(toys.PIPELINE)
    assert Pipeline.from_toml(path).check() == []
    assert Pipeline.from_toml(str(path)).check() == []
    assert Pipeline.from_toml(toys.PIPELINE).check() == []
    with pytest.raises(AstrodetectError, match="no such pipeline file, and no built-in pipeline"):
        Pipeline.from_toml("meteorr")
    with pytest.raises(ConfigurationError):
        _ = Pipeline.from_toml("[score]\nuse = 1\n").plan


def test_paths_are_relative_to_the_pipeline_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        toys.PIPELINE.replace("[source]", "[source]\npath = 'in'") + "\n[catalog]\npath = 'n.h5'\n"
    )
    plan = Pipeline.from_toml(path).plan
    assert plan.inputs == (tmp_path / "in",)
    assert plan.catalog.path == tmp_path / "n.h5"
