"""Reading, verifying, exporting, merging and showing catalogs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from astropy.table import QTable
from astropy.time import Time
from catalog_samples import PIPELINE, PROVENANCE, make_block, make_detections, make_id
from click.testing import CliRunner

from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.exports import export, export_table
from astrodetect.catalogs.journal import Journal
from astrodetect.catalogs.merging import merge
from astrodetect.catalogs.reader import Catalog
from astrodetect.catalogs.table_writer import CHUNK_ROWS
from astrodetect.cli.catalog import catalog as command
from astrodetect.core.columns import DETECTION_COLUMNS, RECORDING_COLUMNS, TRACK_COLUMNS
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "night.h5"
    with Journal.open(path, PROVENANCE) as journal:
        for number in (3, 0, 1):
            journal.append(make_block(number, camera=make_detections(100 + number, 1)))
        journal.append(make_block(2, 0))
        journal.append(make_block(4, 0, status="failed"))
        return journal.finish()


@pytest.fixture
def path(made_once: Path, tmp_path: Path) -> Path:
    """A finished catalog of five recordings; one failed, one holds nothing."""
    return Path(shutil.copy(made_once, tmp_path))


def test_layout_is_the_contract(path: Path) -> None:
    with h5py.File(path) as file:
        assert file.attrs["format"] == "astrodetect-catalog"
        assert file.attrs["format_version"] == 1
        assert {"pipeline", "versions", "command", "created"} <= set(file["provenance"].attrs)
        for table, columns in (
            ("detections", DETECTION_COLUMNS), ("recordings", RECORDING_COLUMNS), ("tracks", TRACK_COLUMNS),
            ("camera/detections", DETECTION_COLUMNS), ("camera/tracks", TRACK_COLUMNS),
        ):  # fmt: skip
            for column in columns:
                dataset = file[table][column.name]
                assert dataset.ndim == 1
                assert dataset.attrs["unit"] == column.unit
                assert dataset.attrs["description"] == column.description
                if column.dtype == "str":
                    assert h5py.check_string_dtype(dataset.dtype) == ("utf-8", None)
                else:
                    assert dataset.dtype == column.dtype


def test_tables_have_units_and_stay_after_closing(path: Path) -> None:
    with Catalog(path) as catalog:
        detections = catalog.detections
        assert catalog.provenance["pipeline"] == PIPELINE
        assert not catalog.unfinished
    assert isinstance(detections, QTable)
    assert str(detections["time_start"].unit) == "s"
    assert str(detections["x_min"].unit) == "pix"
    assert detections["frame_start"].dtype == np.int64
    assert catalog.tracks["flux"].unit.to_string() == "adu"  # read after closing
    recordings = catalog.recordings
    assert recordings["width"].dtype == np.int64
    assert list(recordings["path"]) == sorted(recordings["path"])
    assert dict(zip(recordings["path"], recordings["n_detections"], strict=True))["cam0/event_0000.avi"] == 3
    path_of = dict(zip(recordings["recording_id"], recordings["path"], strict=True))
    keys = [(path_of[row["recording_id"]], row["frame_start"]) for row in detections]
    assert keys == sorted(keys)
    order = list(dict.fromkeys(catalog.tracks["detection_id"].tolist()))
    assert order == detections["detection_id"].tolist()


def test_blocks_give_back_what_was_stored(path: Path) -> None:
    with Catalog(path) as catalog:
        back = {block.recording_id: block for block in catalog.blocks()}
    given = make_block(3, camera=make_detections(103, 1))
    found = back[given.recording_id]
    assert found.summary == given.summary
    assert found.camera is not None
    order = [found.detections["detection_id"].tolist().index(i) for i in given.detections["detection_id"]]
    for name, values in given.detections.columns.items():
        np.testing.assert_array_equal(found.detections[name][order], values)
    for row, position in enumerate(order):
        np.testing.assert_array_equal(found.detections.track(position)["x"], given.detections.track(row)["x"])


def test_query_filters_by_columns(path: Path) -> None:
    with Catalog(path) as catalog:
        everything = catalog.detections
        accepted = catalog.query(accepted=True, label="meteor")
        assert len(accepted) == 6
        assert len(catalog.query(label=["meteor", "slow"])) == 9
        assert catalog.query(probability=0.5)["probability"].min() >= 0.5
        assert set(catalog.query(camera="CAM1")["recording_id"]) == {make_id(1), make_id(3)}
        assert set(catalog.query(recording="cam0/event_0000.avi")["recording_id"]) == {make_id(0)}
        middle = float(np.median(everything["time_start"].value))
        for moment in (
            middle, Time(middle, format="unix"), datetime.fromtimestamp(middle, UTC),
            datetime.fromtimestamp(middle, UTC).replace(tzinfo=None).isoformat(),
        ):  # fmt: skip
            n = len(catalog.query(after=moment)) + len(catalog.query(before=moment))
            assert n == len(everything)
        assert catalog.query(label="bird", columns=["x_min", "label"]).colnames == ["x_min", "label"]
        with pytest.raises(AstrodetectError, match="no column 'colour'"):
            catalog.query(columns=["colour"])
        with pytest.raises(AstrodetectError, match="is no time"):
            catalog.query(after="yesterday")


def test_more_rows_than_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    n = CHUNK_ROWS // 2 + 3
    with Journal.open(path, PROVENANCE) as journal:
        for number in range(3):
            journal.append(make_block(number, detections=make_detections(number, n, points=1)))
        journal.finish()
    with Catalog(path) as catalog:
        assert len(catalog.detections) == len(catalog.tracks) == 3 * n
    assert verify(path) == []


def test_missing_or_wrong_catalogs_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(AstrodetectError, match="no such file"):
        Catalog(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(AstrodetectError, match="not an astrodetect catalog"):
        Catalog(text)


def test_sound_catalogs_have_no_findings(path: Path, tmp_path: Path) -> None:
    assert verify(path) == []
    empty = tmp_path / "empty.h5"
    with Journal.open(empty, PROVENANCE) as journal:
        assert verify(empty) == []
        journal.finish()
    assert verify(empty) == []
    with Catalog(empty) as catalog:
        assert len(catalog.detections) == len(catalog.recordings) == 0


def _set(name: str, row: int, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][row] = value

    return change


def _resize(file: h5py.File) -> None:
    file["detections/snr"].resize(4, axis=0)


def _swap(file: h5py.File) -> None:
    for dataset in file["detections"].values():
        dataset[...] = dataset[...][::-1]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (_resize, "/detections: columns of different lengths"),
        (lambda file: file["detections/x_min"].attrs.pop("unit"), "x_min: attribute 'unit' is missing"),
        (lambda file: file["tracks/x"].attrs.modify("unit", "deg"), "unit is 'deg', expected 'pix'"),
        (lambda file: file.pop("detections/snr"), "/detections/snr: missing"),
        (lambda file: file.pop("tracks"), "/tracks: missing"),
        (lambda file: file.attrs.modify("format_version", 7), "format version 7"),
        (_set("detections/detection_id", 1, 5), "points of no detection"),
        (_set("detections/recording_id", 0, 5), "detections of no recording"),
        (_set("detections/x_min", 0, np.nan), "boxes are empty or NaN"),
        (_set("detections/probability", 2, 1.5), "probabilities are not in [0, 1]"),
        (_set("detections/label", 0, ""), "labels are empty"),
        (_set("detections/label", 0, "meteoR"), "label: the values are not those that were written"),
        (_set("recordings/n_detections", 0, 9), "n_detections is 9, but there are 3"),
        (_set("recordings/n_accepted", 1, 9), "n_accepted is 9, but there are 0"),
        (_set("recordings/status", 0, "fine"), "status 'fine'"),
        (_set("tracks/frame", 0, 99), "not in the order of detections and frames"),
        (_swap, "not sorted by recording path, frame_start, x_start"),
        (lambda file: file["provenance"].attrs.pop("command"), "attribute 'command' is missing"),
    ],
)  # fmt: skip
def test_verify_finds(path: Path, change: Callable[[h5py.File], None], finding: str) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    findings = verify(path)
    assert any(finding in line for line in findings), findings


def test_verify_finds_repeated_ids(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        ids = file["detections/detection_id"]
        ids[1] = ids[0]
        file["recordings/recording_id"][1] = file["recordings/recording_id"][0]
    findings = "\n".join(verify(path))
    assert "/detections/detection_id: 1 ids are not unique" in findings
    assert "/recordings/recording_id: 1 ids are not unique" in findings


def test_verify_finds_damage_in_every_column_and_a_cut_file(path: Path) -> None:
    """A flipped bit in the stored bytes of any column of numbers, and a file that ends too early."""
    whole = path.read_bytes()
    with h5py.File(path) as file:
        places = {
            name: file[f"detections/{name}"].id.get_chunk_info(0)
            for name in ("detection_id", "x_min", "probability", "accepted", "ra_end")
        }
    for name, place in places.items():
        data = bytearray(whole)
        data[place.byte_offset + place.size // 2] ^= 4
        path.write_bytes(data)
        assert any(f"/detections/{name}: " in line for line in verify(path)), name
    for length in (len(whole) // 2, len(whole) - 1, 100):
        path.write_bytes(whole[:length])
        assert len(verify(path)) == 1
        with pytest.raises(AstrodetectError):
            Catalog(path)


def unmasked(column: Any) -> Any:
    """Give plain values; empty text and NaN are masked by some readers."""
    if hasattr(column, "unmasked"):
        values = np.array(column.unmasked.value)
        return np.where(column.mask, np.nan, values) if values.dtype.kind == "f" else values
    if hasattr(column, "filled"):
        return column.filled({"U": "", "f": np.nan}.get(column.dtype.kind))
    return getattr(column, "value", column)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("ecsv", "ascii.ecsv"), ("csv", "ascii.csv"), ("vot", "votable"), ("parquet", "parquet")],
)
@pytest.mark.parametrize("table", ["detections", "tracks", "recordings"])
def test_exports_come_back(path: Path, tmp_path: Path, suffix: str, kind: str, table: str) -> None:
    with Journal.open(path, PROVENANCE) as journal:
        awkward = {"path": 'a, "quoted"; caf\u00e9\t=1+1', "message": "line one\nline <two> & ]]>"}
        journal.append(make_block(9, 2, row=awkward))
        journal.finish()
    out = tmp_path / f"out.{suffix}"
    with Catalog(path) as catalog:
        export(catalog, out, table=table)
        given = export_table(catalog, table)
    back = QTable.read(out, format=kind, **({"fill_values": []} if suffix == "csv" else {}))
    assert back.colnames == given.colnames
    for name in given.colnames:
        column = back[name]
        if suffix != "csv":
            assert (getattr(column, "unit", None) or "") == (getattr(given[name], "unit", None) or "")
        values, expected = unmasked(column), getattr(given[name], "value", given[name])
        if expected.dtype.kind == "b":
            values = np.asarray(values).astype(str) == "True"
        if expected.dtype.kind == "f":
            values = np.asarray(values).astype(expected.dtype)
        np.testing.assert_array_equal(np.asarray(values), np.asarray(expected), err_msg=name)


def test_export_of_accepted_and_its_mistakes(path: Path, tmp_path: Path) -> None:
    with Catalog(path) as catalog:
        assert len(export_table(catalog, accepted=True)) == 6
        assert len(export_table(catalog, "tracks", accepted=True)) == 24
        assert len(export_table(catalog, "recordings", accepted=True)) == 3
        out = tmp_path / "out.csv"
        export(catalog, out)
        with pytest.raises(AstrodetectError, match="exists; choose another name or give --overwrite"):
            export(catalog, out)
        export(catalog, out, overwrite=True)
        with pytest.raises(AstrodetectError, match="the ending says no format"):
            export(catalog, tmp_path / "out.dat")
        with pytest.raises(AstrodetectError, match="cannot be written"):
            export(catalog, tmp_path / "nowhere" / "out.csv")


def test_parquet_without_pyarrow_names_the_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Catalog(path) as catalog, pytest.raises(AstrodetectError, match=r"astrodetect\[parquet\]"):
        export(catalog, None, format="parquet")


def test_merge_takes_each_recording_once_and_fills_columns(path: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other.h5", tmp_path / "all.h5"
    with Journal.open(other, {**PROVENANCE, "created": "another day"}) as journal:
        journal.append(make_block(0))
        journal.append(make_block(4, 2, detections=make_detections(4, 2, width=np.array([1.5, 2.5]))))
        journal.append(make_block(8))
    assert merge(out, [path, other]) == 6  # the second is unfinished
    assert verify(out) == []
    with Catalog(out) as catalog:
        assert len(catalog.detections) == 9 + 2 + 3
        assert np.isfinite(catalog.detections["width"]).sum() == 2
        assert set(catalog.recordings["status"]) == {"done"}
        assert "another day" in catalog.provenance["history"]
        assert PROVENANCE["created"] in catalog.provenance["history"]
    assert merge(tmp_path / "twice.h5", [other, path]) == 6
    with Catalog(tmp_path / "twice.h5") as catalog:
        assert set(catalog.recordings["status"]) == {"done"}
    with pytest.raises(AstrodetectError, match="--overwrite"):
        merge(out, [path])


def test_merge_of_different_pipelines_needs_force(path: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other.h5", tmp_path / "all.h5"
    with Journal.open(other, {**PROVENANCE, "pipeline": PIPELINE.replace("meteor", "star")}) as journal:
        journal.append(make_block(8))
        journal.finish()
    with pytest.raises(AstrodetectError, match=r"different pipelines.*accept\.labels"):
        merge(out, [path, other])
    assert not out.exists()
    assert merge(out, [path, other], force=True) == 6
    with Catalog(out) as catalog:
        assert '[\\"meteor\\"]' in catalog.provenance["history"]


def test_show_says_what_there_is(path: Path) -> None:
    text = CliRunner().invoke(command, ["show", str(path)], catch_exceptions=False).output
    assert "5 recordings (4 done, 1 failed)" in text
    assert "pipeline: peak-snr + streak" in text
    assert "detections: 6 accepted, 3 rejected" in text
    assert text.count("event_0000.avi") == 2
    assert "failed: cam0/event_0004.avi: cannot be read: no frame" in text
    assert "2026-08-13T" in text
    rejects = CliRunner().invoke(command, ["show", str(path), "--rejects"], catch_exceptions=False).output
    assert rejects.count("label not accepted") == 3
    everything = CliRunner().invoke(command, ["show", str(path), "--all"], catch_exceptions=False).output
    assert everything.count("event_0000.avi") == 3
    none = CliRunner().invoke(command, ["show", str(path), "--label", "bird"], catch_exceptions=False).output
    assert "No accepted detection with label bird." in none


def test_show_says_why_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    rejected = make_detections(0, 5).with_columns(
        accepted=[False] * 5, reason=["below threshold"] * 3 + ["recurring position"] * 2
    )
    with Journal.open(path, PROVENANCE) as journal:
        assert "Why: no recording" in CliRunner().invoke(command, ["show", str(path)]).output
        journal.append(make_block(1, 0, detections=Detections.empty()))
        running = CliRunner().invoke(command, ["show", str(path)], catch_exceptions=False).output
        assert "unfinished" in running
        assert "2 windows examined, 20 candidates, none became a detection" in running
        journal.append(make_block(0, detections=rejected))
        journal.finish()
    text = CliRunner().invoke(command, ["show", str(path)], catch_exceptions=False).output
    assert "all rejected:\n  3 below threshold\n  2 recurring position" in text


def test_show_escapes_what_would_control_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0, 1, status="failed", row={"path": "a\x1b[2Jb", "message": "x\ny"}))
        journal.finish()
    text = CliRunner().invoke(command, ["show", str(path)], catch_exceptions=False).output
    assert "\x1b" not in text
    assert "failed: a\\x1b[2Jb: x\\ny" in text


def test_commands_give_results_and_status(path: Path, tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(command, ["verify", str(path)]).exit_code == 0
    assert run.invoke(command, ["merge", str(tmp_path / "m.h5"), str(path), str(path)]).output.endswith(
        "5 recordings of 2 catalogs\n"
    )
    assert run.invoke(command, ["export", str(path), "--format", "csv"]).output.startswith("detection_id,")
    with h5py.File(path, "r+") as file:
        file["detections/label"][0] = ""
    broken = run.invoke(command, ["verify", str(path)])
    assert broken.exit_code == 1
    assert "labels are empty" in broken.output
    assert run.invoke(command, ["show", str(path), "--all", "--rejects"]).exit_code == 2


def test_looking_needs_no_torch_and_no_astropy(path: Path) -> None:
    code = (
        "import sys; from astrodetect.cli.catalog import catalog; "
        f"catalog(['show', {str(path)!r}], standalone_mode=False); "
        "sys.exit('astropy' in sys.modules or 'torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    )
