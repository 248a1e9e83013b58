"""Every fault of an FTPdetectinfo file is found, alone, and what is surely known is corrected."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from lint_samples import HEIGHT, SITE, TRACKS, ftp
from stranger_packages import astrodetect

from astrodetect.events.directions import precession
from astrodetect.lint import lint
from astrodetect.lint.checking import write_copy
from astrodetect.sky.frames import angles, vectors

DATA = os.environ.get("ASTRODETECT_DATA")
real = pytest.mark.skipif(DATA is None, reason="ASTRODETECT_DATA names no folder with real recordings")


def changed(**changes):
    """The tracks with columns changed by functions."""
    return tuple({n: changes.get(n, lambda v: v)(v) for n, v in track.items()} for track in TRACKS)


def south():
    return ftp(changed(azimuth=lambda az: (az + 180) % 360))


def of_date():
    tracks = []
    for track in TRACKS:
        turned = vectors(track["ra"], track["dec"]) @ precession(float(track["time"][0])).T
        tracks.append({**track, **dict(zip(("ra", "dec"), angles(turned), strict=True))})
    return ftp(tracks)


def first_meteor(text):
    return text.index("FF_UK0006")


def without_last_rows():
    lines = ftp().splitlines()
    return "\n".join(lines[:-3]) + "\n"


FAULTS = {
    "count too small": (lambda: ftp().replace("Count = 000003", "Count = 000002"), {"meteor-count"}, True),
    "count too large": (lambda: ftp().replace("Count = 000003", "Count = 000004"), {"meteor-count"}, False),
    "segments too few": (lambda: ftp().replace("0001 0012", "0001 0011"), {"segment-count"}, True),
    "rows are missing": (without_last_rows, {"segment-count"}, False),
    "cut in a row": (lambda: ftp()[:-35], {"column-count", "segment-count"}, False),
    "a header of ten lines": (lambda: ftp().replace("CAL file processed\n", ""), {"header-lines"}, True),
    "no number": (lambda: ftp().replace("001066 2.00", "001066 ****", 1),
                  {"not-a-number", "segment-count"}, False),
    "another station": (lambda: ftp().replace("UK0006 0002", "UK0007 0002"), {"camera-name"}, False),
    "no time in the name": (lambda: re.sub(r"FF_UK0006_2023\S+", "meteor.fits", ftp(), count=1),
                            {"ff-name"}, False),
    "y from the bottom": (lambda: ftp(changed(y_image=lambda y: HEIGHT - 1 - y)), {"y-from-bottom"}, False),
    "south": (south, {"azimuth-from-south"}, True),
    "west": (lambda: ftp(changed(azimuth=lambda az: -az % 360)), {"azimuth-reversed"}, True),
    "hours": (lambda: ftp(changed(ra=lambda ra: ra / 15)), {"hours"}, True),
    "zenith distance": (lambda: ftp(changed(altitude=lambda alt: 90 - alt)), {"zenith-distance"}, True),
    "negative column": (lambda: ftp(changed(x_image=lambda x: x - 2000)), {"outside-image"}, False),
    "zeros": (lambda: ftp((*TRACKS, {n: v * (n in ("time", "mag_data")) for n, v in TRACKS[0].items()})),
              {"uncalibrated", "zero-pixels"}, False),
    "rows turned round": (lambda: ftp([{n: v[::-1] for n, v in track.items()} for track in TRACKS]),
                          {"time-order"}, True),
    "twice": (lambda: ftp((*TRACKS, TRACKS[2])), {"duplicate"}, False),
    "frame rate": (lambda: ftp(rate=30.0), {"frame-rate"}, False),
}  # fmt: skip


def written(folder, text):
    path = folder / "FTPdetectinfo_UK0006_20230421_194826_180103.txt"
    path.write_text(text, encoding="utf-8")
    return path


def with_site(folder, site=SITE):
    platepar = {"lat": site.latitude, "lon": site.longitude, "elev": site.elevation, "station_code": "UK0006"}
    (folder / "platepar_cmn2010.cal").write_text(json.dumps(platepar))


def rules(path):
    return {finding.rule for finding in lint(path).findings}


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("sited", [False, True])
def test_a_right_file_is_clean(tmp_path, wide, sited):
    if sited:
        with_site(tmp_path)
    assert lint(written(tmp_path, ftp(wide=wide))).findings == ()


def test_a_night_without_meteors_is_clean(tmp_path):
    assert lint(written(tmp_path, ftp(()))).findings == ()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_alone_and_corrected_where_that_is_sure(name, tmp_path):
    make, expected, fixable = FAULTS[name]
    path = written(tmp_path, make())
    report = lint(path)
    assert {finding.rule for finding in report.findings} == expected
    if fixable:
        assert rules(write_copy(report)) == set()
    else:
        assert report.corrected is None


def test_what_needs_the_site_is_found_with_a_platepar_beside_the_file(tmp_path):
    with_site(tmp_path)
    assert rules(written(tmp_path, of_date())) == {"of-date"}
    late = changed(time=lambda t: t + 7200)
    assert rules(written(tmp_path, ftp(late))) == {"time-zone"}
    with_site(tmp_path, SITE._replace(longitude=-SITE.longitude))
    assert rules(written(tmp_path, ftp())) == {"longitude-sign"}
    with_site(tmp_path, SITE._replace(latitude=45.0))
    (finding,) = lint(written(tmp_path, ftp())).findings
    assert finding.rule == "inconsistent"
    assert "51.883 N, -1.306 E" in finding.remedy


def test_corrections_keep_the_other_lines_as_they_are(tmp_path):
    path = written(tmp_path, south())
    right, fixed = ftp().splitlines(), write_copy(lint(path)).read_text().splitlines()
    assert len(right) == len(fixed)
    for ours, theirs in zip(right, fixed, strict=True):
        a, b = ours.split(), theirs.split()
        assert a == b or (np.allclose(float(a[5]), float(b[5]), atol=1e-6) and a[:5] + a[6:] == b[:5] + b[6:])


def test_the_command_lists_findings_writes_copies_and_says_so_by_its_status(tmp_path):
    path = written(tmp_path, south())
    done = astrodetect("catalog", "lint", path.name, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{path.name}:16: error: azimuth counts from the south" in done.stdout
    done = astrodetect("catalog", "lint", path.name, "--fix", "--json", cwd=tmp_path)
    assert done.returncode == 1
    (report,) = json.loads(done.stdout)
    assert report["fixed"] == f"{path.stem}.fixed.txt"
    assert [(f["rule"], f["severity"], f["fixable"]) for f in report["findings"]] == [
        ("azimuth-from-south", "error", True)
    ]
    done = astrodetect("catalog", "lint", report["fixed"], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    done = astrodetect("catalog", "lint", "nothing.txt", cwd=tmp_path)
    assert done.returncode == 2
    done = astrodetect("catalog", "lint", path.name, "--fix", cwd=tmp_path)
    assert done.returncode == 2
    assert "is there already" in done.stderr


def test_a_file_of_no_known_format_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    done = astrodetect("catalog", "lint", "a.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: a.txt: ")
    assert len(done.stderr.splitlines()) == 1


@real
def test_the_files_of_the_network_have_no_fault_but_meteors_listed_twice():
    files = [*Path(DATA).glob("ftp/*.txt"), *Path(DATA).glob("rms/*/FTPdetectinfo*.txt")]
    assert len(files) == 20
    assert {finding.rule for path in files for finding in lint(path).findings} == {"duplicate"}


@real
def test_the_faults_of_the_networks_ecsv_are_named():
    (path,) = Path(DATA).glob("rms/*/*.ecsv")
    found = {(finding.rule, finding.line) for finding in lint(path).findings}
    assert found == {("unit", 7), ("unit", 8), ("site-decimals", 14), ("site-decimals", 15),
                     ("magnitude-label", 25), ("undeclared-column", 33), ("column-order", 33)}  # fmt: skip


@real
@pytest.mark.parametrize(
    ("column", "change", "rule"),
    [
        (5, lambda v: f"{(float(v) + 180) % 360:.4f}", "azimuth-from-south"),
        (3, lambda v: f"{float(v) / 15:.4f}", "hours"),
        (2, lambda v: f"{719 - float(v):07.2f}", "y-from-bottom"),
        (6, lambda v: f"{90 - float(v):+.4f}", "zenith-distance"),
    ],
)
def test_faults_put_into_a_night_of_the_network_are_found(tmp_path, column, change, rule):
    (source,) = Path(DATA).glob("ftp/FTPdetectinfo_UK005U*.txt")
    lines = source.read_text().splitlines()
    for i, line in enumerate(lines):
        cells = line.split()
        if re.fullmatch(r"\d+\.\d{4}( [-+.\d]+){8}", " ".join(cells)):
            cells[column] = change(cells[column])
            lines[i] = " ".join(cells)
    assert rules(written(tmp_path, "\n".join(lines) + "\n")) == {rule, "duplicate"}


@real
@pytest.mark.parametrize("night", ["UK0006_20220914", "UK0006_20230421"])
def test_with_the_platepars_of_the_night_y_from_the_bottom_is_found_and_corrected(tmp_path, night):
    folder = Path(DATA) / "rms" / night
    (source,) = folder.glob("FTPdetectinfo_*_[0-9][0-9][0-9][0-9][0-9][0-9].txt")
    platepars = "platepars_all_recalibrated.json"
    (tmp_path / platepars).symlink_to(folder / platepars)
    turned = source.read_text().splitlines()
    for i, line in enumerate(turned):
        cells = line.split()
        if len(cells) == 9 and "." in cells[0]:
            turned[i] = " ".join([*cells[:2], f"{719 - float(cells[2]):07.2f}", *cells[3:]])
    report = lint(written(tmp_path, "\n".join(turned) + "\n"))
    assert {f.rule for f in report.findings} - {"duplicate"} == {"y-from-bottom"}
    fixed = write_copy(report)
    assert rules(fixed) <= {"duplicate"}
    assert [line.split() for line in fixed.read_text().splitlines()] == [
        line.split() for line in source.read_text().splitlines()
    ]


@real
def test_a_platepar_of_another_camera_is_told(tmp_path):
    (source,) = Path(DATA).glob("ftp/FTPdetectinfo_UK003D*.txt")
    (tmp_path / "platepar_cmn2010.cal").symlink_to(Path(DATA) / "calibration" / "UK006S.json")
    assert {"inconsistent"} <= rules(written(tmp_path, source.read_text()))


def test_a_file_that_cannot_be_checked_does_not_keep_the_others_from_it(tmp_path):
    path = written(tmp_path, south())
    (tmp_path / "empty.txt").touch()
    done = astrodetect("catalog", "lint", "empty.txt", path.name, "nothing.txt", "--fix", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{path.name}:16: error: azimuth counts from the south" in done.stdout
    assert (tmp_path / f"{path.stem}.fixed.txt").exists()
    assert [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith("error")] == [
        " empty.txt", " nothing.txt"
    ]  # fmt: skip
    done = astrodetect("catalog", "lint", path.name, "--fix", cwd=tmp_path)
    assert done.returncode == 2
    assert "azimuth counts from the south" in done.stdout
    assert "is there already" in done.stderr


def test_other_formats_are_told_by_line_and_promised_no_copy(tmp_path):
    path = tmp_path / "M20210317_234219_TC.xml"
    record = '<ufocapture_record y="2021" mo="3" d="17" h="23" m="42" s="19" fps="25" cx="720" cy="576" '
    path.write_bytes(f'{record}observer="\u5c71"></ufocapture_record>'.encode("shift_jis"))
    report = lint(path)
    assert [(f.rule, f.line, f.fixable) for f in report.findings] == [("encoding", 1, False)]
    assert report.corrected is None
    path.write_text(f"<!DOCTYPE x [\n<!ENTITY a 'b'>]>{record}/>")
    (finding,) = lint(path).findings
    assert (finding.rule, finding.line) == ("unreadable", 1)
    assert str(path) not in finding.what
