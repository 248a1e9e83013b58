"""Measure the CUDA kernels beside what the card can do and what a user would write.

Run ``python benchmarks/gpu.py [--json FILE]`` on a computer with a card, PyCUDA and a torch with CUDA.
Variants take turns; medians of device time are printed, and ratios within the run. Bytes are those
that must be read and written once. Every result is compared with the CPU's before it is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from astrodetect.cuda.device import CudaError
from astrodetect.cuda.launches import (
    Conversion,
    Launch,
    Placed,
    PlanePointers,
    extraction,
    gradient,
    reduction,
)
from astrodetect.cuda.pycuda_device import PyCudaDevice, open_device
from astrodetect.cuda.sources import patches_source, reduction_source
from astrodetect.cuda.windows import reduced_windows
from astrodetect.methods.patches import extract_patches
from astrodetect.methods.reduction import reduce_window

SIDE = 56
SHAPE = (966, 1296)
#: A kernel that does nothing, and the plain way to cut patches: a thread copies a patch.
PLAIN = """
extern "C" __global__ void nothing(void *) {}

extern "C" __global__ void thread_per_patch(const unsigned short *images, const long long *corners,
                                            unsigned short *patches, int n_patches, int per_image,
                                            int image_height, int image_width, int side) {
    const int number = blockIdx.x * blockDim.x + threadIdx.x;
    if (number >= n_patches) return;
    const long long top = corners[2 * number], left = corners[2 * number + 1];
    const unsigned short *image = images + (long long)(number / per_image) * image_height * image_width;
    for (int i = 0; i < side; ++i)
        for (int j = 0; j < side; ++j) {
            const long long y = top + i, x = left + j;
            const bool inside = y >= 0 && y < image_height && x >= 0 && x < image_width;
            patches[((long long)number * side + i) * side + j] = inside ? image[y * image_width + x] : 0;
        }
}
"""

Call = Callable[[], object]


def timed(torch: Any, calls: dict[str, Call], *, rounds: int, inner: int = 1) -> dict[str, float]:
    """Give the median device time of each call, in seconds; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 2):
        for name, call in calls.items():
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(inner):
                call()
            end.record()
            end.synchronize()
            if number >= 2:  # the first ones compile and fill caches
                seconds[name].append(begin.elapsed_time(end) / 1e3 / inner)
    return {name: statistics.median(values) for name, values in seconds.items()}


def empty_launch(card: PyCudaDevice) -> Call:
    """Give a call that launches a kernel that does nothing, as the others are launched."""
    nothing = Launch("nothing", (1, 1, 1), (1, 1, 1), "P", (None,))

    def call() -> None:
        with card.active():
            card.launch(PLAIN, nothing)

    return call


