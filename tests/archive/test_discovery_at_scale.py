"""Large trees are searched in parts, with the same result as in one piece."""

import os
import random
import tracemalloc
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import Dots

from astrodetect.core import search as searching
from astrodetect.core.choice import Choice, parse_shard
from astrodetect.core.discovery import Tally, discover, make_recording, recordings_before, walk
from astrodetect.core.errors import AstrodetectError


@dataclass
class Events(Dots):
    """Folders whose name begins with E, with what lies in them and in their folder ``frames``."""

    priority: ClassVar[int] = 10

    @classmethod
    def find(cls, root: Path):
        home, files = None, []
        for folder, names in walk(root):
            mine = folder.parent if folder.name == "frames" else folder if folder.name[0] == "E" else None
            if mine is None:
                continue
            if mine != home and home is not None:
                yield make_recording("events", root, home, files)
                files = []
            home = mine
            files += [folder / name for name in names]
        if home is not None:
            yield make_recording("events", root, home, files)


@dataclass
class Own(Dots):
    """Searches by its own means."""

    priority: ClassVar[int] = 5

    @classmethod
    def find(cls, root: Path):
        for path in sorted(root.rglob("*.own")):
            yield make_recording("own", root, path, [path])


SOURCES = {"events": Events, "dots": Dots}


