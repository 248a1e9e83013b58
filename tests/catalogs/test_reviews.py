"""What a person says about a detection is written, kept, and never lost silently."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from stranger_packages import astrodetect

from astrodetect import Catalog
from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.journal import Journal
from astrodetect.catalogs.merging import merge
from astrodetect.core.errors import AstrodetectError

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from report_samples import block, find, make_night, meteor, write_catalog

from astrodetect.catalogs.labelling import label_catalog
from astrodetect.catalogs.reviews import Review, read_reviews


def write(path: Path, *rows: dict[str, Any]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    with Catalog(path) as catalog:
        table = catalog.detections
    return [{name: row[name] for name in table.colnames} for row in table]


@pytest.fixture
def night(tmp_path: Path) -> Path:
    return make_night(tmp_path)


def test_accept_reject_and_relabel_are_written_and_the_automatic_label_stays(
    night: Path, tmp_path: Path
) -> None:
    rows = rows_of(night)
    said = write(
        tmp_path / "said.csv",
        {"detection_id": rows[0]["detection_id"], "verdict": "reject", "label": "", "reviewer": "Ada"},
        {"detection_id": rows[1]["detection_id"], "verdict": "accept", "label": "meteor"},
        {"detection_id": rows[2]["detection_id"], "verdict": "", "label": "aircraft"},
    )
    done = astrodetect("catalog", "label", "night.h5", said.name, "--reviewer", "Bob", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    now = rows_of(night)
    names = ("label", "accepted", "reason", "verdict", "reviewer", "label_automatic", "accepted_automatic")
    assert [tuple(row[name] for name in names) for row in now] == [
        ("unknown", False, "rejected in review", "reject", "Ada", "meteor", True),
        ("meteor", True, "", "accept", "Bob", "lightning", False),
        ("aircraft", False, "label aircraft", "reject", "Bob", "meteor", True),
        ("lightning", False, "label lightning", "", "", "", False),
    ]
    assert [row["probability"] for row in now[:3]] == [1, 1, 1]
    assert now[0]["probability_automatic"] == pytest.approx(0.93)
    assert [row["detection_id"] for row in now] == [row["detection_id"] for row in rows]
    with Catalog(night) as catalog:
        assert list(catalog.recordings["n_accepted"]) == [1, 0]
    assert verify(night) == []


def test_doing_it_again_changes_no_byte_and_a_correction_keeps_the_first_automatic_label(
    night: Path, tmp_path: Path
) -> None:
    number = rows_of(night)[0]["detection_id"]
    said = write(tmp_path / "said.csv", {"detection_id": number, "label": "aircraft"})
    label_catalog(night, read_reviews(said), reviewer="Ada")
    before = night.read_bytes(), night.stat().st_mtime_ns
    again = label_catalog(night, read_reviews(said), reviewer="Ada")
    assert (again.n_changed, again.n_unchanged) == (0, 1)
    assert (night.read_bytes(), night.stat().st_mtime_ns) == before
    label_catalog(night, [Review("", "satellite", "Bob", detection_id=number)])
    row = rows_of(night)[0]
    assert (row["label"], row["label_automatic"], row["reviewer"]) == ("satellite", "meteor", "Bob")
    label_catalog(night, [Review("clear", "", "Bob", detection_id=number)])
    row = rows_of(night)[0]
    assert (row["label"], row["accepted"], row["verdict"]) == ("meteor", True, "")
    assert row["probability"] == pytest.approx(0.93)


def test_of_two_reviews_the_later_counts_in_whatever_order_they_come(night: Path) -> None:
    number = rows_of(night)[0]["detection_id"]
    late = Review("accept", "", "Ada", 200.0, number)
    early = Review("reject", "", "Bob", 100.0, number)
    assert label_catalog(night, [late]).n_changed == 1
    assert label_catalog(night, [early]).n_older == 1
    assert label_catalog(night, [late, early]).n_unchanged == 1
    assert rows_of(night)[0]["reviewer"] == "Ada"


def test_what_is_not_in_the_catalog_is_named_and_the_rest_is_written(night: Path, tmp_path: Path) -> None:
    number = rows_of(night)[0]["detection_id"]
    write(
        tmp_path / "said.csv",
        {"detection_id": 5, "verdict": "accept"},
        {"detection_id": number, "verdict": "reject"},
    )
    done = astrodetect("catalog", "label", "night.h5", "said.csv", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "said.csv, line 2: no such detection in night.h5\n"
    assert json.loads(done.stdout) == {
        "changed": 1, "unchanged": 0, "older": 0, "unknown": ["said.csv, line 2"],
    }  # fmt: skip


def test_a_detection_is_known_by_its_place_too(night: Path, tmp_path: Path) -> None:
    said = write(
        tmp_path / "said.csv",
        {"path": "cube1.fits", "frame_first": 9, "frame_last": 18, "x_first": 21, "y_first": 30,
         "x_last": 45, "y_last": 22, "label": "insect"},
    )  # fmt: skip
    assert label_catalog(night, read_reviews(said)).n_changed == 1
    assert [row["label"] for row in rows_of(night)] == ["meteor", "lightning", "insect", "lightning"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,b\n1,2\n", "has the columns a, b; expected detection_id"),
        ("detection_id\n1\n", "neither a column verdict nor a column label"),
        ("detection_id,verdict\n1,maybe\n", "line 2: verdict is 'maybe'; expected accept, reject, clear"),
        ("detection_id,verdict\none,accept\n", "line 2: invalid literal"),
        ("detection_id,verdict\n,accept\n", "line 2: names no detection"),
        ("detection_id,verdict,reviewed_at\n1,accept,soon\n", "line 2: reviewed_at: 'soon' is no time"),
        ("", "has the columns none"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    night: Path, tmp_path: Path, text: str, what: str
) -> None:
    (tmp_path / "said.csv").write_text(text)
    before = night.read_bytes()
    done = astrodetect("catalog", "label", "night.h5", "said.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert what in done.stderr
    assert done.stderr.count("\n") == 1
    assert night.read_bytes() == before


def test_no_catalog_no_file_and_a_running_job_are_refused(night: Path, tmp_path: Path) -> None:
    with pytest.raises(AstrodetectError, match="No such file"):
        read_reviews(tmp_path / "none.csv")
    with pytest.raises(AstrodetectError, match="expected a catalog"):
        label_catalog(tmp_path / "none.h5", [])
    assert not list(tmp_path.glob("none.h5*"))
    (tmp_path / "night.h5.parts").mkdir()
    with pytest.raises(AstrodetectError, match="let it end"):
        label_catalog(night, [])


def provenance_of(path: Path) -> dict[str, str]:
    with Catalog(path) as catalog:
        return dict(catalog.provenance)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_later_run_keeps_the_reviews(night: Path, tmp_path: Path, fresh: bool) -> None:
    number = rows_of(night)[0]["detection_id"]
    label_catalog(night, [Review("", "aircraft", "Ada", 100.0, number)])
    recordings = find(tmp_path / "night")
    with Journal.open(night, provenance_of(night), fresh=fresh) as journal:
        for recording in recordings:
            journal.append(block(recording, meteor()))
        journal.finish()
    assert journal.carried == [f"{night}: 1 reviews of the former catalog are carried over"]
    row = rows_of(night)[0]
    assert (row["label"], row["reviewer"], row["label_automatic"]) == ("aircraft", "Ada", "meteor")
    assert verify(night) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["night", "night.h5"]


def test_reviews_that_no_detection_takes_up_are_put_into_a_file(night: Path, tmp_path: Path) -> None:
    number = rows_of(night)[0]["detection_id"]
    label_catalog(night, [Review("", "aircraft", "Ada", 100.0, number)])
    with Journal.open(night, provenance_of(night), fresh=True) as journal:
        for recording in find(tmp_path / "night"):
            journal.append(block(recording))
        journal.finish()
    assert "were not found again; their reviews are in" in journal.carried[0]
    (kept,) = read_reviews(tmp_path / "night-lost-reviews.csv")
    assert (kept.label, kept.reviewer, kept.detection_id, kept.path) == (
        "aircraft",
        "Ada",
        number,
        "cube0.fits",
    )
    assert kept.reviewed_at == 100.0


def test_merging_keeps_the_reviews_of_all(night: Path, tmp_path: Path) -> None:
    number = rows_of(night)[0]["detection_id"]
    other = write_catalog(tmp_path / "other.h5", [block(r, meteor()) for r in find(tmp_path / "night")])
    label_catalog(night, [Review("reject", "", "Ada", 100.0, number)])
    merge(tmp_path / "both.h5", [night, other])  # of each recording the last counts: that of `other`
    assert rows_of(tmp_path / "both.h5")[0]["verdict"] == "reject"
