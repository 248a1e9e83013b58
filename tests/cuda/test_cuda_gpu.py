"""On a card: the bits of the CPU. Run with ``pytest -m gpu``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrodetect.core.testing import conformance_problems
from astrodetect.cuda.device import CudaError, Device
from astrodetect.cuda.extraction import extract_on
from astrodetect.cuda.launches import CONVERTED_FROM, CONVERTED_TO, Conversion
from astrodetect.cuda.pycuda_device import open_device
from astrodetect.cuda.windows import reduce_on, reduced_windows
from astrodetect.methods.patches import extract_patches
from astrodetect.methods.reduction import PLANES, reduce_window
from astrodetect.plugins.extractors.patches import CpuPatches
from astrodetect.plugins.extractors.pycuda_extractor import PyCudaPatches

pytestmark = pytest.mark.gpu
RELAXED = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
EXACT = {"max", "argmax", "background", "median", "image"}


@pytest.fixture(scope="module")
def card() -> Device:
    """The first card."""
    try:
        return open_device(0)
    except CudaError as error:
        pytest.skip(str(error))


@pytest.fixture
def torch_on_card(card: Device):
    """The torch module, with CUDA."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    return torch


@RELAXED
@given(data=st.data())
def test_patches_are_those_of_numpy(card: Device, data: st.DataObject) -> None:
    b, c, k = (data.draw(st.integers(1, 4)) for _ in range(3))
    shape = b, c, data.draw(st.integers(1, 90)), data.draw(st.integers(1, 130))
    size = (
        data.draw(st.integers(1, 60)),
        data.draw(st.one_of(st.sampled_from([8, 16, 56]), st.integers(1, 70))),
    )
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16", "float16", "float32", "float64"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    images = rng.integers(0, 120, shape).astype(dtype)
    corners = rng.integers(-140, 140, (b, k, 2)).astype(data.draw(st.sampled_from(["int32", "int64"])))
    made = extract_on(card, images, corners, size, 7)
    np.testing.assert_array_equal(made, extract_patches(images, corners, size, 7))
    assert made.dtype == images.dtype


@pytest.mark.parametrize("target", CONVERTED_TO)
@pytest.mark.parametrize("dtype", CONVERTED_FROM)
def test_conversion_rounds_as_numpy_does(card: Device, dtype: str, target: str) -> None:
    images = np.random.default_rng(0).integers(0, 120, (2, 1, 70, 90)).astype(dtype)
    corners = np.random.default_rng(1).integers(-30, 90, (2, 20, 2))
    made = extract_on(card, images, corners, (24, 24), np.nan, Conversion(np.dtype(target), 0.37, -3.3))
    converted = images.astype(np.float32) * np.float32(0.37) + np.float32(-3.3)
    np.testing.assert_array_equal(made, extract_patches(converted.astype(target), corners, (24, 24), np.nan))


def test_more_than_four_gigabytes(torch_on_card, card: Device) -> None:
    """Addresses beyond 32 bits, in images and in patches."""
    torch = torch_on_card
    if torch.cuda.mem_get_info()[0] < 24 << 30:
        pytest.skip("the card has less than 24 GiB free")
    from astrodetect.cuda.tensors import extract_tensor

    images = torch.zeros((2, 1, 60_000, 40_000), dtype=torch.uint8, device="cuda")
    images[1, 0, -1, -1] = 5
    corners = torch.tensor([59_000, 39_000], device="cuda").expand(2, 2100, 2).contiguous()
    patches = extract_tensor(images, corners, (1000, 1000), device=card)
    assert patches.numel() > 2**32 - 2**28
    assert patches[1, -1, 0, -1, -1].item() == 5
    assert int(patches.count_nonzero()) == 2100