def fill(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(*inputs, sources=SOURCES, **keywords):
    return [(r.source, r.path, r.files) for r in discover([*inputs], sources, **keywords)]


NAMES = st.sampled_from(["a", "b", "E1", "E2", "frames", "x.dots", "y.dots", "z.own"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map(tuple), max_size=25), st.integers(0, 3))
def test_parts_give_what_one_piece_gives(tmp_path_factory, names, span):
    root = tmp_path_factory.mktemp("tree")
    for parts in names:
        if "." in parts[-1] and not any("." in part for part in parts[:-1]):
            fill(root, ["/".join(parts)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searching, "SPAN", 1 + span)
        several = found(root)
        patched.setattr(searching.Search, "parts", lambda self: iter([None]))
        assert sorted(found(root)) == sorted(several)


def test_a_source_that_searches_by_its_own_means_is_asked_once(tmp_path):
    fill(tmp_path, [*(f"a/n{i}/x.own" for i in range(30)), "a/E1/x.dots", "b/y.dots"])
    assert [path for _, path, _ in found(tmp_path, sources={**SOURCES, "own": Own})] == [
        "a/E1",
        *sorted(f"a/n{i}/x.own" for i in range(30)),
        "b/y.dots",
    ]


def test_recordings_come_while_the_search_goes_on(tmp_path):
    fill(tmp_path, [f"s{i}/x.dots" for i in range(3)])
    search = discover([tmp_path], SOURCES)
    assert next(search).path == "s0/x.dots"
    fill(tmp_path, ["s2/later.dots"])
    assert [r.path for r in search] == ["s1/x.dots", "s2/later.dots", "s2/x.dots"]


def test_memory_follows_the_largest_folder_not_the_archive(tmp_path):
    def peak(n):
        tracemalloc.start()
        assert sum(1 for _ in discover([tmp_path / str(n)], SOURCES)) == n
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high

    for n in (300, 1500):
        fill(tmp_path / str(n), [f"{i // 100:02d}/E{i}/{k}.dots" for i in range(n) for k in range(4)])
        peak(n)  # the interpreter's own tables grow in leaps
    assert peak(1500) < peak(300) + 200_000


def test_links_are_followed_once_whatever_way_they_go(tmp_path):
    archive, store = tmp_path / "archive", tmp_path / "store"
    fill(archive, ["a/x.dots", ".hidden/h.dots"])
    fill(store, ["deep/s.dots"])
    os.symlink(archive, archive / "a" / "loop")
    os.symlink(tmp_path, archive / "a" / "up")  # holds the archive and the store
    os.symlink(store, archive / "b")
    os.symlink(store / "deep", archive / "c")
    os.symlink(archive / ".hidden", archive / "d")
    os.symlink(archive / "nowhere", archive / "e")
    paths = [path for _, path, _ in found(archive)]
    assert paths == ["a/x.dots", "b/deep/s.dots", "d/h.dots"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_inputs_that_overlap_give_each_file_once(tmp_path, order):
    fill(tmp_path, ["a/x.dots", "b/y.dots"])
    inputs = [tmp_path, tmp_path / "a"]
    files = [Path(tmp_path, *path.parts[-2:]) for path in (
        r.file_paths[0] for r in discover([inputs[i] for i in order], SOURCES))]  # fmt: skip
    assert sorted(files) == [tmp_path / "a/x.dots", tmp_path / "b/y.dots"]


def test_patterns_choose_and_folders_left_out_are_not_searched(tmp_path):
    fill(tmp_path, ["2023/a/x.dots", "2024/a/x.dots", "2024/b/y.dots", "2024/captures/z.dots"])

    def chosen(**patterns):
        return [path for _, path, _ in found(tmp_path, choice=Choice(**patterns))]

    assert chosen(include=("2024",), exclude=("captures",)) == ["2024/a/x.dots", "2024/b/y.dots"]
    assert chosen(include=("2024/*/y.*",)) == ["2024/b/y.dots"]
    assert chosen(include=("**/x.dots",)) == ["2023/a/x.dots", "2024/a/x.dots"]
    assert chosen(include=("[x].dots",)) == []  # only *, ** and ? are special
    tally = Tally()
    list(discover([tmp_path], SOURCES, Choice(exclude=("y.dots",)), tally))
    assert (tally.found, tally.left_out) == (3, 1)


def test_shards_are_a_partition_that_growth_leaves_alone(tmp_path):
    def shards():
        return [{path for _, path, _ in found(tmp_path, choice=Choice(shard=(i, 3)))} for i in (1, 2, 3)]

    fill(tmp_path, [f"a/{i}.dots" for i in range(60)])
    before = shards()
    assert sum(map(len, before)) == len(set().union(*before)) == 60
    assert all(len(shard) > 8 for shard in before)
    fill(tmp_path, [f"a/0{i}.dots" for i in range(60)])
    assert all(old <= new for old, new in zip(before, shards(), strict=True))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "-1/3", "1/0"])
def test_a_shard_that_is_none_is_told(text):
    with pytest.raises(AstrodetectError, match="expected i/n"):
        parse_shard(text)


@pytest.mark.parametrize("seed", range(6))
def test_what_comes_before_a_recording_is_found_from_there_backward(tmp_path, seed):
    rng = random.Random(seed)
    names = ["a", "a-b", "b", "c", "d"]
    fill(
        tmp_path,
        {"/".join(rng.choices(names, k=rng.randrange(1, 5))) + f"/{i % 7}.dots" for i in range(120)},
    )
    everything = sorted(discover([tmp_path], SOURCES))
    known = {}
    for this in rng.sample(everything, 10):
        before = [other for other in everything if other.path < this.path]
        assert sorted(recordings_before(this, SOURCES, known)) == before
        nearest = [other.path for other in islice(recordings_before(this, SOURCES, known), 3)]
        assert len(nearest) == min(3, len(before))


def test_only_the_folders_nearby_are_searched_for_what_comes_before(tmp_path, monkeypatch):
    fill(tmp_path, [f"{day:02d}/E{i:02d}/x.dots" for day in range(30) for i in range(30)])
    this = next(r for r in discover([tmp_path], SOURCES) if r.path.startswith("20/E02"))
    listed = []
    ask = searching.list_folder
    monkeypatch.setattr(searching, "list_folder", lambda folder: listed.append(folder) or ask(folder))
    found = [other.path for other in islice(recordings_before(this, SOURCES, {}), 4)]
    assert found == ["20/E01", "20/E00", "19/E29", "19/E28"]
    assert len(listed) < 30
