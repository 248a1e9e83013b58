"""Each file belongs to at most one recording."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from astrodetect import Frame, FrameSource, Stream
from astrodetect.core.discovery import discover, make_recording, walk
from astrodetect.core.errors import PluginError
from astrodetect.report.folder import MARK


@dataclass
class Plain(FrameSource):
    """Files of a suffix. To discover is to look at names: what opens one fails the test."""

    suffixes: ClassVar[tuple[str, ...]] = (".dat",)

    def open(self, recording, device="cpu") -> Stream:
        raise AssertionError(f"{recording.path} was opened")

    def frames(self) -> Iterator[Frame]:
        raise AssertionError("frames were read")


@dataclass
class Folders(Plain):
    """Folders that hold a file named first.dat."""

    priority: ClassVar[int] = 10

    @classmethod
    def find(cls, root: Path):
        for folder, names in walk(root):
            if "first.dat" in names:
                yield make_recording("folders", root, folder, [folder / name for name in names])


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b/first.dat",
        "b/second.dat",
        "a.dat",
        "c/d/e.dat",
        "c/notes.txt",
        ".hidden/x.dat",
        "c/.y.dat",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_the_source_of_higher_priority_comes_first(tree):
    found = list(discover([tree], {"plain": Plain, "folders": Folders}))
    assert [(r.source, r.path) for r in found] == [
        ("folders", "b"),
        ("plain", "a.dat"),
        ("plain", "c/d/e.dat"),
    ]
    assert found[0].files == ("b/first.dat", "b/second.dat")
    assert all(path.exists() for r in found for path in r.file_paths)


def test_equal_priority_is_an_error_that_names_both(tree):
    with pytest.raises(PluginError, match=r"a\.dat: claimed by the sources 'one' and 'two'"):
        list(discover([tree], {"one": Plain, "two": Plain}))


def test_a_link_that_loops_is_followed_once(tree):
    os.symlink(tree, tree / "c" / "loop")
    assert len(list(discover([tree], {"plain": Plain}))) == 4


def test_an_input_may_be_a_file_and_may_be_given_twice(tree):
    found = list(discover([tree / "a.dat", tree / "a.dat", tree], {"plain": Plain}))
    assert [r.path for r in found] == ["a.dat", "b/first.dat", "b/second.dat", "c/d/e.dat"]


def test_a_folder_that_is_a_recording_keeps_its_name(tree):
    (found,) = discover([tree / "b"], {"folders": Folders})
    assert (found.path, found.root) == ("b", str(tree))


def test_the_fingerprint_follows_the_content(tree):
    before = {r.path: r.fingerprint for r in discover([tree], {"plain": Plain})}
    (tree / "a.dat").write_text("other")
    after = {r.path: r.fingerprint for r in discover([tree], {"plain": Plain})}
    assert {path for path in before if before[path] != after[path]} == {"a.dat"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_no_recording(tree):
    os.mkfifo(tree / "c" / "pipe.dat")
    assert len(list(discover([tree], {"plain": Plain}))) == 4


def test_pictures_of_a_report_are_no_recordings(tree):
    (tree / "c" / "index.html").write_text("<p>a page of somebody else")
    assert len(list(discover([tree], {"plain": Plain}))) == 4
    (tree / "c" / "index.html").write_text(f"<!doctype html><head>{MARK.format('d')}")
    assert [r.path for r in discover([tree], {"plain": Plain})] == ["a.dat", "b/first.dat", "b/second.dat"]


def test_a_name_that_is_no_text_is_a_recording_as_any_other(tree):
    name = os.fsdecode(b"\xff.dat")
    try:
        (tree / name).write_text("a name in Latin-1")
    except OSError:
        pytest.skip("this file system takes no such name")
    found = {r.path: r for r in discover([tree], {"plain": Plain})}
    assert len(found) == 5
    assert len({r.recording_id for r in found.values()}) == 5
    assert found[name].fingerprint


def test_the_fingerprint_sees_beyond_headers_and_indices(tmp_path):
    for name, pixels in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.dat").write_bytes(b"h" * 5000 + pixels * 50_000 + b"i" * 5000)
    found = list(discover([tmp_path / "a", tmp_path / "b"], {"plain": Plain}))
    assert len({r.fingerprint for r in found}) == 2, "one would be taken for a copy of the other"


@pytest.mark.parametrize("denied", ["b", "c", "c/d"])
def test_a_folder_without_permission_is_a_failed_recording(tree, denied):
    (tree / "a.dat").unlink()  # folders that hold only folders are searched one by one
    (tree / denied).chmod(0)
    if os.access(tree / denied, os.R_OK):
        pytest.skip("permissions do not bind this user")
    try:
        found = list(discover([tree], {"plain": Plain}))
    finally:
        (tree / denied).chmod(0o755)
    assert ("", denied) in [(r.source, r.path) for r in found]
