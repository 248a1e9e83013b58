"""Throughput of the YOLO detector, and what it is against the machine and a sliding window.

``python benchmarks/yolo_speed.py`` measures, in turns: a product of 2048 x 2048 matrices (the rate that the
machine has), `tiny` on an image of 1024 x 1024 pixels in float32 and bfloat16, to boxes; the network alone
as it is, compiled (``--compile``, needs a C++ compiler) and exported to ONNX (where onnxruntime is
installed); and a sliding window with the same backbone: one window around every cell, as wide as what a cell
sees. On a card (``--device cuda``) `sdc1` in half precision on 64 tiles of 512 x 512 pixels. Weights are
random: they do not change the work; the threshold is such that one unit in a thousand is found.
"""

from __future__ import annotations

import argparse
import io
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from timing import Row, Taken, measured, print_rows, row
from torch import Tensor

from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.plugins.models.yolo.finding import find
from astrodetect.plugins.models.yolo.model import Yolo, for_inference, multiplications, receptive_field
from astrodetect.plugins.models.yolo.networks import last_map
from astrodetect.plugins.models.yolo.settings import YoloConfig

TINY = YoloConfig(
    network="tiny", priors=((6.0, 6.0), (12.0, 12.0)), parameters=ShapeParameters.names,
    white=(1.2e-5,), stretch="asinh", stretch_factor=30.0,
)  # fmt: skip
SDC1 = YoloConfig(
    network="sdc1", priors=((6.0, 6.0),) * 6 + ((12.0, 9.0), (9.0, 12.0), (24.0, 24.0)),
    parameters=ShapeParameters.names, white=(4e-5,), clip=True, stretch="tanh",
)  # fmt: skip
#: Side of the square matrices, of the image, and of the part of it that the sliding window gets.
MATRIX, SIDE, PART = 2048, 1024, 128
#: Share of the units that is found.
FOUND = 1e-3


def made(config: YoloConfig, device: str) -> tuple[Yolo, Tensor]:
    """Give a network and an image of noise."""
    torch.manual_seed(0)
    model = for_inference(Yolo(config)).to(device)
    image = 2.5e-7 * torch.randn(1, 1, SIDE, SIDE, device=device)
    return model, image.contiguous(memory_format=torch.channels_last)


def threshold_for(model: Yolo, image: Tensor) -> list[float]:
    """Give thresholds above which a thousandth of the units lies."""
    (every,) = find(model, image, [0.0] * len(model.config.priors))
    return [float(np.quantile(every.objectness, 1 - FOUND))] * len(model.config.priors)


def sliding(model: Yolo, image: Tensor) -> Callable[[], object]:
    """Decide about a window around every cell, 256 at a time, from the middle of its map."""
    field, stride = receptive_field(model), model.stride[0]
    side = -(-field // stride) * stride
    padded = torch.nn.functional.pad(image[..., :PART, :PART], (side // 2,) * 4)
    windows = padded.unfold(2, side, stride).unfold(3, side, stride)
    patches = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, image.shape[1], side, side)

    def run() -> None:
        for part in patches.split(256):
            features = last_map(model.body(model.normalise(part)))
            middle = features.shape[2] // 2
            model.head(features[:, :, middle : middle + 1, middle : middle + 1])

    return run


def exported(model: Yolo, image: Tensor) -> Callable[[], object] | None:
    """Give the network as onnxruntime runs it, or None where that is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    stored = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (image,), stored, dynamo=False)
    session = onnxruntime.InferenceSession(stored.getvalue(), providers=["CPUExecutionProvider"])
    name, pixels = session.get_inputs()[0].name, image.contiguous().numpy()
    return lambda: session.run(None, {name: pixels})


def variants(compiled: bool) -> tuple[dict[str, Callable[[], object]], Yolo]:
    """Give what is timed on a processor."""
    model, image = made(TINY, "cpu")
    limits = threshold_for(model, image)
    square = torch.randn(MATRIX, MATRIX)
    half = square.bfloat16()
    calls: dict[str, Callable[[], object]] = {
        "matrix": lambda: square @ square,
        "matrix bfloat16": lambda: half @ half,
        "tiny to boxes": lambda: find(model, image, limits),
        "tiny to boxes, bfloat16": lambda: find(model, image, limits, precision="bfloat16"),
        "tiny, network alone": lambda: model(image),
        "sliding window": sliding(model, image),
    }
    if compiled:
        fast = torch.compile(model)
        calls["tiny, network compiled"] = lambda: fast(image)
    session = exported(model, image)
    if session is not None:
        calls["tiny, network as ONNX"] = session
    return calls, model


def on_processor(rounds: int, compiled: bool) -> Iterator[Row]:
    """Time `tiny`."""
    calls, model = variants(compiled)
    with torch.inference_mode():
        taken = measured(calls, rounds)
    work = multiplications(model)
    rates = {name: MATRIX**3 / taken[name].wall for name in ("matrix", "matrix bfloat16")}
    for name in calls:
        if name.startswith("matrix"):
            yield row(name, taken, name, note=f"{rates[name] / 1e9:.0f} G multiply-adds/s")
        elif name != "sliding window":
            pixels = SIDE**2 / taken[name].wall
            rate = pixels * work
            yield row(
                name, taken, name,
                note=f"{pixels / 1e6:.1f} Mpixel/s, {work:.0f} per pixel: {rate / 1e9:.0f} G/s, "
                f"{rate / rates['matrix']:.2f} of the float32 matrix product",
            )  # fmt: skip
    share = (SIDE / PART) ** 2
    window = taken["sliding window"]
    taken["sliding window"] = Taken(window.wall * share, window.cpu * share)
    yield row(
        "sliding window, every cell", taken, "sliding window", "tiny to boxes",
        note=f"{SIDE**2 / taken['sliding window'].wall / 1e6:.2f} Mpixel/s (measured on {PART} x {PART})",
    )  # fmt: skip


def on_card(device: str, rounds: int) -> Iterator[Row]:
    """Time `sdc1` on a card, from images there to boxes here."""
    model, _ = made(SDC1, device)
    tiles = 2.5e-7 * torch.randn(64, 1, 512, 512, device=device)
    limits = threshold_for(model, tiles[:1])

    def run() -> None:
        find(model, tiles, limits, precision="float16")
        torch.cuda.synchronize(device)

    taken = measured({"sdc1": run}, rounds)
    rate = tiles.numel() / taken["sdc1"].wall
    yield row("sdc1 to boxes, float16", taken, "sdc1", note=f"{rate / 1e6:.0f} Mpixel/s (published: 131)")


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="threads of a processor")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true", help="also time the compiled network")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.device == "cpu":
        print_rows(on_processor(options.rounds, options.compile))
    else:
        print_rows(on_card(options.device, options.rounds))


if __name__ == "__main__":
    main()
