"""Every fault of a GFE file is found, alone, and what is surely known is corrected."""

import numpy as np
import pytest
from astropy.table import Table
from lint_samples import HEIGHT, START, Gfe, track

from astrodetect.events.directions import precession
from astrodetect.lint import lint
from astrodetect.lint.checking import write_copy
from astrodetect.sky.frames import angles as angles_of
from astrodetect.sky.frames import vectors
from astrodetect.sky.refraction import apparent_altitude


def of_date(gfe):
    turned = vectors(gfe.columns["ra"], gfe.columns["dec"]) @ precession(START).T
    gfe.columns["ra"], gfe.columns["dec"] = angles_of(turned)


def column(name, change):
    def apply(gfe):
        gfe.columns[name] = change(gfe.columns[name])

    return apply


def meta(key, value):
    def apply(gfe):
        if value is None:
            del gfe.meta[key]
        else:
            gfe.meta[key] = value

    return apply


def unit(name, value):
    def apply(gfe):
        gfe.units[name] = value

    return apply


def without_column(name):
    def apply(gfe):
        del gfe.columns[name], gfe.units[name]

    return apply


def radians(gfe):
    for name in ("ra", "dec", "azimuth", "altitude"):
        gfe.columns[name] = np.radians(gfe.columns[name])


def swapped_site(gfe):
    gfe.meta["obs_latitude"], gfe.meta["obs_longitude"] = gfe.meta["obs_longitude"], gfe.meta["obs_latitude"]


def south_and_of_date(gfe):
    of_date(gfe)
    column("azimuth", lambda az: (az + 180) % 360)(gfe)


def one_row(name, row, value):
    def apply(gfe):
        gfe.columns[name][row] = value

    return apply


def undeclared(gfe):
    del gfe.units["mag_data"]


def declared_only(gfe):
    gfe.units["snr"] = ""


def delimiter(gfe):
    gfe.delimiter = ";"


def no_first_line(gfe):
    gfe.first = "# ECSV file"


FAULTS = {
    "missing latitude": (meta("obs_latitude", None), {"missing-key"}, False),
    "elevation is text": (meta("obs_elevation", "'high'"), {"not-a-number"}, False),
    "missing altitude": (without_column("altitude"), {"missing-column"}, False),
    "no camera": (meta("camera_id", None), {"no-camera"}, False),
    "deg2": (unit("ra", "deg2"), {"unit"}, True),
    "no unit": (unit("azimuth", ""), {"unit"}, True),
    "pixels as deg": (unit("x_image", "deg"), {"unit"}, True),
    "few decimals": (meta("obs_longitude", "-1.3062"), {"site-decimals"}, True),
    "label of no column": (meta("mag_label", "'FLUX'"), {"magnitude-label"}, True),
    "undeclared": (undeclared, {"undeclared-column"}, True),
    "declared alone": (declared_only, {"absent-column"}, True),
    "semicolons": (delimiter, {"delimiter"}, True),
    "no ECSV": (no_first_line, {"not-ecsv", "bad-head"}, True),
    "y from the bottom": (column("y_image", lambda y: HEIGHT - 1 - y), {"y-from-bottom"}, True),
    "zero pixels": (lambda g: [column(n, lambda v: 0.0 * v)(g) for n in ("x_image", "y_image")],
                    {"zero-pixels"}, True),
    "outside": (one_row("x_image", 3, 4000.0), {"outside-image"}, False),
    "zero sky": (lambda g: [one_row(n, 4, 0.0)(g) for n in ("ra", "dec")], {"zero-sky"}, False),
    "south": (column("azimuth", lambda az: (az + 180) % 360), {"azimuth-from-south"}, True),
    "west": (column("azimuth", lambda az: -az % 360), {"azimuth-reversed"}, True),
    "south to east": (column("azimuth", lambda az: (180 - az) % 360), {"azimuth-south-reversed"}, True),
    "negative azimuth": (column("azimuth", lambda az: az - 360), {"azimuth-range"}, True),
    "zenith distance": (column("altitude", lambda alt: 90 - alt), {"zenith-distance"}, True),
    "refraction": (lambda g: [g.columns.update(track(az=(222, 224), alt=(25, 18))),
                              column("altitude", apparent_altitude)(g)], {"refraction"}, True),
    "hours": (column("ra", lambda ra: ra / 15), {"hours"}, True),
    "radians": (radians, {"radians"}, True),
    "of date": (of_date, {"of-date"}, False),
    "south and of date": (south_and_of_date, {"of-date", "azimuth-from-south"}, None),
    "longitude west": (meta("obs_longitude", "1.306161"), {"longitude-sign"}, True),
    "latitude south": (meta("obs_latitude", "-51.883123"), {"latitude-sign"}, True),
    "site swapped": (swapped_site, {"site-swapped"}, True),
    "summer time": (column("time", lambda t: t + 3600), {"time-zone"}, False),
    "another site": (meta("obs_latitude", "48.123456"), {"inconsistent"}, False),
    "one wrong row": (one_row("ra", 5, 12.0), {"outlier"}, False),
    "no number": (lambda g: g.columns.update(ra=[*g.columns["ra"][:-1].tolist(), "x"]),
                  {"not-a-number"}, False),
    "altitude of 95": (one_row("altitude", 2, 95.0), {"range", "outlier"}, False),
    "frame rate": (meta("frame_rate", "30.0"), {"frame-rate"}, False),
    "gap": (one_row("time", 11, START + 62.9), {"time-step", "outlier"}, False),
    "rows turned round": (lambda g: [column(n, lambda v: v[::-1])(g) for n in g.columns],
                          {"time-order"}, True),
    "start of another day": (meta("isodate_start_obs", "'2023-04-20T21:22:24.982'"), {"start-time"}, False),
}  # fmt: skip


