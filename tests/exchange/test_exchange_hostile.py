"""No damage to a file makes a reader fail otherwise than in one clear line."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import exchange_samples
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange import format_named, read
from astrodetect.exchange.formats import targets
from astrodetect.exchange.ftp_text import parse as parse_ftp
from astrodetect.exchange.gfe_text import parse as parse_gfe

_QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
_CALSTARS = """{rule}
RMS star extractor
Cal time = FF header time plus 255/(2*framerate_Hz) seconds
      Y       X IntensSum Ampltd  FWHM  BgLvl   SNR NSatPx
{rule}
FF folder = x
Cam #   = UK0006
Nrows   = 720
Ncols   = 1280
Nframes = 256
Nstars  = -1
{rule}
FF_UK0006_20230421_212224_982_0115712.fits
Star area dim = -1
Integ pixels  = -1
 406.68  416.03      1066     12  2.10     40  9.50      0
  11.50    7.25       900     10  1.90     41 -1.00     -1
{end}
""".format(rule="=" * 74, end="#" * 74)
_PLATEPAR = """{"X_res": 1280, "Y_res": 720, "F_scale": 15.6, "RA_d": 93.1, "dec_d": 16.1, "lat": 51.9,
"lon": -1.3, "elev": 80.0, "station_code": "UK0006", "new_key": 5,
"star_list": [[2458574.3, 10, 20, 300, 90.0, 10.0, 3.1]]}"""
_TOKENS = [b"\x00", b"-", b"1e999", b"nan", b"9" * 20, b'"', b"\xff\xfe", b"{", b"[" * 90, b"\n", b"<"]


@pytest.fixture(scope="module")
def sound() -> dict[str, list[tuple[str, bytes]]]:
    """Give sound files of every format."""
    content = exchange_samples.one_meteor()
    made = {name: list(format_named(name).write(content)) for name in exchange_samples.ACCURACY}
    made["calstars"] = [("CALSTARS_x.txt", _CALSTARS.encode())]
    made["platepar"] = [("platepar_cmn2010.cal", _PLATEPAR.encode())]
    return made


def _attempt(reader: Callable[[], object]) -> None:
    """Read; what is refused is refused in one line, and soon."""
    begin = time.process_time()
    refused = ""
    try:
        reader()
    except AstrodetectError as error:
        refused = str(error)
    assert "\n" not in refused
    assert len(refused) < 700
    assert time.process_time() - begin < 10


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def broken(data: bytes, rng: random.Random) -> bytes:
    """Cut, repeat, or change some bytes."""
    made = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(made) + 1)
        what = rng.randrange(6)
        if what == 0:
            del made[at:]
        elif what == 1:
            del made[at : at + rng.randrange(40)]
        elif what == 2:
            made[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif what == 3:
            made[at:at] = made[at : at + rng.randrange(200)]
        elif what == 4:
            made[at:at] = rng.choice(_TOKENS)
        elif made and at < len(made):
            made[at] = rng.randrange(256)
    return bytes(made) or b"x"


@pytest.mark.parametrize("name", sorted(targets()))
def test_damaged_files_cost_a_line(tmp_path: Path, sound, name: str) -> None:
    @given(seed=st.integers(0, 1 << 32))
    @_QUICK
    def check(seed: int) -> None:
        rng = random.Random(seed)
        file_name, data = rng.choice(sound[name])
        path = tmp_path / file_name
        path.write_bytes(broken(data, rng))
        _attempt(lambda: read(path))
        _attempt(lambda: read(path, name))

    for file_name, data in sound[name]:
        (tmp_path / file_name).write_bytes(data)
    check()


@pytest.mark.parametrize("name", sorted(targets()))
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(_encoded))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_cost_a_line(tmp_path_factory, name: str, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    _attempt(lambda: read(path, name))


@given(data=st.binary(max_size=300) | st.text("#- {}:,'\"\n%ECSVdatetime0123.", max_size=300).map(_encoded))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_lenient_parsers_take_anything(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "lenient.txt"
    path.write_bytes(data)
    _attempt(lambda: parse_gfe(path))
    _attempt(lambda: parse_ftp(path))


_LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
HOSTILE_XML = {
    "billion laughs": f'<!DOCTYPE z [<!ENTITY l0 "lol">{_LAUGHS}]><{{root}} a="&l9;">&l9;</{{root}}>',
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><{root} lid="&e;">&e;</{root}>',
    "external subset": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><{root}></{root}>',
    "hidden in UTF-16": '<!DOCTYPE x [<!ENTITY e "e">]><{root}>&e;</{root}>',
    "deep": "<{root}>" + "<a>" * 100_000,
    "cut off": '<{root} y="2020"><ua2_objects>',
}


@pytest.mark.parametrize("root", ["ufocapture_record", "ufoanalyzer_record", "VOTABLE"])
@pytest.mark.parametrize("kind", HOSTILE_XML)
def test_hostile_xml_is_refused(tmp_path: Path, kind: str, root: str) -> None:
    text = HOSTILE_XML[kind].replace("{root}", root)
    path = tmp_path / "M20200711_000453_X_NE.xml"
    path.write_bytes(text.encode("utf-16" if "16" in kind else "utf-8"))
    begin = time.process_time()
    with pytest.raises(AstrodetectError) as caught:
        read(path)
    assert time.process_time() - begin < 5
    assert "\n" not in str(caught.value)
    assert "root:" not in str(caught.value)
    if kind not in ("deep", "cut off"):
        assert "document types and entities are not read" in str(caught.value)


ABSURD = {
    "mdrf.json": '{"basic_info": {"video": "a.mp4", "fps": 25, "resolution": [1e300, 2]}, "results": []}',
    "coco.json": '{"images": [{"id": 1, "file_name": "a", "width": 1e18, "height": 3}], '
    '"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, -5, 3]}], '
    '"categories": [{"id": 1, "name": "meteor"}]}',
    "platepar.cal": '{"X_res": 1e12, "Y_res": 720, "F_scale": 15.6, "RA_d": 1, "dec_d": 1}',
    "deep.json": '{"images": ' + "[" * 5000 + "]" * 5000 + "}",
    "FTPdetectinfo_x.txt": "Meteor Count = 000001\n" + "-" * 53 + "\nPer segment:\n" + "-" * 55
    + "\nFF_X\nUncalibrated\nX 1 99999999 25.0\n1 2 3\n",
    "a.reg": "# Region file format: DS9\nimage\nline(1,2,3)\n",
    "b.reg": "# Region file format: DS9\nimage\nsystem(rm -rf)\n",
    "yolo.txt": "0 0.5 0.5 7.0 0.1\n",
    "x.met": "#   1 TIME\n#   2 ALPHAWIN_J2000\n#   3 DELTAWIN_J2000\n2020-01-01T00:00:00 12\n",
    "CameraSites.txt": "a\nb\nUK0006 951.0 1.3 0.08\n",
    "r.csv": "Ver,Y,M,D,h,m,s,Mag,Dur,Az1,Alt1,Az2,Alt2, Ra1, Dec1, Ra2, Dec2,ID,Long,Lat,Alt,Tz\n"
    "R91,2022,13,1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_values_are_refused_with_the_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(ABSURD[name])
    (tmp_path / "images.csv").write_text("file,width,height\nyolo.png,640,480\n")
    with pytest.raises(AstrodetectError, match=name) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrodetect.exchange.text.MAX_BYTES", 100)
    path = tmp_path / "a.xml"
    path.write_text("<ufocapture_record>" + " " * 200)
    with pytest.raises(AstrodetectError, match="larger than"):
        read(path)
