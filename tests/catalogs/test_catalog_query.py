"""Queries give what a look at every row gives, whatever the index skips; the format keeps its promises."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from catalog_samples import PROVENANCE, make_block, make_detections
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrodetect.catalogs import hdf5, table_writer
from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.expressions import parse
from astrodetect.catalogs.journal import Journal
from astrodetect.catalogs.merging import compact, merge
from astrodetect.catalogs.reader import Catalog
from astrodetect.cli import cli
from astrodetect.core.columns import DETECTION_COLUMNS
from astrodetect.core.errors import AstrodetectError

COLUMNS = {column.name: column for column in DETECTION_COLUMNS}
LABELS = np.array(["meteor", "slow", "noise", "very slow"], dtype=object)


def block(number: int, n: int) -> Any:
    rng = np.random.default_rng(number)
    sky = {"ra_start": rng.uniform(0, 360, n), "dec_start": np.degrees(np.arcsin(rng.uniform(-1, 1, n)))}
    found = make_detections(number, n, points=2, **sky)
    label = LABELS[rng.integers(0, 4, n)]
    time = np.where(rng.random(n) < 0.1, np.nan, found["time_start"])
    return make_block(number, detections=found.with_columns(label=label, time_start=time))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of many chunks, its text stored once each, put together in two runs."""
    path = tmp_path_factory.mktemp("query") / "n.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_writer, "CHUNK_ROWS", 16)
        patch.setattr(table_writer, "SHARED_ROWS", 100)
        for numbers in (range(0, 40, 2), range(1, 40, 2)):
            with Journal.open(path, PROVENANCE) as journal:
                for number in numbers:
                    journal.append(block(number, number % 23))
                journal.finish()
    return path


@pytest.fixture(scope="module")
def rows(path: Path) -> dict[str, Any]:
    """All its detections by plain h5py, with camera and path of their recordings."""
    with h5py.File(path) as file:
        table = {
            name: d.asstr()[...] if h5py.check_string_dtype(d.dtype) else d[...]
            for name, d in file["detections"].items()
        }
        ids = file["recordings/recording_id"][...].tolist()
        for name in ("camera", "path"):
            of = dict(zip(ids, file[f"recordings/{name}"].asstr()[...], strict=True))
            table[name] = np.array([of[i] for i in table["recording_id"].tolist()], dtype=object)
    return table


def test_the_catalog_is_sound_and_of_many_chunks(path: Path, rows: dict[str, Any]) -> None:
    assert verify(path) == []
    assert len(rows["label"]) > 300
    with Catalog(path) as catalog:
        counts = catalog.label_counts()
        assert counts == {
            label: tuple(np.sum((rows["label"] == label) & (rows["accepted"] == is_in)) for is_in in (0, 1))
            for label in LABELS
        }
    with h5py.File(path) as file:
        assert file["detections/label"].chunks == (16,)
        assert h5py.check_string_dtype(file["detections/label"].dtype).length is None
        assert "heap" in file["index/detections/label"]


NUMBERS = ("time_start", "probability", "snr", "frame_start", "x_min", "n_frames")
COMPARISONS = st.one_of(
    st.tuples(
        st.sampled_from(NUMBERS), st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), st.integers(0, 500)
    ),
    st.tuples(st.just("label"), st.sampled_from(["=", "!="]), st.sampled_from([*LABELS, "none"])),
    st.tuples(st.just("camera"), st.sampled_from(["=", "!="]), st.sampled_from(["CAM0", "CAM1", "x"])),
    st.tuples(st.just("accepted"), st.just("="), st.booleans()),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=6,
)


