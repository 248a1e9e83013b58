"""What is finished survives: kills, torn tails, damage, full disks, second writers, other pipelines."""

from __future__ import annotations

import io
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from catalog_samples import PIPELINE, PROVENANCE, make_block, make_detections, make_id

from astrodetect.catalogs import blocks
from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.journal import Journal, backup_of, parts_of
from astrodetect.catalogs.reader import Catalog
from astrodetect.catalogs.sources import Segments, segment_paths
from astrodetect.core.errors import AstrodetectError, StoppedError
from astrodetect.core.results import RecordingBlock

HERE = Path(__file__).parent


def ids_in(path: Path) -> set[int]:
    with Catalog(path) as catalog:
        return set(catalog.recordings["recording_id"].tolist())


def write(path: Path, numbers: range, **kwargs: object) -> None:
    with Journal.open(path, PROVENANCE, **kwargs) as journal:  # type: ignore[arg-type]
        for number in numbers:
            journal.append(make_block(number))
        journal.finish()


def test_a_block_comes_back_as_it_was(through_a_worker: Callable[[RecordingBlock], RecordingBlock]) -> None:
    block = make_block(
        1, detections=make_detections(1, 3, width=np.array([1.0, np.nan, 3.0]), note=["a", "", "é"])
    )
    back = blocks.decode(blocks.encode(through_a_worker(block)))
    assert back.detections["note"].tolist() == ["a", "", "é"]
    for name, values in block.detections.columns.items():
        np.testing.assert_array_equal(back.detections[name], values)
        assert back.detections[name].dtype == values.dtype
    for name, values in block.detections.tracks.items():
        np.testing.assert_array_equal(back.detections.tracks[name], values)
    assert np.isnan(back.recording["time_end"])
    assert back.recording["n_detections"] == 3
    assert back.recording["n_accepted"] == 2
    assert back.summary == block.summary


def test_what_a_catalog_cannot_hold_is_refused(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "n.h5", PROVENANCE) as journal:
        with pytest.raises(ValueError, match="complex"):
            journal.append(make_block(1, detections=make_detections(1, 2, z=np.array([1j, 2j]))))
        journal.append(make_block(2))
    assert ids_in(tmp_path / "n.h5") == {make_id(2)}


def test_torn_tail_at_every_byte_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(1))
        kept = journal._size
        journal.append(make_block(2, 1))
    (segment,) = segment_paths(parts_of(path))
    whole = segment.read_bytes()
    for end in range(kept, len(whole)):
        found = list(blocks.scan(io.BytesIO(whole[:end])))
        notes = [item for item in found if isinstance(item, str)]
        assert len(found) - len(notes) == 2  # the header and the first recording
        assert len(notes) == (end > kept)
    for end in random.Random(0).sample(range(kept, len(whole)), 5):
        segment.write_bytes(whole[:end])
        assert ids_in(path) == {make_id(1)}
    write(path, range(2, 4))
    assert ids_in(path) == {make_id(1), make_id(2), make_id(3)}
    assert verify(path) == []


