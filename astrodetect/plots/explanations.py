"""What decisions rest on: the image, what is lost when parts of it are hidden, where the network looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from astrodetect.explanation.explain import Explanation
from astrodetect.plots.style import PAGE, new_figure


def plot_explanations(explanations: Sequence[Explanation], title: str = "", figure: Any = None) -> Any:
    """Draw explanations, one in a row: image, occlusion, and Grad-CAM where there is one.

    Parameters
    ----------
    explanations : sequence of Explanation
        One or more.
    title : str
        Above all of them.
    figure : matplotlib.figure.Figure, optional
        To draw into.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = len(explanations)
    if figure is None:
        figure, axes = new_figure(PAGE, 2.3 * n + 0.3, nrows=n, ncols=3, squeeze=False)
    else:
        axes = figure.subplots(n, 3, squeeze=False)
    for row, one in zip(axes, explanations, strict=True):
        _draw(row, one)
    if title:
        figure.suptitle(title, fontsize=7)
    return figure


def _draw(axes: Any, one: Explanation) -> None:
    height, width = one.image.shape
    y, x = one.corner_yx
    place: dict[str, Any] = {"extent": (x - 0.5, x + width - 0.5, y + height - 0.5, y - 0.5)}
    low, high = np.percentile(one.image, [1, 99.8])
    grey = {"cmap": "gray", "vmin": low, "vmax": max(high, low + 1e-6), **place}
    for ax in axes:
        ax.imshow(one.image, **grey)
        ax.tick_params(labelsize=5)
    axes[0].set_title(f"{one.label} {one.probability:.3f}", fontsize=7)
    most = max(float(np.abs(one.occlusion).max()), 1e-6)
    shown = axes[1].imshow(one.occlusion, cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.65, **place)
    axes[1].set_title("probability lost when hidden", fontsize=7)
    axes[1].figure.colorbar(shown, ax=axes[1], shrink=0.8).ax.tick_params(labelsize=5)
    if one.gradients is None:
        axes[2].set_visible(False)
        return
    axes[2].imshow(one.gradients, cmap="inferno", vmin=0, vmax=1, alpha=0.65, **place)
    axes[2].set_title("Grad-CAM", fontsize=7)