def copy_rate(torch: Any, rounds: int) -> float:
    """Give bytes read and written per second by a copy of 2 GiB within the card."""
    source = torch.randint(0, 255, (2 << 30,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    seconds = timed(torch, {"copy": lambda: target.copy_(source)}, rounds=rounds)["copy"]
    return 2 * source.numel() / seconds


def indexed(torch: Any, padded: Any, corners: Any) -> Any:
    """Cut patches by advanced indexing of padded images."""
    span = torch.arange(SIDE, device="cuda")
    rows = (corners[..., 0, None] + SIDE + span)[..., :, None]
    columns = (corners[..., 1, None] + SIDE + span)[..., None, :]
    number = torch.arange(len(padded), device="cuda")[:, None, None, None]
    return padded[number, 0, rows, columns]


def patch_calls(torch: Any, card: PyCudaDevice, images: Any, corners: Any) -> dict[str, Call]:
    """Give the ways to cut patches that are compared."""
    from astrodetect.cuda.tensors import extract_tensor

    n_images, per_image = corners.shape[:2]
    out = torch.empty((n_images, per_image, 1, SIDE, SIDE), dtype=images.dtype, device="cuda")
    count = n_images * per_image
    plain = Launch(
        "thread_per_patch", (-(-count // 128), 1, 1), (128, 1, 1), "PPPiiiii",
        (images.data_ptr(), corners.data_ptr(), out.data_ptr(), count, per_image, *images.shape[2:], SIDE),
    )  # fmt: skip
    # Signed, since not all of torch knows uint16; the bits are the same.
    padded = torch.nn.functional.pad(images.view(torch.int16), (SIDE,) * 4)
    to_float = Conversion(np.dtype(np.float32), 0.5, -1)

    def thread_per_patch() -> Any:
        with card.active():
            card.launch(PLAIN, plain)
        return out

    placed = [
        Placed(tensor.data_ptr(), np.dtype(str(tensor.dtype)[6:]), tuple(tensor.shape))
        for tensor in (images, corners, out)
    ]
    alone = extraction(*placed, bytes(2))

    def launch_alone() -> Any:
        with card.active():
            card.launch(patches_source(), alone)
        return out

    return {
        "kernel": launch_alone,
        "all of the call": lambda: extract_tensor(images, corners, (SIDE, SIDE), device=card),
        "call, to float32": lambda: extract_tensor(
            images, corners, (SIDE, SIDE), conversion=to_float, device=card
        ),
        "thread per patch": thread_per_patch,
        "torch indexing": lambda: indexed(torch, padded, corners),
    }


def spread_corners(torch: Any, n_images: int, per_image: int) -> Any:
    """Give corners on a grid that patches just fill, shifted at random: nothing is read twice."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SHAPE[0] // SIDE, SHAPE[1] // SIDE)).reshape(2, -1) * SIDE
    chosen = np.stack([rng.permutation(len(rows))[:per_image] for _ in range(n_images)])
    shift = rng.integers(0, 8, (n_images, 1, 2))
    return torch.from_numpy(np.stack([rows[chosen], columns[chosen]], axis=-1) + shift).cuda()


def extraction_rows(torch: Any, card: PyCudaDevice, limit: float, rounds: int) -> dict[str, Any]:
    """Measure a large batch, and ten patches."""
    made: dict[str, Any] = {}
    for name, n_images, per_image, inner in (("large batch", 256, 391, 1), ("ten patches", 1, 10, 100)):
        images = torch.randint(0, 4096, (n_images, 1, *SHAPE), dtype=torch.int16, device="cuda")
        images = images.view(torch.uint16)
        corners = spread_corners(torch, n_images, per_image)
        calls = patch_calls(torch, card, images, corners)
        expected = extract_patches(images[:2].cpu().numpy(), corners[:2].cpu().numpy(), (SIDE, SIDE))
        for label, call in calls.items():
            found = call()[:2].cpu().numpy().astype(np.float32)
            wanted = expected.reshape(found.shape).astype(np.float32)
            np.testing.assert_array_equal(found, wanted * 0.5 - 1 if "float32" in label else wanted)
        calls["empty launch"] = empty_launch(card)
        medians = timed(torch, calls, rounds=rounds, inner=inner)
        pixels = n_images * per_image * SIDE * SIDE
        n_bytes = {label: pixels * (6 if "float32" in label else 4) for label in medians}
        print(f"\n{name}: {n_images} x {per_image} patches of {SIDE}x{SIDE} uint16")
        for label, seconds in medians.items():
            rate = n_bytes[label] / seconds / 1e9
            told = f"{rate:8.0f} GB/s  {rate * 1e9 / limit:6.3f} of a copy" if label != "empty launch" else ""
            print(
                f"  {label:20s} {seconds * 1e6:10.2f} us  {seconds / medians['kernel']:8.2f} x kernel  {told}"
            )
        made[name] = medians
    return made


def gradient_rows(torch: Any, card: PyCudaDevice, rounds: int) -> dict[str, float]:
    """Measure the way back, in any order and in the order of the patches."""
    n_images, per_image = 16, 100
    corners = spread_corners(torch, n_images, per_image)
    patches = torch.randn((n_images, per_image, 1, SIDE, SIDE), device="cuda")
    sums = torch.zeros((n_images, 1, *SHAPE), device="cuda")
    arrays = [
        Placed(tensor.data_ptr(), np.dtype(str(tensor.dtype)[6:]), tuple(tensor.shape))
        for tensor in (patches, corners, sums)
    ]
    launches = {
        f"gradient, {'ordered' if ordered else 'any order'}": gradient(*arrays, ordered=ordered)
        for ordered in (False, True)
    }
    with card.active():
        calls = {
            name: lambda launch=launch: card.launch(patches_source(), launch)
            for name, launch in launches.items()
        }
        medians = timed(torch, calls, rounds=rounds)
    print(f"\n{n_images} x {per_image} patches of {SIDE}x{SIDE} float32, back into the images")
    for name, seconds in medians.items():
        print(f"  {name:20s} {seconds * 1e6:10.2f} us")
    return medians


def reduction_rows(torch: Any, card: PyCudaDevice, rounds: int) -> dict[str, Any]:
    """Measure the reduction of frames on the card beside their upload, and both at once."""
    made: dict[str, Any] = {}
    for dtype, shape in (("uint16", (65, *SHAPE)), ("uint8", (65, 960, 1280)), ("uint16", (129, *SHAPE))):
        stack = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
        pinned = torch.from_numpy(stack.view(np.uint8)).pin_memory()
        frames = torch.empty_like(pinned, device="cuda")
        frames.copy_(pinned)
        planes = {name: torch.empty(shape[1:], device="cuda") for name in ("maximum", "median", "image")}
        pointers = PlanePointers(**{name: plane.data_ptr() for name, plane in planes.items()})
        placed = Placed(frames.data_ptr(), np.dtype(dtype), (shape[0], shape[1] * shape[2]))
        launch = reduction(placed, shape[0], 0, pointers, network=shape[0] <= 96)
        source = reduction_source(shape[0], dtype)
        with card.active():
            calls: dict[str, Call] = {
                "upload": lambda frames=frames, pinned=pinned: frames.copy_(pinned, non_blocking=True),
                "reduce": lambda source=source, launch=launch: card.launch(source, launch),
            }
            medians = timed(torch, calls, rounds=rounds)
        expected = reduce_window(stack, planes=["image"])["image"]
        np.testing.assert_array_equal(planes["image"].cpu().numpy(), expected)
        print(f"\nwindow of {'x'.join(map(str, shape))} {dtype}: max, exact median, image")
        for name, seconds in medians.items():
            print(
                f"  {name:20s} {seconds * 1e3:10.3f} ms  {stack.nbytes / seconds / 1e9:8.1f} GB/s of frames"
            )
        made[f"{dtype} {shape[0]}"] = medians
    return made


def stream_rows(card: PyCudaDevice) -> dict[str, float]:
    """Measure windows of a recording, frames up and planes down, by the clock."""
    stack = np.random.default_rng(0).integers(0, 4096, (165, *SHAPE)).astype(np.uint16)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        n_windows = sum(1 for _ in reduced_windows(card, stack, size=65, step=50))
        seconds.append(time.perf_counter() - start)
    rate = len(stack) / statistics.median(seconds)
    print(f"\n{len(stack)} frames of 966x1296 uint16, {n_windows} windows, by the clock: {rate:.0f} frames/s")
    return {"frames per second": rate}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="file to write the figures to")
    given = parser.parse_args()
    try:
        card = open_device(0)
    except CudaError as error:
        sys.exit(f"nothing measured: {error}")
    import torch

    if not torch.cuda.is_available():
        sys.exit("nothing measured: this torch has no CUDA")
    limit = copy_rate(torch, given.rounds)
    print(f"{card.name}, compute capability {'.'.join(map(str, card.capability))}")
    print(f"copy within the card, read and written: {limit / 1e9:.0f} GB/s")
    figures = {
        "card": card.name,
        "copy, bytes per second": limit,
        "patches, seconds": extraction_rows(torch, card, limit, given.rounds),
        "gradients, seconds": gradient_rows(torch, card, given.rounds),
        "reduction, seconds": reduction_rows(torch, card, given.rounds),
        "stream": stream_rows(card),
    }
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
