"""``catalog import``, ``export`` and ``formats``, and files of others as truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exchange_samples import ACCURACY, one_meteor, written

from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.reader import Catalog
from astrodetect.cli import _status
from astrodetect.core.data import Site
from astrodetect.exchange import Content, Format, formats, read
from astrodetect.exchange.catalogs import content_of, import_files
from astrodetect.exchange.files import save
from astrodetect.exchange.truth import compare_with, read_any_truth


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog of one meteor, made of what an RMS night says of it and where its camera stands."""
    folder = tmp_path / "night"
    content = one_meteor(path="FF_UK0006_20230421_212224_982_0115712.fits")
    paths = written(content, "cams", folder)
    import_files([path for path in paths if path.name.startswith("FTP")], tmp_path / "night.h5")
    return tmp_path / "night.h5"


def test_an_imported_catalog_is_a_catalog(catalog: Path) -> None:
    assert verify(catalog) == []
    with Catalog(catalog) as opened:
        (row,) = opened.recordings
        assert row["path"] == "FF_UK0006_20230421_212224_982_0115712.fits"
        assert row["source"] == "ftpdetectinfo"
        assert row["camera"] == "UK0006"
        assert row["site_latitude"].value == pytest.approx(51.8831)  # of CameraSites.txt beside it
        assert opened.detections["accepted"].tolist() == [True]
        assert len(opened.tracks) == 10
        assert opened.provenance["pipeline_name"] == "import"


