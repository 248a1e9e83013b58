"""Fit the probability that a line in a single image is a streak, on simulated images.

Puts a trail of known place into each of many simulated frames (clear, cloud, moon, twilight), runs the
search, and fits a logistic function of length, brightness, evenness and width. Prints the coefficients
that stand in `astrodetect.methods.stills`, and their reliability on images that were not used.

    python benchmarks/fit_stills.py --images 400

Everything follows from ``--seed``.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods.look import look_at
from astrodetect.methods.stills import Streak, search_streaks
from astrodetect.plugins.preprocessors.background import still_planes
from astrodetect.plugins.scorers.peak_snr import PeakSnr
from astrodetect.plugins.selectors.top_k import TopK
from astrodetect.simulation.night import RecordingSpec, simulate_recording
from astrodetect.simulation.settings import SKIES, Settings


def still_window(image: Any, name: str) -> Window:
    """Give a window of one image with its planes."""
    stream = Stream(image.shape, image.dtype, 1)
    return still_planes(Window(Recording(name), stream, 0, np.zeros(1), image[None]))


def with_trail(
    image: Any, window: Window, rng: np.random.Generator, snr: float, fwhm: float, shortest: float = 25.0
) -> tuple[Any, tuple[float, float, float, float]]:
    """Give the image with a trail of a meteor, and its ends.

    Parameters
    ----------
    image : (H, W) array
    window : Window
        The image with its planes: noise and mask.
    rng : numpy.random.Generator
    snr : float
        Highest signal-to-noise, aperture of 2 FWHM diameter.
    fwhm : float
        Across (px).
    shortest : float
        Least length (px).
    """
    height, width = image.shape
    free = np.ones(image.shape, bool) if window.mask is None else ~window.mask
    dark, bright = np.percentile(image, 20), 0.7 * float(np.max(image))
    yy, xx = np.mgrid[:height, :width]
    for _ in range(1000):
        length, angle = shortest * (150 / shortest) ** rng.random(), rng.uniform(0, 2 * np.pi)
        x0, y0 = rng.uniform(15, width - 15), rng.uniform(15, height - 15)
        x1, y1 = x0 + length * np.cos(angle), y0 + length * np.sin(angle)
        cx, cy = int((x0 + x1) / 2), int((y0 + y1) / 2)
        inside = 10 < x1 < width - 10 and 10 < y1 < height - 10
        if inside and free[int(y0), int(x0)] and free[int(y1), int(x1)] and dark <= image[cy, cx] <= bright:
            break
    share = np.clip(((xx - x0) * (x1 - x0) + (yy - y0) * (y1 - y0)) / length**2, 0, 1)
    square = (xx - x0 - share * (x1 - x0)) ** 2 + (yy - y0 - share * (y1 - y0)) ** 2
    profile = np.exp(-square / (2 * (fwhm / 2.3548) ** 2)) * np.sqrt(
        np.sin(np.pi * np.clip(share, 0.02, 0.98))
    )
    aperture = np.hypot(yy - cy, xx - cx) <= fwhm
    noise = float(np.median(np.asarray(window.planes["std"])[cy - 15 : cy + 15, cx - 15 : cx + 15]))
    light = snr * noise * np.sqrt(aperture.sum()) / profile[aperture].sum() * profile
    changed = image.astype(np.float64) + light
    if image.dtype.kind in "ui":
        changed = np.clip(np.rint(changed), 0, np.iinfo(image.dtype).max)
    return changed.astype(image.dtype), (x0, y0, x1, y1)


def matches(streak: Streak, ends: tuple[float, float, float, float]) -> bool:
    """Tell whether both ends lie within max(10 px, a quarter of the length)."""
    (y0, y1), (x0, x1) = streak.line.position(np.array([streak.line.first, streak.line.last]))
    reach = max(10.0, 0.25 * float(np.hypot(ends[2] - ends[0], ends[3] - ends[1])))
    pairs = (((x0, y0), (x1, y1)), ((x1, y1), (x0, y0)))
    return any(
        np.hypot(a[0] - ends[0], a[1] - ends[1]) <= reach
        and np.hypot(b[0] - ends[2], b[1] - ends[3]) <= reach
        for a, b in pairs
    )


def streaks_in(window: Window) -> list[Streak]:
    """Give the lines that the pipeline's stages find in a single image."""
    chosen = TopK(k=24).select(PeakSnr().score(window))
    corners = np.floor(chosen.centres_yx - 31.5 + 0.5).astype(np.int64)
    return [streak for streak, _ in search_streaks(look_at(window), corners, (64, 64), list(chosen.scores))]


def main() -> int:
    """Simulate, search, fit, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seed", type=int, default=20240813)
    args = parser.parse_args()
    print("settings:", vars(args), flush=True)
    features, right, of = [], [], []
    for number in range(args.images):
        rng = np.random.default_rng([args.seed, number])
        settings = Settings(frames=1, fwhm=float(rng.uniform(1.7, 3.5)), stars=float(rng.uniform(300, 3000)),
                            bits=12 if number % 2 else 8)  # fmt: skip
        kinds = tuple(
            str(kind) for kind in rng.permutation(["lamp", "clock", "headlights", "cosmic-ray"])[:2]
        )
        scene = simulate_recording(RecordingSpec(settings, SKIES[number % 4], (), kinds), rng)
        frame = scene.frame(0)
        snr, fwhm = 3.0 * 10.0 ** rng.random(), settings.fwhm * rng.uniform(0.9, 1.3)
        image, ends = with_trail(frame, still_window(frame, "x"), rng, snr, fwhm)
        for streak in streaks_in(still_window(image, f"{args.seed}-{number}")):
            features.append(streak.features)
            right.append(matches(streak, ends))
            of.append(number)
    report(np.array(features), np.array(right), np.array(of))
    return 0


def report(features: Any, right: Any, of: Any) -> None:
    """Fit on four fifths of the images, check on the rest, print."""
    from scipy.optimize import minimize

    held = of % 5 == 0
    x, y = features[~held], right[~held].astype(float)

    def loss(w: Any) -> tuple[float, Any]:
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        value = -np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12)) + 1e-4 * float(
            w[1:] @ w[1:]
        )
        return float(value), x.T @ (p - y) / len(y) + 2e-4 * np.concatenate([[0.0], w[1:]])

    w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    print(f"{int(right.sum())} streaks, {int((~right).sum())} other lines")
    print("COEFFICIENTS =", tuple(round(float(v), 3) for v in w))
    p = 1 / (1 + np.exp(-features[held] @ w))
    print("reliability on held-out images: probability stated, share that was right, lines")
    for low, high in zip((0, 0.05, 0.2, 0.5, 0.8, 0.95), (0.05, 0.2, 0.5, 0.8, 0.95, 1.01), strict=True):
        chosen = (p >= low) & (p < high)
        if chosen.any():
            print(f"  {p[chosen].mean():.3f} {right[held][chosen].mean():.3f} {int(chosen.sum())}")


if __name__ == "__main__":
    sys.exit(main())
