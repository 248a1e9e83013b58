"""Images with what a pipeline saw in them: scores, patches, boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrodetect.core.maps import Patches, ScoreMap
from astrodetect.plots.style import COLOURS, PAGE, axes_or_new, style


def plot_image(image: Any, axes: Any = None, *, colorbar: bool = False) -> Any:
    """Draw an image: black and white by ZScale, stretched by the inverse hyperbolic sine.

    Parameters
    ----------
    image : (H, W) array
        ADU. What is not finite is left blank.
    axes : matplotlib Axes, optional
        Where; new ones if not given.
    colorbar : bool
        Draw the scale beside it.

    Returns
    -------
    Axes
        x to the right and y downward in pixels, (0, 0) in the centre of the first.
    """
    from astropy.visualization import AsinhStretch, ImageNormalize, ZScaleInterval

    with style():
        axes = axes_or_new(axes)
        values = np.asarray(image, dtype=np.float32)
        finite = values[np.isfinite(values)]
        low, high = ZScaleInterval().get_limits(finite) if finite.size else (0.0, 1.0)
        high = max(float(high), float(np.percentile(finite, 99.95)) if finite.size else 1.0, low + 1e-6)
        norm = ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.1), clip=True)
        shown = axes.imshow(values, origin="upper", cmap="gray", norm=norm)
        if colorbar:
            axes.figure.colorbar(shown, ax=axes, label="ADU", fraction=0.046)
        axes.set(xlabel="x (px)", ylabel="y (px)")
    return axes


def plot_attention(
    image: Any, scores: ScoreMap, patches: Patches | None = None, axes: Any = None, *, ranks: bool = True
) -> Any:
    """Draw the scores of all regions over an image, and the patches that were chosen.

    Parameters
    ----------
    image : (H, W) array
        What the scorer looked at.
    scores : ScoreMap
        Its scores; shown from their median (transparent) to their maximum.
    patches : Patches, optional
        What the selector chose: squares, numbered by rank.
    axes : matplotlib Axes, optional
        Where; new ones if not given.
    ranks : bool
        Write the numbers.
    """
    with style():
        from matplotlib.colors import Normalize

        axes = plot_image(image, axes_or_new(axes))
        data = np.asarray(scores.data, dtype=np.float64)
        finite = data[np.isfinite(data)]
        low, high = (float(np.median(finite)), float(finite.max())) if finite.size else (0.0, 1.0)
        share = np.clip(np.nan_to_num((data - low) / max(high - low, 1e-9), neginf=0.0), 0, 1)
        (y0, x0), (dy, dx) = scores.origin_yx, scores.stride
        height, width = data.shape
        extent = (x0 - dx / 2, x0 + (width - 0.5) * dx, y0 + (height - 0.5) * dy, y0 - dy / 2)
        norm = Normalize(low, max(high, low + 1e-9))
        shown = axes.imshow(
            data, origin="upper", extent=extent, cmap="viridis", norm=norm, alpha=0.55 * share
        )
        axes.figure.colorbar(shown, ax=axes, label="score", fraction=0.046)
        if patches is not None:
            _squares(axes, patches, ranks=ranks)
        axes.set_xlim(-0.5, np.asarray(image).shape[1] - 0.5)
        axes.set_ylim(np.asarray(image).shape[0] - 0.5, -0.5)
    return axes


def _squares(axes: Any, patches: Patches, *, ranks: bool) -> None:
    from matplotlib.patches import Rectangle

    height, width = patches.data.shape[2:]
    for rank, (y, x) in enumerate(patches.corners_yx, 1):
        axes.add_patch(
            Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=COLOURS[1], linewidth=0.5)
        )
        if ranks:
            axes.text(x + 1, y + 1, str(rank), color=COLOURS[1], fontsize=4, va="top", clip_on=True)


def plot_patches(patches: Patches, channel: int = 0, columns: int = 8, figure: Any = None) -> Any:
    """Draw patches side by side, best first, each with its rank and score.

    Parameters
    ----------
    patches : Patches
        K patches.
    channel : int
        Which plane of them.
    columns : int
        Patches side by side.
    figure : matplotlib Figure, optional
        An empty one; a new one if not given.

    Returns
    -------
    Figure
    """
    with style():
        from matplotlib.figure import Figure

        k = len(patches.data)
        rows = max(1, -(-k // columns))
        size = (PAGE, PAGE / columns * 1.15 * rows)
        figure = Figure(size, layout="constrained") if figure is None else figure
        grid: Any = np.ravel(figure.subplots(rows, columns, squeeze=False))
        scores = np.asarray(patches.selection.scores, dtype=np.float64)
        for i, axes in enumerate(grid):
            axes.set_axis_off()
            if i < k:
                plot_image(np.asarray(patches.data[i, channel]), axes)
                axes.set_title(f"{i + 1}: {scores[i]:.3g}", fontsize=6, pad=2)
    return figure