@pytest.mark.parametrize("name", [name for name in ACCURACY if name != "votable"])
def test_every_format_is_exported_and_comes_back(catalog: Path, tmp_path: Path, name: str, capsys) -> None:
    with Catalog(catalog) as opened:
        content = content_of(opened)
    sized = replace(content, recordings=tuple(replace(r, width=1280, height=720) for r in content.recordings))
    folder = tmp_path / "out"
    folder.mkdir()
    if name in ("mdrf", "coco", "yolo"):
        assert _status(["catalog", "export", str(catalog), str(folder), "--format", name]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {name}: 1 of 1 detections have no frame size (FF_UK0006")
        assert error.count("\n") == 1
        assert list(folder.iterdir()) == []
        written(sized, name, folder)
    else:
        assert _status(["catalog", "export", str(catalog), str(folder), "--format", name]) == 0
    files = [
        str(p)
        for p in folder.iterdir()
        if p.name not in ("classes.txt", "images.csv", "CameraTimeOffsets.txt")
    ]
    again = str(tmp_path / "again.h5")
    assert _status(["catalog", "import", *files, "--out", again]) == 0
    assert verify(Path(again)) == []
    with Catalog(again) as opened:
        assert len(opened.detections) == 1


def test_import_refuses_in_one_line_and_writes_nothing(catalog: Path, tmp_path: Path, capsys) -> None:
    night = next((tmp_path / "night").glob("FTP*"))
    cut = tmp_path / "FTPdetectinfo_cut.txt"
    cut.write_text(night.read_text()[:-40])
    new = tmp_path / "new.h5"
    assert _status(["catalog", "import", str(cut), "--out", str(new)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {cut}, line ")
    assert error.count("\n") == 1
    assert not new.exists()
    assert not new.with_name("new.h5.parts").exists()
    assert _status(["catalog", "import", str(night), "--out", str(catalog)]) == 2
    assert "exists; choose another name or give --overwrite" in capsys.readouterr().err
    assert _status(["catalog", "import", str(night), "--out", str(catalog), "--overwrite"]) == 0
    assert _status(["catalog", "import", str(tmp_path / "none.xml"), "--out", str(new)]) == 2
    assert "none.xml: cannot be read: No such file" in capsys.readouterr().err


def test_import_takes_what_can_be_read_and_names_the_rest(catalog: Path, tmp_path: Path, capsys) -> None:
    night = next((tmp_path / "night").glob("FTP*"))
    foreign = tmp_path / "notes.txt"
    foreign.write_text("bring a warm coat\n")
    new = tmp_path / "new.h5"
    missing = tmp_path / "none.xml"
    files = [str(foreign), str(night), str(missing)]
    assert _status(["catalog", "import", *files, "--out", str(new)]) == 1
    told = capsys.readouterr()
    assert told.out.startswith(f"{new}: ")
    assert [line.split(": ")[:2] for line in told.err.splitlines()] == [
        ["error", str(foreign)], ["error", str(missing)],
    ]  # fmt: skip
    alone = tmp_path / "alone.h5"
    assert _status(["catalog", "import", str(night), "--out", str(alone)]) == 0
    with Catalog(new) as made, Catalog(alone) as expected:
        assert list(made.detections["detection_id"]) == list(expected.detections["detection_id"])


def test_export_refuses_in_one_line_and_writes_nothing(catalog: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a.ecsv"
    assert _status(["catalog", "export", str(catalog), str(out), "--format", "gfe"]) == 0
    assert _status(["catalog", "export", str(catalog), str(out), "--format", "gfe"]) == 2
    assert "a.ecsv: exists; choose another name or give --overwrite" in capsys.readouterr().err
    assert _status(["catalog", "export", str(catalog), "--format", "gfee"]) == 2
    assert "did you mean 'gfe'?" in capsys.readouterr().err
    assert _status(["catalog", "export", str(catalog), "--format", "platepar"]) == 2
    assert "no platepar to write" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ecsv", "night", "night.h5"]


def test_export_writes_accepted_detections_alone_unless_asked(catalog: Path, tmp_path: Path, capsys) -> None:
    where = ["--where", "label = satellite"]
    assert _status(["catalog", "export", str(catalog), str(tmp_path / "x"), "--format", "gfe", *where]) == 0
    assert "no accepted detection to write" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_site_may_be_given(tmp_path: Path, capsys) -> None:
    content = Content(tuple(replace(r, site=None) for r in one_meteor().recordings))
    paths = written(content, "ftpdetectinfo", tmp_path / "alone")
    out = tmp_path / "b.h5"
    import_files(paths, out)
    assert _status(["catalog", "export", str(out), "--format", "gfe"]) == 2
    assert "no known site" in capsys.readouterr().err
    assert _status(["catalog", "export", str(out), "--format", "gfe", "--site", "51.5,-1.25,80"]) == 0
    import_files(paths, out, site=Site(51.5, -1.25, 80.0), overwrite=True)
    with Catalog(out) as opened:
        assert opened.recordings["site_longitude"].value.tolist() == [-1.25]


def test_what_others_found_is_truth_by_name_and_by_time(catalog: Path, tmp_path: Path) -> None:
    (named,) = written(
        one_meteor(path="FF_UK0006_20230421_212224_982_0115712.fits"), "ftpdetectinfo", tmp_path / "a"
    )
    (timed,) = written(one_meteor(path="elsewhere.avi"), "gfe", tmp_path / "b")
    (sky,) = written(one_meteor(path="elsewhere.avi"), "ufo-csv", tmp_path / "c")
    with Catalog(catalog) as opened:
        for path in (named, timed, sky, catalog):
            (truth,) = read_any_truth(path, opened)
            assert truth.path == "FF_UK0006_20230421_212224_982_0115712.fits"
            assert truth.frame_first == pytest.approx(20, abs=0.3)
            result = compare_with(opened, path)
            assert (result.recall.hits, result.recall.n) == (1, 1), path
    assert _status(["evaluate", str(catalog), "--truth", str(timed)]) == 0


def test_formats_are_listed(capsys) -> None:
    assert _status(["catalog", "formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(formats.targets())
    assert all(line.split()[1] == "rw" for line in lines)


def test_a_stranger_adds_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is all it takes; a broken one stands in nobody's way."""
    (tmp_path / "stranger_format.py").write_text(
        "from astrodetect.exchange import Content, Format, Observed\n"
        "class Mine(Format):\n"
        "    name = 'mine'\n"
        "    description = 'one word'\n"
        "    def sniff(self, path, head):\n"
        "        return head.startswith(b'MINE')\n"
        "    def read(self, path):\n"
        "        return Content((Observed(path.read_text().split()[1]),))\n"
    )
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[astrodetect.exchange]\nmine = stranger_format:Mine\nbroken = stranger_format:Absent\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    formats.targets.cache_clear()
    try:
        path = tmp_path / "a.mine"
        path.write_text("MINE clip.avi")
        assert read(path).recordings[0].path == "clip.avi"
        assert isinstance(formats.format_named("mine"), Format)
        assert not formats.format_named("mine").writes
    finally:
        formats.targets.cache_clear()


def test_nothing_is_left_of_an_export_that_fails_halfway(tmp_path: Path) -> None:
    def files():
        yield "a.txt", b"a"
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        save(files(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_times_and_places_survive_the_catalog(catalog: Path) -> None:
    before = one_meteor().recordings[0].detections.tracks
    with Catalog(catalog) as opened:
        after = content_of(opened).recordings[0].detections.tracks
    for name, limit in (("time", 1e-4), ("x", 0.006), ("ra", 1e-6), ("alt", 1e-6)):
        np.testing.assert_allclose(after[name], before[name], rtol=0, atol=limit)
