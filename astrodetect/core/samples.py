"""Small made-up windows and detections to try stages on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.geometry import clip_box
from astrodetect.core.maps import Selection
from astrodetect.core.stages import PatchExtractor


def sample_window(
    shape: tuple[int, int] = (96, 128), n_frames: int = 20, *, seed: int = 0, moving: bool = True
) -> Window:
    """Give a window of noise in which a spot of light moves, with all planes.

    Parameters
    ----------
    shape : (int, int)
        Height and width, at least 40.
    n_frames : int
        Number of frames.
    seed : int
        Of the noise.
    moving : bool
        Whether there is a spot.

    Returns
    -------
    Window
        Of uint16 frames.
    """
    rng = np.random.default_rng(seed)
    frames = rng.normal(200.0, 5.0, (n_frames, *shape))
    rows, columns = np.indices(shape)
    for index in range(5, n_frames - 5) if moving else ():
        y, x = 20.0 + 1.5 * index, 15.0 + 3.0 * index
        frames[index] += 150.0 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 3.0)
    stack = frames.clip(0, 65535).astype(np.uint16)
    stream = Stream(shape, stack.dtype, n_frames, frame_rate=25.0, start=1.6e9, saturation=65535.0)
    planes = reference_planes(stack)
    times = 1.6e9 + np.arange(n_frames) / 25.0
    return Window(Recording("sample", fingerprint=str(seed)), stream, 0, times, stack, planes)


def reference_planes(stack: Any) -> Mapping[str, Any]:
    """Give every plane of a stack (T, H, W) by plain NumPy."""
    highest, median = stack.max(axis=0), np.median(stack, axis=0)
    return MappingProxyType(
        {
            "max": highest,
            "argmax": stack.argmax(axis=0),
            "median": median,
            "background": median,
            "mean": stack.mean(axis=0, dtype=np.float32),
            "std": stack.std(axis=0, dtype=np.float32),
            "image": (highest - median).astype(np.float32),
        }
    )


def sample_selection() -> Selection:
    """Give three regions of a sample window: the spot, its end, and nothing."""
    centres = np.array([[35.0, 45.0], [50.0, 62.0], [80.0, 20.0]])
    ones = np.ones(3, np.float32)
    return Selection(np.arange(3), centres, np.array([9.0, 8.0, 1.0], np.float32), ones)


def sample_variants() -> list[Window]:
    """Windows that a stage must survive: usual, no spot, odd shape, constant, masked."""
    usual = sample_window()
    constant = usual.with_planes(**{name: np.zeros_like(plane) for name, plane in usual.planes.items()})
    mask = np.zeros(usual.shape, bool)
    mask[:40] = True
    return [usual, sample_window(moving=False), sample_window((61, 83)), constant, usual.with_mask(mask)]


def copied_planes(window: Window) -> dict[str, NDArray[Any]]:
    """Give copies of the planes of a window."""
    return {name: to_numpy(plane).copy() for name, plane in window.planes.items()}


def same_planes(before: Mapping[str, NDArray[Any]], window: Window) -> bool:
    """Tell whether planes of a window are still what they were."""
    return all(np.array_equal(before[name], to_numpy(window.planes[name]), equal_nan=True) for name in before)


def sample_detections() -> Detections:
    """Give three detections with tracks, two of them one after the other."""
    frames = np.array([0, 1, 2, 3, 4, 5, 0, 1, 2])
    x = np.array([10.0, 13, 16, 19, 22, 25, 60, 60, 60])
    y = x / 2
    starts, ends = np.array([0, 3, 6]), np.array([2, 5, 8])
    track = {
        ROW: np.repeat([0, 1, 2], 3),
        "frame": frames,
        "time": frames / 25,
        "x": x,
        "y": y,
        "flux": np.ones(9),
    }
    columns = {
        "x_min": x[starts] - 1,
        "x_max": x[ends] + 1,
        "y_min": y[starts] - 1,
        "y_max": y[ends] + 1,
        "label": ["meteor", "meteor", "static"],
        "probability": [0.9, 0.8, 0.7],
        "score": [9.0, 8.0, 7.0],
        "frame_start": frames[starts],
        "frame_end": frames[ends],
        "n_frames": [3, 3, 3],
        "x_start": x[starts],
        "y_start": y[starts],
        "x_end": x[ends],
        "y_end": y[ends],
    }
    return Detections(columns, track)


@dataclass
class PlainExtractor(PatchExtractor):
    """The plainest extractor, to compare with."""

    #: Height and width of a patch, in pixels.
    size: tuple[int, int] = (56, 56)

    def extract(self, images: Any, corners_yx: Any, size: tuple[int, int]) -> Any:
        """Cut patches one by one, zero outside."""
        (height, width), (h, w) = images.shape[-2:], size
        cut = np.zeros((images.shape[0], corners_yx.shape[1], images.shape[1], h, w), images.dtype)
        for b, k in np.ndindex(*corners_yx.shape[:2]):
            ys, ty = clip_box(int(corners_yx[b, k, 0]), h, height)
            xs, tx = clip_box(int(corners_yx[b, k, 1]), w, width)
            cut[b, k, :, ty, tx] = images[b, :, ys, xs]
        return cut