def test_damage_inside_costs_one_recording_only(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        ends = []
        for number in range(3):
            journal.append(make_block(number))
            ends.append(journal._size)
    (segment,) = segment_paths(parts_of(path))
    data = bytearray(segment.read_bytes())
    data[(ends[0] + ends[1]) // 2] ^= 1
    segment.write_bytes(data)
    assert ids_in(path) == {make_id(0), make_id(2)}
    assert len(verify(path)) == 1
    with Journal.open(path, PROVENANCE) as journal:
        assert set(journal.done) == {make_id(0), make_id(2)}
        assert "damaged block" in journal.notes[0]


WRITER = """
import sys
sys.path.insert(0, {here!r})
from catalog_samples import PROVENANCE, make_block
from astrodetect.catalogs.journal import Journal
with Journal.open({path!r}, PROVENANCE) as journal:
    print("open", flush=True)
    for number in range({first}, {last}):
        journal.append(make_block(number, 2))
        print(number, flush=True)
        if number % 40 == 39:
            {then}
"""


def test_everything_finished_survives_sigkill(tmp_path: Path) -> None:
    """Killed at random instants, also while the catalog is put together; every start takes up the rest."""
    path = tmp_path / "n.h5"
    rng = random.Random(4)
    finished: set[int] = set()
    for attempt in range(5):
        code = WRITER.format(
            here=str(HERE), path=str(path), first=attempt * 1000, last=attempt * 1000 + 1000,
            then="journal.finish(); journal = Journal.open(journal.path, PROVENANCE)",
        )  # fmt: skip
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            time.sleep(rng.uniform(0.0, 0.5))
            process.kill()
            lines = process.stdout.read().split("\n")[:-1]
        finished |= {make_id(int(line)) for line in lines if line.isdigit()}
        assert finished <= ids_in(path)
    assert len(finished) > 20
    write(path, range(9000, 9001))
    assert finished <= ids_in(path)
    assert verify(path) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["n.h5"]


LIMITED = """
import resource, signal, sys
sys.path.insert(0, {here!r})
from catalog_samples import PROVENANCE, make_block
from astrodetect.catalogs.journal import Journal
from astrodetect.core.errors import StoppedError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    with Journal.open({path!r}, PROVENANCE) as journal:
        for number in range({first}, 400):
            journal.append(make_block(number))
            print(number, flush=True)
        journal.finish()
except StoppedError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on file sizes here")
@pytest.mark.parametrize(("limit", "first"), [(30_000, 0), (100_000, 390)], ids=["journal", "assembly"])
def test_full_disk_stops_and_keeps_what_is_finished(tmp_path: Path, limit: int, first: int) -> None:
    """The limit is met while a block is appended, or while the catalog is put together."""
    path = tmp_path / "n.h5"
    code = LIMITED.format(here=str(HERE), path=str(path), limit=limit, first=first)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (3, "")
    *numbers, message = process.stdout.splitlines()
    finished = {make_id(int(number)) for number in numbers}
    assert len(finished) >= 3
    assert f"{len(finished)} finished recordings are kept" in message
    assert not path.exists()
    assert list(parts_of(path).iterdir()) == segment_paths(parts_of(path))
    assert ids_in(path) == finished
    assert verify(path) == []
    write(path, range(1000, 1001))  # there is space again
    assert ids_in(path) == finished | {make_id(1000)}


def test_journal_goes_on_after_a_failed_write(tmp_path: Path) -> None:
    class Full:
        """A file on a disk that is full after so many bytes."""

        def __init__(self, file: object, room: int) -> None:
            self._file, self._room = file, room

        def write(self, data: memoryview) -> int:
            if self._room == 0:
                raise OSError(28, "No space left on device")
            n: int = self._file.write(data[: self._room])  # type: ignore[attr-defined]
            self._room -= n
            return n

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0))
        real, journal._file = journal._file, Full(journal._file, 100)
        with pytest.raises(StoppedError, match="No space left"):
            journal.append(make_block(1))
        assert Segments(journal.parts).notes == []
        journal._file = real
        journal.append(make_block(2))
    assert ids_in(path) == {make_id(0), make_id(2)}


def test_resuming_knows_what_the_catalog_and_the_journal_hold(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    write(path, range(3))
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(3, 0, status="failed"))
    with Journal.open(path, {**PROVENANCE, "created": "later"}) as journal:
        assert journal.done == {make_id(n): "failed" if n == 3 else "done" for n in range(4)}
        journal.append(make_block(3))
        assert [block.path for block in journal.blocks()] == sorted(make_block(n).path for n in range(4))
        journal.finish()
    with Catalog(path) as catalog:
        assert set(catalog.recordings["status"]) == {"done"}
        assert len(catalog.detections) == 12
        assert catalog.provenance["created"] == "later"
        assert PROVENANCE["created"] in catalog.provenance["history"]
    assert verify(path) == []


def test_nothing_to_do_leaves_the_catalog_alone(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    write(path, range(3))
    before = path.read_bytes()
    write(path, range(0))
    assert path.read_bytes() == before


def test_a_changed_file_replaces_its_former_self(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    write(path, range(2))
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(1, row={"recording_id": 77}, detections=make_detections(50, 2)))
        journal.finish()
    assert ids_in(path) == {make_id(0), 77}
    assert verify(path) == []


def test_a_failure_does_not_replace_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    write(path, range(1))
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0, 0, status="failed"))
        journal.finish()
    with Catalog(path) as catalog:
        assert catalog.recordings["status"].tolist() == ["done"]


def test_fresh_keeps_the_old_catalog_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    write(path, range(3))
    old = path.read_bytes()
    with Journal.open(path, {**PROVENANCE, "pipeline": "[x]\nuse = 'y'"}, fresh=True) as journal:
        assert journal.done == {}
        journal.append(make_block(7))
        assert backup_of(path).read_bytes() == old
    assert ids_in(path) == {make_id(7)}
    with Journal.open(path, {**PROVENANCE, "pipeline": "[x]\nuse = 'y'"}) as journal:  # broken off, taken up
        journal.finish()
    assert ids_in(path) == {make_id(7)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["n.h5"]


def test_another_pipeline_is_refused_with_both_named(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    other = {
        **PROVENANCE,
        "pipeline": PIPELINE.replace("peak-snr", "ats-scorer"),
        "pipeline_name": "ats.toml",
    }
    write(path, range(1))
    before = path.read_bytes()
    with pytest.raises(AstrodetectError, match=r"peak-snr \+ streak, now ats\.toml: score\.use = .*--fresh"):
        Journal.open(path, other)
    assert path.read_bytes() == before
    assert not parts_of(path).exists()
    path.unlink()
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0))
    with pytest.raises(AstrodetectError, match=r"unfinished.*another pipeline"):
        Journal.open(path, other)
    same = {**PROVENANCE, "pipeline": '[source]\npath = "elsewhere"\n# a comment\n' + PIPELINE}
    Journal.open(path, same).close()


def test_a_run_that_finished_nothing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    Journal.open(path, PROVENANCE).close()
    assert list(tmp_path.iterdir()) == []
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0))
    Journal.open(path, PROVENANCE).close()
    assert list(parts_of(path).iterdir()) == segment_paths(parts_of(path))
    assert len(segment_paths(parts_of(path))) == 1
    assert ids_in(path) == {make_id(0)}


@pytest.mark.parametrize("kind", ["text", "hdf5", "folder", "empty"])
@pytest.mark.parametrize("fresh", [False, True])
def test_what_is_no_catalog_is_never_overwritten(tmp_path: Path, kind: str, fresh: bool) -> None:
    import h5py

    path = tmp_path / "n.h5"
    if kind == "folder":
        path.mkdir()
    elif kind == "hdf5":
        with h5py.File(path, "w") as file:
            file["data"] = [1, 2, 3]
    else:
        path.write_text("my notes" if kind == "text" else "")
    before = None if kind == "folder" else path.read_bytes()
    with pytest.raises(
        AstrodetectError, match=r"n\.h5: (exists and )?is (not an astrodetect catalog|a folder)"
    ):
        Journal.open(path, PROVENANCE, fresh=fresh)
    assert kind == "folder" or path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["n.h5"]


def test_two_writers_exclude_each_other_and_a_dead_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    code = WRITER.format(here=str(HERE), path=str(path), first=0, last=40, then="input()")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(41):
            process.stdout.readline()
        with pytest.raises(AstrodetectError, match=rf"is being written by process {process.pid} on "):
            Journal.open(path, PROVENANCE)
        assert len(ids_in(path)) == 40  # readers may
        process.kill()
    with Journal.open(path, PROVENANCE) as journal:
        assert len(journal.done) == 40


FINISHER = """
import sys
sys.path.insert(0, {here!r})
from catalog_samples import PROVENANCE, make_block
from astrodetect.catalogs.journal import Journal
for number in range(12):
    with Journal.open({path!r}, PROVENANCE) as journal:
        journal.append(make_block(number))
        journal.finish()
    print(number, flush=True)
"""


def test_reading_while_runs_finish_never_misses_anything(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    code = FINISHER.format(here=str(HERE), path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            with Catalog(path) as catalog:  # the next run is writing by now
                ids = set(catalog.read_columns(["recording_id"], "recordings")["recording_id"].tolist())
            assert {make_id(number) for number in range(int(line) + 1)} <= ids
    assert process.returncode == 0


def test_a_folder_that_is_missing_or_may_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(AstrodetectError, match="does not exist"):
        Journal.open(tmp_path / "nowhere" / "n.h5", PROVENANCE)
    parts_of(tmp_path / "n.h5").write_text("in the way")
    with pytest.raises(AstrodetectError, match="in the way"):
        Journal.open(tmp_path / "n.h5", PROVENANCE)
