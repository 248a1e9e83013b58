"""Settings: every mistake is told with place, value and what is accepted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from astrodetect.core import settings


@dataclass
class Sample:
    #: How many of them,
    #: on two lines.
    k: Annotated[int, Ge(1)] = 3
    #: A share.
    share: Annotated[float, Ge(0), Le(1)] = 0.5
    #: One of two.
    mode: Literal["hard", "soft"] = "hard"
    #: Height and width.
    size: int | tuple[int, int] = 56
    #: A file.
    file: Path | None = None
    #: Names.
    names: tuple[str, ...] = field(default_factory=lambda: ("a",))

    def __post_init__(self):
        if self.k == 13:
            raise ValueError("k = 13 does not go with anything")


def build(table):
    problems = []
    return settings.build(Sample, table, "p.toml: [select]", Path("/base"), problems), problems


def test_good_settings_are_taken():
    built, problems = build({"k": 5, "share": 1, "size": [48, 64], "file": "m.bmp", "names": ["x", "y"]})
    assert problems == []
    assert built == Sample(5, 1, "hard", (48, 64), Path("/base/m.bmp"), ("x", "y"))


@dataclass
class Nested:
    #: Pairs of sides.
    sides: tuple[tuple[float, ...], ...] = ()
    #: Known by name, or a file.
    weights: Literal["first-v1"] | Path = "first-v1"


def nested(table):
    problems = []
    return settings.build(Nested, table, "p.toml: [detect]", Path("/base"), problems), problems


def test_lists_of_lists_and_names_beside_files_are_taken():
    built, problems = nested({"sides": [[6, 6], [12.5, 9]], "weights": "own.safetensors"})
    assert problems == []
    assert built.sides == ((6.0, 6.0), (12.5, 9.0))
    assert built.weights == Path("/base/own.safetensors")
    assert nested({"weights": "first-v1"})[0].weights == "first-v1"
    assert settings.to_table(built)["sides"] == [[6.0, 6.0], [12.5, 9.0]]
    (problem,) = nested({"sides": [["6", 6]]})[1]
    assert "sides" in problem


def test_every_mistake_is_listed_with_what_is_accepted():
    built, problems = build({"kk": 1, "k": 0, "share": "a", "mode": "herd", "size": True})
    assert built is None
    assert len(problems) >= 5
    text = "\n".join(problems)
    assert "p.toml: [select] kk = 1: unknown key; did you mean 'k'?" in text
    assert "k = 0: expected greater than or equal to 1" in text
    assert "share = 'a': expected a valid number" in text
    assert "mode = 'herd': expected 'hard' or 'soft'" in text
    assert "size = True" in text


def test_a_bare_value_where_a_list_is_wanted_is_told_how_to_write_it():
    _, problems = build({"names": "meteor"})
    assert problems == ["p.toml: [select] names = 'meteor': expected a list, [str, ...]; write [\"meteor\"]"]
    assert "expected a list, int or [int, int]" in "\n".join(build({"size": 2.5})[1])


def test_a_float_is_no_int_and_a_bool_is_neither():
    for value in (2.0, True, "2"):
        _, problems = build({"k": value})
        assert problems, value


def test_settings_taken_together_may_be_refused():
    _, problems = build({"k": 13})
    assert problems == ["p.toml: [select]: k = 13 does not go with anything"]


def test_a_missing_setting_is_named():
    @dataclass
    class Needs:
        file: Path

    problems = []
    hints = {"file": Path}
    Needs.__annotations__ = hints
    assert settings.build(Needs, {}, "p: [mask]", Path("/"), problems) is None
    assert problems == ["p: [mask]: file is missing; expected path"]


def test_settings_go_to_a_table_and_back():
    original = Sample(7, 0.25, "soft", (3, 4), Path("/abs/x"), ())
    again, problems = build(settings.to_table(original))
    assert (again, problems) == (original, [])


def test_settings_describe_themselves():
    described = {s.name: s for s in settings.describe(Sample)}
    assert described["k"].help == "How many of them, on two lines."
    assert described["k"].type == "int >= 1"
    assert described["mode"].type == '"hard" | "soft"'
    assert described["names"].default == ("a",)