def text_and_mask(condition: Any, rows: dict[str, Any]) -> tuple[str, Any]:
    """Write a condition as text, and find what meets it row by row."""
    if condition[0] == "not":
        text, mask = text_and_mask(condition[1], rows)
        return f"not ({text})", ~mask
    if condition[0] in ("and", "or"):
        (a, x), (b, y) = (text_and_mask(part, rows) for part in condition[1:])
        return f"({a}) {condition[0]} ({b})", x & y if condition[0] == "and" else x | y
    name, sign, value = condition
    values = rows[name]
    if name in NUMBERS:
        value = values[value % len(values)].item()  # that a row has, or nothing is on the edge
        value = 0.5 if np.isnan(value) else value
    masks = {
        "=": values == value, "!=": values != value,
        **({"<": values < value, "<=": values <= value, ">": values > value, ">=": values >= value}
           if name in NUMBERS else {}),
    }  # fmt: skip
    shown = f"'{value}'" if isinstance(value, str) else repr(value)
    return f"{name} {sign} {shown}", np.asarray(masks[sign], dtype=bool)


@given(condition=CONDITIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_query_is_what_a_look_at_every_row_gives(path: Path, rows: dict[str, Any], condition: Any) -> None:
    text, mask = text_and_mask(condition, rows)
    with Catalog(path) as catalog:
        np.testing.assert_array_equal(catalog.select(text), np.flatnonzero(mask), err_msg=text)


def test_arguments_select_what_they_say(path: Path, rows: dict[str, Any]) -> None:
    from astropy.coordinates import angular_separation

    time, ra, dec = rows["time_start"], rows["ra_start"], rows["dec_start"]
    apart = np.degrees(
        angular_separation(np.radians(120.0), np.radians(70.0), np.radians(ra), np.radians(dec))
    )  # type: ignore[arg-type]
    middle = float(np.nanmedian(time))
    expected = {
        ("after", middle): time >= middle,
        ("before", "2026-08-13T06:30:00"): time < 1786602600.0,
        ("camera", "CAM1"): rows["camera"] == "CAM1",
        ("recording", ("cam1/event_0017.avi", "cam0/event_0008.avi", "nowhere")): np.isin(
            rows["path"].astype(str), ["cam1/event_0017.avi", "cam0/event_0008.avi"]
        ),
        ("box", (10, 20, 30, 40)): (rows["x_max"] > 10) & (rows["x_min"] < 30)
        & (rows["y_max"] > 20) & (rows["y_min"] < 40),
    }  # fmt: skip
    with Catalog(path) as catalog:
        for (name, value), mask in expected.items():
            assert mask.any(), name
            np.testing.assert_array_equal(catalog.select(**{name: value}), np.flatnonzero(mask), name)
            np.testing.assert_array_equal(
                catalog.query(**{name: value})["detection_id"],
                rows["detection_id"][mask],  # type: ignore[arg-type]
            )
        assert set(np.flatnonzero(apart <= 20)) <= set(catalog.select(cone=(120.0, 70.0, 20.0)).tolist())
        assert len(catalog.query("accepted", limit=3)) == 3
        assert len(catalog.query()) == len(time)
        only = catalog.query("label = 'very slow'", columns=["label", "snr"])
        assert only.colnames == ["label", "snr"]
        assert set(only["label"]) == {"very slow"}


def test_without_an_index_the_answers_are_the_same(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "n.h5"
    bare.write_bytes(path.read_bytes())
    with h5py.File(bare, "r+") as file:
        del file["index"]
    assert verify(bare) == []
    with Catalog(path) as catalog, Catalog(bare) as plain:
        for text in ("label = meteor and probability > 0.9", "camera = CAM0", "not snr < 50"):
            np.testing.assert_array_equal(catalog.select(text), plain.select(text))
    monkeypatch.setattr(table_writer, "CHUNK_ROWS", 16)
    compact(bare)
    with h5py.File(bare) as file:
        assert "index/detections/label/codes" in file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lable = meteor", "no column 'lable'.*label"),
        ("label = ", "expected a value at character 9, found 'the end'"),
        ("label meteor", "expected one of = !="),
        ("label > meteor", "label is text"),
        ("accepted = maybe", "expected true or false"),
        ("snr > high", "expected a number at character 7, found 'high'"),
        ("snr > nan", "expected a number"),
        ("time_start > yesterday", "expected a number or a time"),
        ("(snr > 1", r"expected '\)'"),
        ("snr > 1)", "expected and, or, or the end at character 8"),
        ("snr > 1 and", "expected a column"),
        ("label in meteor", r"expected '\('"),
        ("label = 'meteor", "cannot be read at character 8"),
        ("__import__('os').system('true')", "no column '__import__'"),
        ("(" * 5000 + "snr > 1" + ")" * 4000, "nested more than 50 deep"),
        ("not " * 2000 + "accepted", "nested more than 50 deep"),
        ("snr > 1" + " and snr > 1" * 5000, "at most 10000"),
    ],
)
def test_mistakes_in_a_condition_are_told_in_a_line(text: str, message: str) -> None:
    with pytest.raises(AstrodetectError, match=message) as error:
        parse(text, COLUMNS)
    assert "\n" not in str(error.value)


