"""The extractor ``pycuda``: what it says without a card, and what it does when memory is short."""

from __future__ import annotations

import subprocess
import sys
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
