"""No damage to a recording makes a reader fail otherwise than in a line, hang, or take much memory.

`benchmarks/fuzz.py` tries more, in processes of their own.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from pathlib import Path

import hostile_samples
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrodetect.catalogs import blocks
from astrodetect.catalogs.blocks import frame
from astrodetect.core import limits
from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.fits_headers import Header, data_bytes, exposure_time, image_layout, site_of
from astrodetect.methods.fits_times import observation_time, parse_utc
from astrodetect.methods.freeture_positions import parse_positions
from astrodetect.methods.names import time_from_name
from astrodetect.pipeline import Pipeline

CASES = hostile_samples.samples()
#: Cards that decide about sizes, with anything as their value.
CARDS = st.lists(
    st.tuples(
        st.sampled_from([
            "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT",
            "GROUPS", "BZERO", "BSCALE", "BLANK", "ZIMAGE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2",
            "ZTILE1", "EXPTIME", "DATE-OBS", "SITELAT", "SITELONG",
        ]),
        st.one_of(
            st.integers().map(str), st.floats().map(str), st.text(max_size=30).map(lambda t: f"'{t}'"),
            st.sampled_from(["T", "F", "", "1E400", "-1", "2", "8", "16", "'BINTABLE'", "'IMAGE   '"]),
        ),
    ),
    max_size=20,
)  # fmt: skip


@pytest.fixture(autouse=True)
def tight() -> Iterator[None]:
    """Read under limits that make what is taken measurable; a library's warnings are not ours."""
    limits.use(hostile_samples.TIGHT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    limits.use(limits.Limits())


@pytest.mark.parametrize("name", CASES)
def test_sound_samples_are_read(tmp_path: Path, name: str) -> None:
    hostile_samples.write_case(tmp_path, CASES[name][1])
    assert hostile_samples.read_as_a_run(tmp_path) == (1, 0)


@pytest.mark.parametrize("name", CASES)
def test_damaged_recordings_cost_a_line(tmp_path: Path, name: str) -> None:
    @given(seed=st.integers(0, 1 << 32))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def check(seed: int) -> None:
        found = hostile_samples.quietly(lambda: hostile_samples.attempt(tmp_path, CASES[name], seed))
        assert found == "", f"{name}, seed {seed}"

    check()


@given(cards=CARDS)
@settings(max_examples=300, deadline=None)
def test_any_header_is_understood_or_refused(cards: list[tuple[str, str]]) -> None:
    text = "".join(f"{name:<8}= {value:>20}"[:80].ljust(80) for name, value in cards)
    header = Header(text.encode("utf-8", "replace")[: 80 * len(cards)] + b"END".ljust(80))
    for read in (image_layout, data_bytes):
        try:
            found = read(header)
        except (ValueError, OverflowError):
            continue
        if isinstance(found, int):
            assert found >= 0
        elif found is not None:
            assert min(found.shape) > 0 < found.planes
    observation_time(header, exposure_time(header))
    site_of(header)


@given(text=st.one_of(st.text(), st.text("0123456789-:.T;() \n")))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_time_a_name_a_position_or_none(text: str) -> None:
    parse_utc(text)
    time_from_name(text)
    parse_positions(text)


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=200, deadline=None)
def test_no_damage_to_a_journal_makes_its_reader_fail(seed: int) -> None:
    import io

    rng = random.Random(seed)
    whole = b"".join(frame(rng.randbytes(rng.randrange(200))) for _ in range(3))
    found = list(blocks.scan(io.BytesIO(hostile_samples.broken(whole, rng))))
    assert all(isinstance(item, str | blocks.Located) for item in found)


@given(text=st.one_of(st.text(), st.text('[]="\n.use score windw123#')))
@settings(max_examples=150, deadline=None)
def test_any_pipeline_text_is_checked_in_lines(text: str) -> None:
    try:
        problems = Pipeline(text).check()
    except AstrodetectError as error:
        problems = [str(error)]
    assert all(isinstance(problem, str) for problem in problems)