@given(text=st.one_of(st.text(max_size=60), st.text("()=<>!,'\" andorti.9snrlbe", max_size=60)))
@settings(max_examples=400, deadline=None)
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    with suppress(AstrodetectError):
        parse(text, COLUMNS)


def test_labels_are_counted_once_for_all_and_verify_counts_again(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "n.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        tally = file["index/detections/label/tally"]
        tally[...] = tally[...][::-1]
    assert any("label/tally: wrong" in line for line in verify(copy))
    with h5py.File(copy, "r+") as file:
        del file["index/detections/label/tally"]
    with Catalog(copy) as older, Catalog(path) as newer:
        assert older.label_counts() == newer.label_counts()


def test_text_that_is_stored_once_survives_a_change_in_place(path: Path, tmp_path: Path) -> None:
    """Changing such a text by hand spoils the column for every reader; it is found, and made good."""
    changed = tmp_path / "n.h5"
    changed.write_bytes(path.read_bytes())
    with h5py.File(changed, "r+") as file:
        before = file["detections/label"].asstr()[...]
        file["detections/label"][0] = "slow"
    assert any("/detections/label" in line for line in verify(changed))
    compact(changed)
    assert verify(changed) == []
    with h5py.File(changed) as file:
        assert file["detections/label"].asstr()[...].tolist() == before.tolist()


def test_compaction_takes_up_the_journal_and_changes_no_row(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    for numbers in (range(3), range(3, 5)):
        with Journal.open(path, PROVENANCE) as journal:
            for number in numbers:
                journal.append(make_block(number))
            if numbers.start == 0:
                journal.finish()
    with Catalog(path) as catalog:
        before = catalog.detections
    result = CliRunner().invoke(cli, ["catalog", "compact", str(path)])
    assert result.exit_code == 0, result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["n.h5"]
    compact(path)
    assert verify(path) == []
    with Catalog(path) as catalog:
        assert not catalog.unfinished
        assert set(catalog.detections["detection_id"]) == set(before["detection_id"])
        assert len(catalog.recordings) == 5


def test_catalogs_with_different_columns_join_in_large_and_small_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_writer, "CHUNK_ROWS", 4)
    monkeypatch.setattr(table_writer, "SHARED_ROWS", 8)
    extra: tuple[dict[str, Any], ...] = ({"width": np.arange(5.0)}, {"note": ["a", "", "b", "a", "é"]}, {})
    for number, more in enumerate(extra):
        with Journal.open(tmp_path / f"{number}.h5", PROVENANCE) as journal:
            journal.append(make_block(number, detections=make_detections(number, 5, **more)))
            journal.finish()
    merge(tmp_path / "all.h5", [tmp_path / f"{number}.h5" for number in range(3)])
    assert verify(tmp_path / "all.h5") == []
    with Catalog(tmp_path / "all.h5") as catalog:
        table = catalog.detections
        assert sorted(table["note"]) == sorted([*[""] * 11, "a", "a", "b", "é"])
        assert np.isnan(table["width"]).sum() == 10
        assert len(catalog.query("note = é or width >= 3")) == 3


def with_version(path: Path, version: Any) -> Path:
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(1))
        journal.finish()
    with h5py.File(path, "r+") as file:
        if version is None:
            del file.attrs["format_version"]
        else:
            file.attrs["format_version"] = version
    return path


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, "format version 0 .*before the format was settled.*reads version 1; run the pipeline again"),
        (0, "format version 0 "),
        (2, "format version 2; this astrodetect reads version 1; use a newer astrodetect"),
        ("one", "format version -1"),
        (np.float64("inf"), "format version -1"),
    ],
)
def test_other_format_versions_are_refused_in_a_line(tmp_path: Path, version: Any, message: str) -> None:
    path = with_version(tmp_path / "n.h5", version)
    with pytest.raises(AstrodetectError, match=message):
        Catalog(path)
    with pytest.raises(AstrodetectError, match=message):
        Journal.open(path, PROVENANCE)
    assert any("format version" in line for line in verify(path))


