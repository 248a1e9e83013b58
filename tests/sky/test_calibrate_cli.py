"""``astrodetect calibrate``: from a folder of recordings to a file that `run` uses, or one clear line."""

import json

import numpy as np
import pytest
from astropy.table import QTable
from sky_samples import LENS, NIGHT, SITE, draw, largest_difference, sky, write_catalogue, write_frame

from astrodetect.cli import main
from astrodetect.core.calibrating import load_calibration

STARS = sky()
PLACE = f"{SITE.latitude},{SITE.longitude},{SITE.elevation}"


def command(*arguments):
    """Run the command in this process; give its exit status."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A night of one frame, and a star catalogue."""
    place = tmp_path_factory.mktemp("calibrate")
    (place / "night").mkdir()
    write_frame(place / "night" / "first.fits", draw(LENS, STARS, NIGHT), NIGHT)
    write_catalogue(place / "stars.fits", STARS)
    return place


@pytest.fixture(scope="module")
def calibrated(folder):
    """The folder after a blind calibration."""
    command(
        "calibrate", folder / "night", "--stars", folder / "stars.fits", "--site", PLACE,
        "--report", folder / "report",
    )  # fmt: skip
    return folder


def test_a_night_is_calibrated_blind_into_a_file_beside_it(calibrated):
    made = load_calibration(calibrated / "night" / "calibration.json")
    assert largest_difference(LENS, made) < 0.1
    assert made.photometry is not None
    assert "stars.fits" in made.made_by
    assert not list((calibrated / "night").glob(".*part*"))


def test_the_residuals_are_a_table_and_plots(calibrated):
    table = QTable.read(calibrated / "report" / "stars.ecsv")
    assert len(table) > 300
    assert np.median(table["distance"].value) < 0.3
    for name in ("residuals.png", "radial.png", "photometry.png"):
        assert (calibrated / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_a_start_makes_another_lens_of_it_and_the_old_file_stays(calibrated, capsys, tmp_path):
    night, old = calibrated / "night", (calibrated / "night" / "calibration.json").read_text()
    start = tmp_path / "rough.json"
    values = json.loads(old) | {"rotation": 200.0, "x_centre": 340.0}
    start.write_text(json.dumps(values))
    status = command(
        "calibrate", night / "first.fits", "--stars", calibrated / "stars.fits", "--site", PLACE,
        "--start", start, "--report", tmp_path / "report",
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert status in (0, None)
    assert "stars matched" in printed
    assert "zero point" in printed
    assert largest_difference(LENS, load_calibration(night / "calibration.json")) < 0.1
    assert (night / "calibration.json~").read_text() == old


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--site", "46,7.5,north"], "expected LAT,LON,ELEV"),
        (["--site", "99,7.5,0"], "LAT = 99 lies outside -90 to 90"),
        ([], "give --site"),
        (["--site", PLACE, "--time", "yesterday"], "is no time"),
        (["--site", PLACE, "--start", "a", "--pointing", "1,2,3"], "--start and --pointing"),
        (["--site", PLACE, "--start", "none.json"], "none.json"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_written(folder, tmp_path, capsys, given, told):
    out = tmp_path / "calibration.json"
    status = command(
        "calibrate", folder / "night" / "first.fits", "--stars", folder / "stars.fits", "--out", out,
        "--report", tmp_path / "report", *given,
    )  # fmt: skip
    assert status == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_a_recording_without_a_time_is_told(folder, tmp_path, capsys):
    from astropy.io import fits

    fits.PrimaryHDU(draw(LENS, STARS.brighter(3.0), NIGHT)).writeto(tmp_path / "a.fits")
    arguments = ("calibrate", tmp_path / "a.fits", "--stars", folder / "stars.fits", "--site", PLACE)
    assert command(*arguments) == 2
    assert "--time" in capsys.readouterr().err


def test_the_network_is_never_asked(calibrated):
    from astropy.utils import iers

    assert iers.conf.auto_download is False