def written(tmp_path, gfe):
    path = tmp_path / "2023-04-21T21_22_27_TEST_UK0006.ecsv"
    path.write_text(gfe.text() if isinstance(gfe, Gfe) else gfe, encoding="utf-8")
    return path


def rules(path):
    return {finding.rule for finding in lint(path).findings}


def test_a_right_file_is_clean(tmp_path):
    path = written(tmp_path, Gfe())
    assert lint(path).findings == ()
    assert len(Table.read(path, format="ascii.ecsv")) == 12


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_alone_and_corrected_where_that_is_sure(name, tmp_path):
    spoil, expected, fixable = FAULTS[name]
    gfe = Gfe()
    spoil(gfe)
    path = written(tmp_path, gfe)
    report = lint(path)
    assert {finding.rule for finding in report.findings} == expected
    assert all(finding.what and finding.remedy for finding in report.findings)
    if fixable is False:
        assert report.corrected is None
    elif fixable:
        before = path.read_bytes()
        copy = write_copy(report)
        assert copy.name == "2023-04-21T21_22_27_TEST_UK0006.fixed.ecsv"
        assert path.read_bytes() == before
        assert rules(copy) == set()
        assert len(Table.read(copy, format="ascii.ecsv")) == 12


def test_a_file_that_is_cut_off_in_its_last_value_is_told(tmp_path):
    text = Gfe().text()
    path = written(tmp_path, text.rstrip("\n")[:-2])
    (finding,) = [finding for finding in lint(path).findings if finding.rule == "no-line-end"]
    assert finding.line == len(text.splitlines())
    assert lint(path).corrected is None


def test_corrections_give_the_right_numbers(tmp_path):
    right = Gfe()
    for name in ("south", "west", "zenith distance", "hours", "y from the bottom"):
        gfe = Gfe()
        FAULTS[name][0](gfe)
        (tmp_path / name).mkdir()
        copy = Table.read(write_copy(lint(written(tmp_path / name, gfe))), format="ascii.ecsv")
        for ours in ("ra", "azimuth", "altitude", "y_image"):
            np.testing.assert_allclose(np.asarray(copy[ours]), right.columns[ours], atol=2e-3, err_msg=name)


def replaced(old, new, count=-1):
    return lambda text: text.replace(old, new, count)


TEXT_FAULTS = {
    "blank for T": (replaced("2023-04-21T21:22:27.382", "2023-04-21 21:22:27.382"), {"time-format"}, True),
    "a letter Z": (replaced("27.382000,", "27.382000Z,"), {"time-format"}, True),
    "German date": (replaced("2023-04-21T21:22:27.382000", "21.04.2023 21:22:27.38"), {"time-format"}, False),
    "no fraction": (replaced("27.382000,", "27,"), {"time-decimals"}, False),
    "cut off": (lambda text: text[:-60], {"column-count"}, False),
    "one value too many": (replaced("\n2023-04-21T21:22:27.382000,", "\n2023-04-21T21:22:27.382000,1,"),
                           {"column-count"}, False),
    "no rows": (lambda text: text[: text.index("\n2023-04-21T")], {"no-rows"}, False),
    "head is no YAML": (replaced("# - {origin: 'test'}", "# - {origin: 'te: [st}"), {"bad-head"}, True),
    "a mark before": (lambda text: "\ufeff" + text, {"byte-order-mark"}, True),
    "text for float": (replaced("ra, unit: deg, datatype: float64", "ra, unit: deg, datatype: string"),
                       {"datatype"}, True),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXT_FAULTS)
def test_a_fault_of_the_text_is_found_alone(name, tmp_path):
    spoil, expected, fixable = TEXT_FAULTS[name]
    path = written(tmp_path, spoil(Gfe().text()))
    report = lint(path)
    assert {finding.rule for finding in report.findings} == expected
    if fixable:
        assert rules(write_copy(report)) == set()


def test_another_encoding_is_named_and_corrected(tmp_path):
    path = tmp_path / "a.ecsv"
    path.write_bytes(Gfe(meta={**Gfe().meta, "observer": "'Müller'"}).text().encode("latin-1"))
    report = lint(path)
    (finding,) = report.findings
    assert (finding.rule, finding.line) == ("encoding", 29)
    assert rules(write_copy(report)) == set()


def test_the_line_of_a_finding_is_that_in_the_file(tmp_path):
    gfe = Gfe()
    one_row("x_image", 3, 4000.0)(gfe)
    path = written(tmp_path, gfe)
    (finding,) = lint(path).findings
    assert "4000" in path.read_text().splitlines()[finding.line - 1]
    assert str(finding).startswith(f"{path}:{finding.line}: error: ")


def test_y_from_the_bottom_is_told_of_an_all_sky_camera(tmp_path):
    t = track(az=(100.0, 120.0), alt=(60.0, 40.0))
    r = (90 - t["altitude"]) * 5.0
    az = np.radians(t["azimuth"])
    for flip, expected in ((1, set()), (-1, {"y-from-bottom"})):
        gfe = Gfe(columns={**t, "x_image": 480 - r * np.sin(az), "y_image": 480 - flip * r * np.cos(az)})
        gfe.meta = {
            k: v for k, v in gfe.meta.items() if not k.startswith(("obs_a", "obs_ev", "obs_r", "fov"))
        }
        gfe.meta.update(cx="960", cy="960")
        assert rules(written(tmp_path, gfe)) == expected


def test_a_camera_without_stated_pointing_is_given_the_benefit_of_the_doubt(tmp_path):
    gfe = Gfe()
    gfe.meta = {k: v for k, v in gfe.meta.items() if k not in ("obs_az", "obs_ev", "obs_rot")}
    assert rules(written(tmp_path, gfe)) == set()