def test_an_earlier_version_is_read_through_its_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a change of the format would do: one function per version, `compact` to write the result."""

    def to_two(former: Any) -> Any:
        file = h5py.File("migrated", "w", driver="core", backing_store=False)
        for name in former:
            former.copy(name, file)
        file.attrs.update({**former.attrs, "format_version": 2})
        file["detections/x_start"][...] += 0.5
        return file

    path = with_version(tmp_path / "n.h5", 1)
    with Catalog(path) as catalog:
        before = catalog.detections["x_start"].value
    monkeypatch.setattr(hdf5, "FORMAT_VERSION", 2)
    monkeypatch.setitem(hdf5.MIGRATIONS, 1, to_two)
    with Catalog(path) as catalog:
        np.testing.assert_array_equal(catalog.detections["x_start"].value, before + 0.5)
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 1  # reading changes nothing
    compact(path)
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 2
        np.testing.assert_array_equal(file["detections/x_start"][...], before + 0.5)
    assert verify(path) == []


def test_columns_of_recordings_come_with_detections(path: Path, rows: dict[str, Any]) -> None:
    late = rows["frame_start"] > 5
    with Catalog(path) as catalog:
        found = catalog.query("frame_start > 5", columns=["path", "label", "camera"])
        assert found.colnames == ["path", "label", "camera"]
        assert list(found["path"]) == list(rows["path"][late])
        assert list(catalog.read_columns(["camera"])["camera"]) == list(rows["camera"])
        assert "path" not in catalog.detections.colnames
        with pytest.raises(AstrodetectError, match="no column 'pth' in /detections"):
            catalog.query(columns=["pth"])
    told = CliRunner().invoke(cli, ["catalog", "query", str(path), "--columns", "path,frame_start"])
    assert told.output.splitlines()[1] == f"{rows['path'][0]},{rows['frame_start'][0]}"


def test_the_command_lists_counts_and_prints_columns(path: Path, rows: dict[str, Any]) -> None:
    run = CliRunner().invoke
    meteors = (rows["label"] == "meteor") & (rows["probability"] > np.float32(0.5))
    words = ["catalog", "query", str(path), "label = meteor and probability > 0.5"]
    result = run(cli, [*words, "--count"])
    assert (result.exit_code, int(result.output)) == (0, meteors.sum())
    assert len(run(cli, words).output.splitlines()) == meteors.sum() + 1
    result = run(cli, [*words, "--columns", "detection_id,label,snr", "--limit", "2"])
    head, *lines = result.output.splitlines()
    assert head == "detection_id,label,snr"
    assert [int(line.split(",")[0]) for line in lines] == rows["detection_id"][meteors][:2].tolist()
    late = ["--since", "2026-08-13T06:20", "--until", "2026-08-13T06:40", "--camera", "CAM1"]
    result = run(cli, ["catalog", "query", str(path), *late, "--box", "0,0,50,50", "--count"])
    inside = (rows["time_start"] >= 1786602000) & (rows["time_start"] < 1786603200)
    inside &= (rows["camera"] == "CAM1") & (rows["x_min"] < 50) & (rows["y_min"] < 50)
    assert int(result.output) == inside.sum() > 0
    for wrong in (["--box", "1,2,3"], ["--cone", "a,b,c"], ["--since", "soon"], ["snr >"]):
        assert run(cli, ["catalog", "query", str(path), *wrong]).exit_code != 0
