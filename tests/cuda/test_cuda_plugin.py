"""The extractor ``pycuda``: what it says without a card, and what it does when memory is short."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cuda_shim import Server, ShimDevice

from astrodetect import Pipeline
from astrodetect.core.samples import sample_window
from astrodetect.cuda.device import CudaError
from astrodetect.cuda.pycuda_device import open_device
from astrodetect.methods.patches import extract_patches
from astrodetect.plugins.extractors.pycuda_extractor import PyCudaPatches

PIPELINE = """
[score]
use = "peak-snr"
[select]
use = "top-k"
[extract]
use = "pycuda"
[classify]
use = "streak"
"""


def on_the_shim(server: Server, limit: int = 1 << 40) -> PyCudaPatches:
    """Give an extractor whose device is the CPU."""
    stage = PyCudaPatches(size=16, fill=3)
    stage._device = ShimDevice(server, limit)
    return stage


@pytest.fixture
def no_device() -> str:
    """Why there is no card."""
    lacking = PyCudaPatches.unavailable()
    if not lacking:
        pytest.skip("there is a CUDA device")
    return lacking


def test_no_card_is_one_line_before_anything_is_read(no_device: str) -> None:
    assert "\n" not in no_device
    problems = Pipeline.from_toml(PIPELINE).check()
    assert [problem for problem in problems if "pycuda" in problem] == problems
    assert problems[0].endswith(f"[extract] use = 'pycuda': {no_device}")
    with pytest.raises(CudaError, match=r"driver|PyCUDA|device"):
        PyCudaPatches().open(sample_window().stream, "cuda:1")


def test_asking_for_a_card_loads_neither_torch_nor_a_context(no_device: str) -> None:
    code = (
        "import sys; from astrodetect.plugins.extractors.pycuda_extractor import PyCudaPatches as P; "
        "P.unavailable(); sys.exit('torch' in sys.modules or 'pycuda.autoinit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_arrays_go_up_and_patches_come_back(patch_server: Server) -> None:
    images = np.random.default_rng(0).integers(0, 9999, (2, 1, 60, 70)).astype(np.uint16)
    corners = np.random.default_rng(0).integers(-20, 70, (2, 6, 2))
    stage = on_the_shim(patch_server)
    made = stage.extract(images[..., ::-1], corners, (16, 16))
    np.testing.assert_array_equal(made, extract_patches(images[..., ::-1], corners, (16, 16), 3))
    assert stage.take_reports() == []


def test_too_little_memory_means_the_cpu_and_one_warning(patch_server: Server) -> None:
    images, corners = np.ones((1, 1, 60, 70), np.float32), np.array([[[50, 50], [0, 0]]])
    stage = on_the_shim(patch_server, 5000)
    for _ in range(3):
        made = stage.extract(images, corners, (16, 16))
        np.testing.assert_array_equal(made, extract_patches(images, corners, (16, 16), 3))
    assert stage.take_reports() == ["patches were cut on the CPU: out of memory"]


def test_an_empty_selection_gives_no_patches(patch_server: Server) -> None:
    stage = on_the_shim(patch_server)
    for n_images, n_patches in ((1, 0), (0, 4), (0, 0)):
        images = np.ones((n_images, 1, 30, 40), np.uint16)
        made = stage.extract(images, np.zeros((n_images, n_patches, 2), np.int64), (16, 16))
        assert (made.shape, made.dtype) == ((n_images, n_patches, 1, 16, 16), np.uint16)
    assert stage.take_reports() == []


@pytest.mark.parametrize("kind", ["int8", "uint64", ">i4"])
def test_corners_of_any_integers_and_layout(patch_server: Server, kind: str) -> None:
    images = np.random.default_rng(0).integers(0, 999, (1, 2, 60, 70)).astype(np.uint16)
    corners = np.arange(24).reshape(2, 6, 2).astype(kind)[1:, ::2]
    strided = images[:, ::-1, 3::2, ::3]
    made = on_the_shim(patch_server).extract(strided, corners, (16, 16))
    np.testing.assert_array_equal(made, extract_patches(np.ascontiguousarray(strided), corners, (16, 16), 3))


@pytest.mark.parametrize(
    "corners", [np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool), np.zeros((1, 2, 2), object)]
)
def test_corners_that_are_no_integers_are_told(patch_server: Server, corners: np.ndarray) -> None:
    with pytest.raises(ValueError, match="corners must be integers") as caught:
        on_the_shim(patch_server).extract(np.ones((1, 1, 30, 40), np.uint16), corners, (16, 16))
    assert "\n" not in str(caught.value)


def test_without_pycuda_but_with_a_driver_it_says_what_to_install(no_device: str, tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None or find_spec("pycuda") or not sys.platform.startswith("linux"):
        pytest.skip("needs g++, Linux, and no PyCUDA")
    library = tmp_path / "libcuda.so.1"  # a driver that nothing is asked of
    subprocess.run([compiler, "-shared", "-x", "c++", "-", "-o", library], input=b"", check=True)
    code = (
        "from astrodetect.plugins.extractors.pycuda_extractor import PyCudaPatches as P; "
        "print(P.unavailable())"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert said.stdout.startswith("PyCUDA is not installed")
    assert said.stdout.endswith('pip install "astrodetect[cuda]"\n')
    assert said.stdout.count("\n") == 1


def test_pycuda_stays_in_one_module() -> None:
    package = Path(sys.modules["astrodetect"].__file__).parent
    texts = {path.name: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert [name for name, text in texts.items() if "from pycuda" in text or "import pycuda\n" in text] == [
        "pycuda_device.py"
    ]
    assert not [name for name, text in texts.items() if "autoinit" in text]


def test_a_card_is_asked_for_again_after_it_was_missing(no_device: str) -> None:
    for _ in range(2):
        with pytest.raises(CudaError):
            open_device(0)
