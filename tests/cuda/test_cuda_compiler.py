"""Every kernel compiles for every generation of cards; what was compiled is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from astrodetect.cuda import compiler
from astrodetect.cuda.device import CudaError
from astrodetect.cuda.sources import LARGEST_NETWORK, PIXEL_TYPES, patches_source, reduction_source

WANTED = {75, 80, 90}
SMALL = 'extern "C" __global__ void nothing(int *x) { *x = 0; }'


@pytest.fixture(scope="module")
def targets() -> list[int]:
    """Cards to compile for: those that are promised, and the newest that this nvcc knows."""
    try:
        known = compiler.known_targets(compiler.find_nvcc())
    except CudaError as error:
        pytest.skip(str(error))
    chosen = sorted(WANTED.intersection(known) | {known[-1]})
    assert WANTED.intersection(chosen), f"this nvcc compiles for none of {WANTED}: {known}"
    return chosen


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user."""
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


#: Half the time, and the same complaints.
HASTY = ("-Xcicc=-O1", "-Xptxas=-O1")


def for_all(source: str, targets: list[int], *options: str) -> bytes:
    """Compile for all cards in one call; a warning is an error."""
    codes = [f"-gencode=arch=compute_{target},code=sm_{target}" for target in targets]
    return compiler.compile_for(source, ["-fatbin", "-Werror=all-warnings", *options, *codes])


def test_patch_kernels_compile_for_all_cards(targets: list[int]) -> None:
    code = for_all(patches_source(), targets, *HASTY)
    for kernel in (b"copy2_8", b"uint8_float16_8", b"scatter_float32", b"gather_float64"):
        assert kernel in code


def test_reduction_kernels_compile_for_all_cards(targets: list[int]) -> None:
    code = for_all(reduction_source(20, "uint16"), targets, *HASTY)
    for kernel in ("network_uint16_20", *(f"count_{name}" for name in PIXEL_TYPES)):
        assert kernel.encode() in code


@pytest.mark.slow
def test_all_that_is_used_compiles_as_it_is_used(targets: list[int]) -> None:
    """As for a card, with the usual windows of 65 frames and the largest network there is."""
    assert for_all(patches_source(), targets)
    for n_frames, pixel in ((65, "uint16"), (64, "uint8"), (9, "int16"), (LARGEST_NETWORK, "uint16")):
        assert f"network_{pixel}_{n_frames}".encode() in for_all(reduction_source(n_frames, pixel), targets)


def test_what_was_compiled_is_kept(targets: list[int], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = divmod(targets[0], 10)
    code = compiler.compiled(SMALL, card)
    assert code[:4] == b"\x7fELF"
    assert [path.read_bytes() for path in compiler.cache_folder().iterdir()] == [code]
    assert cache in compiler.cache_folder().parents
    monkeypatch.setattr(compiler, "find_nvcc", lambda: pytest.fail("compiled again"))
    assert compiler.compiled(SMALL, card) == code
    compiler.check_compiler(SMALL, card)


def test_a_cache_that_cannot_be_written_is_no_fault(targets: list[int], cache: Path) -> None:
    (cache / "astrodetect").write_text("a file where the folder should be")
    assert compiler.compiled(SMALL, divmod(targets[0], 10))


def test_a_card_newer_than_the_compiler_gets_ptx(targets: list[int], cache: Path) -> None:
    code = compiler.compiled(SMALL, (99, 9))
    assert b".version" in code
    assert f".target sm_{targets[-1]}".encode() in code


def test_an_old_card_is_told() -> None:
    with pytest.raises(CudaError, match=r"has compute capability 6\.1; the CUDA kernels need 7\.5 or newer"):
        compiler.compiled(SMALL, (6, 1))


def test_no_compiler_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(cache))
    monkeypatch.setattr(compiler, "USUAL_FOLDER", cache)
    with pytest.raises(CudaError, match="nvcc was not found; install the CUDA toolkit or set CUDA_HOME"):
        compiler.compiled(SMALL, (9, 0))
    with pytest.raises(CudaError, match="nvcc was not found"):
        compiler.check_compiler(SMALL, (9, 0))


def test_what_does_not_compile_is_told_in_one_line(targets: list[int], cache: Path) -> None:
    with pytest.raises(CudaError, match=r"nvcc could not compile the CUDA kernels: .*error") as caught:
        compiler.compiled("this is no program", divmod(targets[0], 10))
    assert "\n" not in str(caught.value)