@settings(RELAXED, max_examples=30)
@given(data=st.data())
def test_planes_are_those_of_the_cpu(card: Device, data: st.DataObject) -> None:
    n_frames = data.draw(st.sampled_from([1, 2, 9, 64, 65, 130, 300]))
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16"]))
    info = np.iinfo(dtype)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    stack = rng.integers(info.min, info.max, (n_frames, 31, 47), endpoint=True, dtype=dtype)
    expected = reduce_window(stack, planes=PLANES)
    made = reduce_on(card, stack, PLANES)
    for name in PLANES:
        assert made[name].dtype == expected[name].dtype
        if name in EXACT:
            np.testing.assert_array_equal(made[name], expected[name], err_msg=name)
    np.testing.assert_array_max_ulp(made["mean"], stack.mean(axis=0, dtype=np.float64).astype(np.float32), 1)
    np.testing.assert_allclose(made["std"], stack.std(axis=0, dtype=np.float64), rtol=2e-7, atol=1e-9)


def test_windows_while_frames_go_up(card: Device) -> None:
    stack = np.random.default_rng(0).integers(0, 4096, (400, 240, 320)).astype(np.uint16)
    found = 0
    for window in reduced_windows(card, stack, size=65, step=50, planes=("max", "argmax", "median")):
        part = stack[window.start : window.start + 65]
        expected = reduce_window(part, planes=list(window.planes))
        for name, plane in window.planes.items():
            np.testing.assert_array_equal(plane, expected[name])
        found += 1
    assert found == 8


@pytest.mark.parametrize("ordered", [False, True])
def test_gradients(torch_on_card, card: Device, ordered: bool) -> None:
    from astrodetect.cuda.tensors import extract_tensor

    torch = torch_on_card
    corners = torch.randint(-20, 80, (3, 30, 2), device="cuda")
    weights = torch.randn(3, 30, 2, 24, 24, device="cuda", dtype=torch.float64)
    grads = []
    for device in ("cuda", "cuda", "cpu"):
        images = torch.zeros(3, 2, 70, 80, dtype=torch.float64, device=device, requires_grad=True)
        if device == "cuda":
            made = extract_tensor(images, corners, (24, 24), ordered=ordered, device=card)
            (made * weights).sum().backward()
        else:
            padded = torch.nn.functional.pad(images, (40,) * 4)
            for b, k in np.ndindex(3, 30):
                y, x = (int(value) + 40 for value in corners[b, k])
                patch = padded[b, :, max(y, 0) : y + 24, max(x, 0) : x + 24]
                part = weights[b, k, :, max(0, -y) :, max(0, -x) :].cpu()
                (patch * part[:, : patch.shape[1], : patch.shape[2]]).sum().backward(retain_graph=True)
        grads.append(images.grad.cpu())
    if ordered:
        assert torch.equal(grads[0], grads[1])
    torch.testing.assert_close(grads[0], grads[2], rtol=1e-12, atol=1e-12)


def test_torch_streams_are_followed(torch_on_card, card: Device) -> None:
    """What a stream writes before is seen, what it does after waits."""
    from astrodetect.cuda.tensors import extract_tensor

    torch = torch_on_card
    stream = torch.cuda.Stream()
    corners = torch.zeros((1, 1, 2), dtype=torch.int64, device="cuda")
    for value in range(20):
        with torch.cuda.stream(stream):
            images = torch.zeros((1, 1, 3000, 3000), device="cuda")
            for _ in range(10):
                images += value / 10
            patches = extract_tensor(images, corners, (3000, 3000), device=card)
            images.fill_(-1)
            total = patches.sum()
        stream.synchronize()
        torch.testing.assert_close(total.item(), 9e6 * value, rtol=1e-3, atol=1e-3)


def test_stages_leave_tensors_on_the_card(torch_on_card, card: Device) -> None:
    torch = torch_on_card
    images = torch.randint(0, 200, (1, 1, 90, 90), dtype=torch.uint8, device="cuda")
    corners = np.array([[[-5, 3], [60, 70]]])
    expected = extract_patches(images.cpu().numpy(), corners, (32, 32))
    for stage in (PyCudaPatches(), CpuPatches()):
        stage.open(None, "cuda")
        made = stage.extract(images, corners, (32, 32))
        assert made.is_cuda
        np.testing.assert_array_equal(made.cpu().numpy(), expected)
        assert stage.take_reports() == []


def test_the_extractor_conforms(card: Device) -> None:
    assert conformance_problems(PyCudaPatches) == []
