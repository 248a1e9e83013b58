"""What a user is promised about the page, held against real files."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from report_samples import (
    N_FRAMES,
    SHAPE,
    block,
    find,
    make_night,
    meteor,
    place,
    write_catalog,
    write_recording,
)

from astrodetect.cli.report import report
from astrodetect.core.data import Recording
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.report import ReportSettings, write_report

VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Reads a page and notes what is wrong with it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.images: list[dict[str, str]] = []
        self.words: list[str] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids[given["id"]] += 1
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.images.append(given)
        for name in ("src", "href"):
            assert ":" not in given.get(name, ""), f"{tag} leaves the folder: {given[name]}"
        assert not any(name.startswith("on") for name in given), given

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def check(self) -> None:
        """Every tag is closed, ids are unique, links lead somewhere, pictures are there and described."""
        assert not self.open
        assert max(self.ids.values()) == 1
        assert {link[1:] for link in self.links if link.startswith("#")} <= set(self.ids)
        assert all((self.path.parent / link).is_file() for link in self.links if not link.startswith("#"))
        for image in self.images:
            assert image["alt"]
            with Image.open(self.path.parent / image["src"]) as picture:
                assert picture.size == (int(image["width"]), int(image["height"]))


def test_says_what_was_found_and_shows_it(tmp_path: Path) -> None:
    written = write_report(make_night(tmp_path))
    assert written.page == tmp_path / "night-report" / "index.html"
    assert (written.n_sections, written.n_pictures, written.missing) == (2, 2, {})
    page = Page(written.page)
    page.check()
    # Summary, timeline, tracks, accepted, two recordings, provenance.
    assert page.tags["section"] == 7
    for said in (
        "2 accepted", "2 rejected", "recordings: 2 done", "60 frames", "cube0.fits", "meteor 0.93",
        "rejected: label lightning", "2026-08-12 22:00:00.400", "3.20", "41.5", "10\u201319", "10 seen",
        "the camera\u2019s own", "1 by both", "1 accepted here only", "astrodetect 0.1.0, numpy 2.1",
        "astrodetect run night", "2026-08-13T05:00:00+00:00", "2 px saturated",
        "Light curve of 10 frames, brightest in frame 10 with 400 ADU, saturated in 2 frames",
    ):  # fmt: skip
        assert said in page.text, said
    assert page.html.count("<script>") == 1
    assert 'use = "peak-snr"' in page.text


def test_picture_shows_the_meteor_and_not_the_flash_after_it(tmp_path: Path) -> None:
    folder = write_report(make_night(tmp_path, 1)).page.parent / "pictures"
    accepted, whole = (
        np.asarray(Image.open(folder / name)).astype(int) for name in ("0001.png", "0001-all.png")
    )
    assert accepted.shape == whole.shape == SHAPE
    track = [(round(y), round(x)) for x, y in map(place, range(10, 20))]
    on = np.zeros(SHAPE, dtype=bool)
    on[tuple(zip(*track, strict=True))] = True
    assert accepted[on].min() > 200
    assert np.median(accepted[~on]) < 100
    # With the flash, the sky is nearly as bright as the meteor.
    assert np.median(whole[~on]) - np.median(accepted[~on]) > 20 or np.ptp(whole[~on]) > np.ptp(accepted[~on])
    thumbnail = np.asarray(Image.open(folder / "0001-1.png"))
    assert thumbnail.shape == (48, 48)
    assert thumbnail.max() == 255


def test_drawing_lies_on_the_pixels(tmp_path: Path) -> None:
    page = Page(write_report(make_night(tmp_path, 1)).page)
    assert f'viewBox="-0.5 -0.5 {SHAPE[1]} {SHAPE[0]}"' in page.html
    (x0, y0), (x1, y1) = place(10), place(19)
    # The box is half open and (0, 0) the centre of a pixel: its edges lie half a pixel before.
    assert (
        f'<rect class="box" x="{x0 - 0.5}" y="{y1 - 0.5}" width="{x1 + 1 - x0:g}" height="{y0 + 1 - y1:g}"/>'
        in (page.html)
    )
    points = re.search(r'<polyline class="track" points="([^"]+)"', page.html)
    assert points is not None
    found = [tuple(map(float, point.split(","))) for point in points[1].split()]
    assert found == [place(frame) for frame in range(10, 20)]


def test_says_why_nothing_was_accepted(tmp_path: Path) -> None:
    page = Page(write_report(make_night(tmp_path, 1, accepted=False)).page)
    page.check()
    assert "Nothing was accepted." in page.text
    assert "1 detection rejected: below threshold" in page.text
    assert re.search(r'id="show-rejected"[^>]* checked', page.html)
    recording = find(tmp_path / "night")[0]
    empty = write_catalog(tmp_path / "empty.h5", [block(recording)])
    text = Page(write_report(empty).page).text
    assert "Of 4 candidate regions in 30 frames none showed an object." in text
    assert "No recording holds a detection." in text
    none = write_catalog(tmp_path / "none.h5", [])
    assert "No recording has been looked at." in Page(write_report(none).page).text
    failed = write_catalog(
        tmp_path / "failed.h5", [block(recording, status="failed", message="no", n_frames=0)]
    )
    assert "Every recording failed." in Page(write_report(failed).page).text


def test_names_failures_and_warnings(tmp_path: Path) -> None:
    write_recording(tmp_path / "night" / "a.fits")
    recording = find(tmp_path / "night")[0]
    bad = Recording("bad.fits", str(tmp_path), (), "fits", "00")
    catalog = write_catalog(
        tmp_path / "night.h5",
        [
            block(recording, meteor(), message="frame times go backwards"),
            block(bad, status="failed", message="bad.fits: truncated after 10 bytes", n_frames=0),
        ],
    )
    text = Page(write_report(catalog).page).text
    assert "1 failure, 1 recording with warnings" in text
    assert "failed bad.fits: truncated after 10 bytes" in text
    assert "done a.fits: frame times go backwards" in text


def test_text_from_files_stays_text(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script>\"&\x1b[31m\u202e"
    path = tmp_path / "night" / "<b onmouseover='x'>.fits"
    write_recording(path)
    recording = find(tmp_path / "night")[0]
    found = meteor(label=["meteor", nasty], reason=["", nasty])
    catalog = write_catalog(
        tmp_path / "<i>.h5",
        [block(recording, found, message=nasty, camera=None)],
        pipeline=PIPELINE_WITH + nasty,
        command=nasty,
        versions=nasty,
    )
    page = Page(write_report(catalog).page)
    page.check()
    assert page.tags["script"] == 1
    assert not page.tags["b"] + page.tags["i"]
    assert "\x1b" not in page.html
    assert "\u202e" not in page.html
    assert page.text.count("alert('x')") >= 5


PIPELINE_WITH = '# the pipeline\n[source]\nuse = "fits"\n'


def test_recording_that_moved_is_named_and_found_under_another_root(tmp_path: Path) -> None:
    catalog = make_night(tmp_path)
    (tmp_path / "night").rename(tmp_path / "elsewhere")
    written = write_report(catalog)
    assert written.n_pictures == 0
    assert sum(map(len, written.missing.values())) == 2
    page = Page(written.page)
    page.check()
    assert f"No picture: {tmp_path / 'night' / 'cube0.fits'}: not there any more" in page.text
    assert (
        "No picture of 2 recordings, because its files are not where they were: cube0.fits, cube1.fits"
        in (page.text)
    )
    assert "meteor" in page.text
    assert "0.93" in page.text
    moved = write_report(catalog, settings=ReportSettings(root=tmp_path / "elsewhere"))
    assert moved.n_pictures == 2


def test_recording_that_changed_says_so(tmp_path: Path) -> None:
    catalog = make_night(tmp_path, 1)
    write_recording(tmp_path / "night" / "cube0.fits", seed=7)
    assert "The files have changed since they were searched." in Page(write_report(catalog).page).text
    (tmp_path / "night" / "cube0.fits").write_bytes(b"no FITS")
    written = write_report(catalog)
    assert written.n_pictures == 0
    assert "No picture" in Page(written.page).text


def test_large_night_leaves_out_and_says_so(tmp_path: Path) -> None:
    catalog = make_night(tmp_path, 4, accepted=False)
    written = write_report(catalog, settings=ReportSettings(candidates=1, rejected=1, recordings=2))
    page = Page(written.page)
    page.check()
    assert (written.n_sections, written.n_pictures) == (1, 1)
    assert (
        "3 recordings without an accepted detection have no section: of those, only the first 1" in page.text
    )
    assert "1 rejected detection left out" in page.text
    assert "All 4 recordings; the first 2 are listed" in page.text
    assert "meteor" in page.text


def test_windows_without_a_detection_are_not_needed(tmp_path: Path) -> None:
    write_recording(tmp_path / "night" / "a.fits")
    recording = find(tmp_path / "night")[0]
    late = meteor().with_columns(frame_start=[N_FRAMES + 200] * 2, frame_end=[N_FRAMES + 201] * 2)
    written = write_report(write_catalog(tmp_path / "night.h5", [block(recording, late)]))
    assert written.n_pictures == 0
    assert "holds none of the frames in which something was found" in Page(written.page).text


def test_unknown_values_are_dashes(tmp_path: Path) -> None:
    write_recording(tmp_path / "night" / "a.fits")
    recording = find(tmp_path / "night")[0]
    found = meteor().take([0])
    bare = type(found)(
        {name: found[name] for name in ("x_min", "y_min", "x_max", "y_max", "label", "probability")}
    )
    row = block(recording, bare, time_start=np.nan, time_end=np.nan, frame_rate=np.nan)
    page = Page(write_report(write_catalog(tmp_path / "night.h5", [row])).page)
    page.check()
    assert "no absolute time" in page.text
    assert "nan" not in page.text
    rows = page.html[page.html.index("<tbody>", page.html.index('class="recording')) :]
    assert "-1" not in re.sub("<[^>]*>", "", rows[: rows.index("</tbody>")])


def test_folder_is_replaced_only_if_it_is_a_report(tmp_path: Path) -> None:
    catalog = make_night(tmp_path, 2)
    out = tmp_path / "out"
    write_report(catalog, out)
    (out / "pictures" / "mine.txt").write_text("keep")
    (out / "notes.txt").write_text("keep")
    first = sorted(path.name for path in (out / "pictures").iterdir())
    again = write_report(catalog, out)
    page = Page(again.page)
    page.check()
    assert {image["src"].split("/")[0] for image in page.images} == {"pictures-b"}
    assert sorted(path.name for path in (out / "pictures-b").iterdir()) == [
        n for n in first if n != "mine.txt"
    ]
    assert [path.name for path in (out / "pictures").iterdir()] == ["mine.txt"]
    assert (out / "notes.txt").read_text() == "keep"
    write_report(catalog, out)
    assert not (out / "pictures-b").exists()


@pytest.mark.parametrize("what", ["other page", "other files", "file"])
def test_what_is_no_report_is_left_alone(tmp_path: Path, what: str) -> None:
    catalog = make_night(tmp_path, 1)
    out = tmp_path / "out"
    if what == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / ("index.html" if what == "other page" else "mine.txt")).write_text("<title>mine</title>")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(AstrodetectError, match="out: is ") as caught:
        write_report(catalog, out)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_report_that_was_broken_off_can_be_made_again(tmp_path: Path) -> None:
    catalog = make_night(tmp_path, 2)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(catalog, progress=stop)
    assert (
        "being written, or its writing was broken off"
        in (tmp_path / "night-report" / "index.html").read_text()
    )
    Page(write_report(catalog).page).check()
    former = (tmp_path / "night-report" / "index.html").read_text()
    with pytest.raises(KeyboardInterrupt):
        write_report(catalog, progress=stop)
    assert (tmp_path / "night-report" / "index.html").read_text() == former
    Page(tmp_path / "night-report" / "index.html").check()


def test_command(tmp_path: Path) -> None:
    catalog = make_night(tmp_path, 1)
    result = CliRunner().invoke(report, [str(catalog), "-o", str(tmp_path / "r")])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'r' / 'index.html'}\n"
    with pytest.raises(AstrodetectError, match="no such file"):
        CliRunner().invoke(report, [str(tmp_path / "nothing.h5")], catch_exceptions=False)
    assert not (tmp_path / "nothing-report").exists()


def test_wide_frames_are_reduced_and_thin_tracks_stay(tmp_path: Path) -> None:
    from astrodetect.report.stretch import save_picture

    rng = np.random.default_rng(0)
    image = rng.normal(20, 3, (900, 4000)).astype(np.float32)
    image[450, 500:3500] += 100
    name, width, height = save_picture(image, tmp_path / "0001", 1600)
    assert (name, width, height) == ("0001.jpg", 1600, 360)
    grey = np.asarray(Image.open(tmp_path / name)).astype(int)
    assert grey.shape == (360, 1600)
    assert grey[175:185, 300:1300].max(axis=0).min() > grey[:150].mean() + 60


def test_near_misses_are_the_last_to_be_left_out(tmp_path: Path) -> None:
    write_recording(tmp_path / "night" / "a.fits")
    recording = find(tmp_path / "night")[0]
    found = Detections.concatenate([meteor(False).take([0])] * 4).with_columns(
        label=["static", "slow", "meteor", "slow"],
        probability=[1.0, 0.7, 0.2, 0.8],
        reason=["label static", "label slow", "below threshold", "label slow"],
    )
    catalog = write_catalog(tmp_path / "night.h5", [block(recording, found)])
    for most, labels in ((1, {"meteor": 1}), (2, {"meteor": 1, "slow": 1}), (3, {"meteor": 1, "slow": 2})):
        page = Page(write_report(catalog, settings=ReportSettings(rejected=most)).page)
        rows = re.findall(r'<tr class="rejected"[^>]* data-label="(\w+)"[^>]* data-id', page.html)
        assert Counter(rows) == labels
    assert "0.80" in page.text


def test_recordings_with_rejected_ones_alone_are_announced(tmp_path: Path) -> None:
    for number in range(2):
        write_recording(tmp_path / "night" / f"{number}.fits", number)
    first, second = find(tmp_path / "night")
    results = [block(first, meteor()), block(second, meteor(False))]
    text = Page(write_report(write_catalog(tmp_path / "night.h5", results)).page).text
    assert "1 recording in which nothing was accepted" in text
