"""What other sources make of freeture files, and what the fixture writes."""

from freeture_fixture import write_event, write_positions
from test_freeture import START, make_frames, times_of

from astrodetect.core.discovery import discover
from astrodetect.plugins.sources.fits import Fits


def test_fits_warns_of_rows_from_the_bottom(tmp_path):
    write_event(tmp_path, make_frames(), times_of(), extras=False)
    (recording,) = discover([tmp_path], {"fits": Fits})
    assert any("source freeture" in line for line in Fits().open(recording).warnings)


def test_positions_file_roundtrip(tmp_path):
    path = write_positions(tmp_path, [(30, 612, 578, START)], 966)
    assert path.read_text().split() == ["30", "(612;388)", "2019-04-15T19:49:50.1234"]
