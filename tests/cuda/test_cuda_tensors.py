"""Patches of tensors and their gradients: torch's side, on the CPU through the shim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cuda_shim import Server, ShimDevice

from astrodetect.cuda.launches import Conversion
from astrodetect.cuda.tensors import extract_in_parts, extract_tensor
from astrodetect.methods.patches import extract_patches

CORNERS = np.array([[[-3, 2], [5, -4], [2**62, 0]], [[9, 30], [0, 0], [0, 0]]])


def images_of(dtype: torch.dtype, *, seed: int = 0) -> torch.Tensor:
    made = torch.randint(0, 200, (2, 3, 20, 33), generator=torch.Generator().manual_seed(seed))
    return made.to(dtype)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.bool, torch.uint16, torch.int16, torch.float16, torch.float32, torch.int64]
)
def test_tensors_of_any_layout(patch_server: Server, dtype: torch.dtype) -> None:
    device = ShimDevice(patch_server)
    images = images_of(dtype)
    for view in (images, images.transpose(2, 3), images[:, 1:, 3:, 5:], images.expand(2, 3, 20, 33)[:, :1]):
        made = extract_tensor(view, CORNERS, (8, 16), 1, device=device)
        assert made.is_contiguous()
        assert made.dtype == dtype
        np.testing.assert_array_equal(made.numpy(), extract_patches(view.numpy(), CORNERS, (8, 16), 1))
    assert len(device.launches) == 4


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.int16])
def test_corners_may_be_tensors(patch_server: Server, kind: torch.dtype) -> None:
    images, corners = images_of(torch.float32), torch.from_numpy(CORNERS.clip(-99, 99)).to(kind)
    made = extract_tensor(images, corners, (5, 7), device=ShimDevice(patch_server))
    expected = extract_patches(images.numpy(), corners.numpy(), (5, 7))
    np.testing.assert_array_equal(made.numpy(), expected)
    swapped = corners.transpose(0, 1).contiguous().transpose(0, 1)
    again = extract_tensor(images, swapped, (5, 7), device=ShimDevice(patch_server))
    np.testing.assert_array_equal(again.numpy(), expected)


@pytest.mark.parametrize("ordered", [False, True])
def test_gradients_are_those_of_indexing(patch_server: Server, ordered: bool) -> None:
    """As torch differentiates padding and slicing."""
    images = images_of(torch.float64).requires_grad_()
    device = ShimDevice(patch_server)
    corners = CORNERS.clip(-40, 40)
    conversion = None
    made = extract_tensor(images, corners, (8, 11), device=device, conversion=conversion, ordered=ordered)
    weights = torch.randint(-9, 9, made.shape).to(torch.float64)
    (made * weights).sum().backward()
    found, images.grad = images.grad.clone(), None
    padded = torch.nn.functional.pad(images, (60, 60, 60, 60))
    cut = [
        torch.stack([padded[b, :, y + 60 : y + 68, x + 60 : x + 71] for y, x in corners[b]]) for b in range(2)
    ]
    (torch.stack(cut) * weights).sum().backward()
    torch.testing.assert_close(found, images.grad, rtol=0, atol=0)
    kernels = [launch.kernel for launch in device.launches]
    assert kernels == ["copy8_1", "gather_float64" if ordered else "scatter_float64"]


def test_gradients_pass_gradcheck(patch_server: Server) -> None:
    device = ShimDevice(patch_server)
    images = torch.randn(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    corners = np.array([[[-1, 2], [1, 1]], [[0, 0], [3, -2]]])
    assert torch.autograd.gradcheck(lambda x: extract_tensor(x, corners, (3, 2), device=device), (images,))


def test_half_precision_is_summed_in_single(patch_server: Server) -> None:
    """2049 ones: half precision stops counting at 2048."""
    images = torch.zeros((1, 1, 1, 1), dtype=torch.float16, requires_grad=True)
    corners = np.zeros((1, 2049, 2), np.int64)
    for ordered in (False, True):
        images.grad = None
        extract_tensor(
            images, corners, (1, 1), ordered=ordered, device=ShimDevice(patch_server)
        ).sum().backward()
        assert images.grad is not None
        assert images.grad.item() == torch.tensor(2049.0).to(torch.float16).item()


def test_conversion_and_its_gradient(patch_server: Server) -> None:
    images = images_of(torch.float32).requires_grad_()
    conversion = Conversion(np.dtype("float16"), 0.5, 3.0)
    made = extract_tensor(
        images, np.zeros((2, 1, 2), int), (20, 33), device=ShimDevice(patch_server), conversion=conversion
    )
    torch.testing.assert_close(made[:, 0], (images * 0.5 + 3).half(), rtol=0, atol=0)
    made.sum().backward()
    assert images.grad is not None
    torch.testing.assert_close(images.grad, torch.full_like(images, 0.5))


def test_deterministic_algorithms_mean_ordered_sums(patch_server: Server) -> None:
    device = ShimDevice(patch_server)
    torch.use_deterministic_algorithms(True)
    try:
        images = images_of(torch.float32).requires_grad_()
        extract_tensor(images, CORNERS, (4, 4), device=device).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert device.launches[-1].kernel == "gather_float32"


def test_nothing_to_cut(patch_server: Server) -> None:
    device = ShimDevice(patch_server)
    images = images_of(torch.float32).requires_grad_()
    made = extract_tensor(images, np.zeros((2, 0, 2), int), (4, 4), device=device)
    assert made.shape == (2, 0, 3, 4, 4)
    made.sum().backward()
    assert images.grad is not None
    assert not images.grad.any()
    assert device.launches == []


def test_parts_where_memory_is_short(patch_server: Server) -> None:
    """A device that holds two patches at a time."""
    images, device = images_of(torch.uint16), ShimDevice(patch_server)
    sizes = []

    def cut(some: torch.Tensor, corners: np.ndarray) -> torch.Tensor:
        if corners.shape[0] * corners.shape[1] > 2:
            raise torch.OutOfMemoryError("no")
        sizes.append(corners.shape[:2])
        return extract_tensor(some, corners, (6, 6), device=device)

    made = extract_in_parts(images, CORNERS, cut)
    np.testing.assert_array_equal(made.numpy(), extract_patches(images.numpy(), CORNERS, (6, 6)))
    assert max(b * k for b, k in sizes) <= 2


@pytest.mark.parametrize(
    ("images", "corners", "size", "message"),
    [
        (torch.ones(4, 4), np.zeros((1, 1, 2), int), (2, 2), r"images must be \(B, C, H, W\)"),
        (torch.ones(2, 1, 4, 4), np.zeros((1, 1, 2), int), (2, 2), r"corners must be \(B, K, 2\) with B = 2"),
        (torch.ones(1, 1, 4, 4), np.zeros((1, 1, 2)), (2, 2), "corners must be integers, not float64"),
        (torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 2), (2, 2), "corners must be integers, not torch.float32"),
        (torch.ones(1, 1, 4, 4), np.zeros((1, 1, 2), int), (0, 2), "at least 1"),
        (torch.ones(1, 1, 4, 4).bfloat16(), np.zeros((1, 1, 2), int), (2, 2), "type bfloat16"),
        (torch.ones(1, 1, 4, 4).byte(), np.zeros((1, 1, 2), int), (2, 2), "uint8 cannot hold it"),
    ],
)
def test_bad_arguments_are_told(patch_server: Server, images, corners, size, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extract_tensor(images, corners, size, -1, device=ShimDevice(patch_server))
