"""What a journal holds and a catalog gives back: order, columns, cutouts, text."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from catalog_samples import PROVENANCE, make_block, make_detections

from astrodetect.catalogs.assembly import in_memory
from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.journal import Journal
from astrodetect.catalogs.merging import merge
from astrodetect.catalogs.reader import Catalog
from astrodetect.catalogs.sources import Segments
from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError


def test_order_of_recordings_does_not_matter(tmp_path: Path) -> None:
    contents = []
    for seed in range(3):
        path = tmp_path / f"{seed}.h5"
        numbers = random.Random(seed).sample(range(12), 12)
        with Journal.open(path, PROVENANCE) as journal:
            for number in numbers[:6]:
                journal.append(make_block(number))
            if seed == 2:
                journal.finish()
        with Journal.open(path, PROVENANCE) as journal:
            for number in numbers[6:]:
                journal.append(make_block(number))
            journal.finish()
        with Catalog(path) as catalog:
            contents.append(
                {
                    t: catalog.read_columns(list(catalog.columns(t)), t)
                    for t in ("detections", "tracks", "recordings")
                }
            )
    for content in contents[1:]:
        for table, columns in content.items():
            for name, values in columns.items():
                np.testing.assert_array_equal(values, contents[0][table][name], err_msg=f"{table}/{name}")


def test_columns_of_stages_keep_unit_and_description(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    width = Column("width", "float32", "pix", "FWHM across the track")
    with Journal.open(path, PROVENANCE, columns=[width]) as journal:
        journal.append(make_block(0))
        journal.append(make_block(1, detections=make_detections(1, 2, width=np.array([2.5, 3.5]))))
        journal.append(make_block(2, 0, row={"gain": 3.5}))
    for _ in range(2):
        with Catalog(path) as catalog:
            assert catalog.columns()["width"] == width
            assert str(catalog.detections["width"].unit) == "pix"
            assert np.isnan(catalog.detections["width"].value).sum() == 3
            assert np.nanmax(catalog.recordings["gain"]) == 3.5
        with Journal.open(path, PROVENANCE) as journal:
            journal.finish()
    assert verify(path) == []


def test_in_memory_and_on_disk_are_one(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0, camera=make_detections(100, 2)))
        held = Segments(journal.parts)
        with in_memory([held], held.provenance) as file:
            assert len(file["camera/detections/label"]) == 2
        journal.finish()
    with Catalog(path) as catalog:
        assert len(catalog.camera) == 2
        assert len(catalog.camera_tracks) == 8
        assert len(catalog.detections) == 3


def test_cutouts_come_back_by_id(tmp_path: Path) -> None:
    from dataclasses import replace

    path = tmp_path / "n.h5"
    blocks_ = [
        make_block(
            n,
            detections=replace(
                make_detections(n, 3), cutouts=np.full((3, 1, 4, 5 + n % 2), n, dtype="uint16")
            ),
        )
        for n in range(3)
    ]
    for half in (blocks_[:2], blocks_[2:]):  # the second time over a finished catalog
        with Journal.open(path, PROVENANCE) as journal:
            for block in half:
                journal.append(block)
            journal.finish()
    with Catalog(path) as catalog:
        for number, block in enumerate(blocks_):
            for detection_id in block.detections["detection_id"]:
                cutout = catalog.cutouts(detection_id)
                assert cutout.shape == (1, 4, 5 + number % 2)
                assert (cutout == number).all()
        assert catalog.cutouts(-5) is None
    assert verify(path) == []


def test_awkward_text_is_kept_readable(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(0, row={"path": "caf\u00e9\udcff.avi", "message": "a\0b\nc"}))
        journal.finish()
    with Catalog(path) as catalog:
        assert catalog.recordings["path"][0] == "caf\u00e9\\udcff.avi"
        assert catalog.recordings["message"][0] == "a\\x00b\nc"
    assert verify(path) == []


def test_another_unit_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    path = tmp_path / "n.h5"
    block = make_block(1, detections=make_detections(1, 2, width=np.array([2.5, 3.5])))
    with Journal.open(path, PROVENANCE, columns=[Column("width", "float32", "pix", "FWHM")]) as journal:
        journal.append(block)
    arcsec = Column("width", "float32", "arcsec", "FWHM")
    for _ in range(2):  # of a journal, of a finished catalog
        with pytest.raises(AstrodetectError, match="width is in pix there, in arcsec now"):
            Journal.open(path, PROVENANCE, columns=[arcsec])
        with Journal.open(path, PROVENANCE) as journal:
            journal.finish()
    other = tmp_path / "other.h5"
    with Journal.open(other, PROVENANCE, columns=[arcsec]) as journal:
        journal.append(block)
    with pytest.raises(AstrodetectError, match="cannot be joined"):
        merge(tmp_path / "m.h5", [path, other])


def test_values_that_do_not_fit_what_was_declared_are_kept(tmp_path: Path) -> None:
    """Nothing that was accepted for the journal may stand in the way of the catalog."""
    path = tmp_path / "n.h5"
    kind = Column("kind", "int64", "", "a number")
    odd = {"n_frames": None, "note": None, "gain": 10**30, "flag": True, "frame_rate": 25}
    with Journal.open(path, PROVENANCE, columns=[kind]) as journal:
        journal.append(make_block(0, detections=make_detections(0, 2, kind=["a", "b"]), row=odd))
        journal.append(make_block(1, detections=make_detections(1, 2, kind=[1.5, 2.5]), row={"gain": 2.5}))
        journal.append(make_block(2, detections=make_detections(2, 2, kind=[1, 2])))
        with pytest.raises(ValueError, match="'n_frames': 'many' is no int64"):
            journal.append(make_block(3, row={"n_frames": "many"}))
        with pytest.raises(ValueError, match="'n_frames': nan is no int64"):
            journal.append(make_block(3, row={"n_frames": float("nan")}))
        journal.finish()
    with Catalog(path) as catalog:
        assert sorted(catalog.detections["kind"]) == ["1", "1.5", "2", "2.5", "a", "b"]
        assert sorted(catalog.recordings["gain"]) == ["", str(10**30), "2.5"]
        assert sorted(catalog.recordings["n_frames"]) == [-1, 100, 100]
    assert verify(path) == []
