"""Plots: learning curves, ROC and precision-recall, reliability, confusion, attention and patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.metrics import Scores


def figure(columns: int, rows: int = 1, width: float = 4.0, height: float = 3.6) -> tuple[Any, Any]:
    """Give a Matplotlib figure and its axes (rows, columns), without a window.

    Raises
    ------
    AstrodetectError
        Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AstrodetectError(
            'Matplotlib, which draws the plots, is missing; install it with: pip install "astrodetect[train]"'
        ) from error
    made = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return made, made.subplots(rows, columns, squeeze=False)


def plot_scores(runs: Sequence[Scores], path: Path) -> None:
    """Draw ROC, precision-recall, reliability and the confusion matrix of one or several runs."""
    made, axes = figure(4)
    roc, pr, reliable, confusion = axes[0]
    for scores in runs:
        roc.plot(scores.roc.x, scores.roc.y, label=f"area {scores.roc.area:.4f}")
        pr.plot(
            scores.precision_recall.x, scores.precision_recall.y,
            label=f"area {scores.precision_recall.area:.4f}", drawstyle="steps-post",
        )  # fmt: skip
        known = scores.reliability.counts > 0
        reliable.plot(
            scores.reliability.confidence[known], scores.reliability.accuracy[known], "o-",
            label=f"error {scores.reliability.error:.4f}",
        )  # fmt: skip
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    pr.set(xlabel="recall", ylabel="precision", title="precision and recall", ylim=(-0.02, 1.02))
    reliable.plot([0, 1], [0, 1], "k:", linewidth=1)
    reliable.set(xlabel="probability of what is said", ylabel="share that is right", title="reliability")
    for ax in (roc, pr, reliable):
        ax.legend(fontsize="small")
    _draw_confusion(confusion, runs[0])
    made.savefig(path, dpi=110)


def _draw_confusion(ax: Any, scores: Scores) -> None:
    matrix = scores.confusion
    classes = scores.classes if len(scores.classes) == len(matrix) else ("not there", "there")
    ax.imshow(matrix, cmap="Blues")
    for (row, column), count in np.ndenumerate(matrix):
        dark = count > matrix.max() / 2
        ax.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    ticks = range(len(classes))
    ax.set(xticks=ticks, yticks=ticks, xlabel="said", ylabel="truth", title="confusion")
    ax.set_xticklabels(classes, rotation=45 if len(classes) > 2 else 0)
    ax.set_yticklabels(classes)


def plot_history(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Draw the learning curve: losses, accuracy and area under ROC against the epoch."""
    made, axes = figure(2)
    epochs = [row["epoch"] for row in rows]
    for ax, names in ((axes[0, 0], ("train_loss", "loss")), (axes[0, 1], ("accuracy", "auc"))):
        for name in names:
            ax.plot(epochs, [row[name] for row in rows], "o-", label=name.replace("_", " "))
        ax.set(xlabel="epoch")
        ax.legend()
    made.savefig(path, dpi=110)


def plot_attention(
    image: NDArray[Any],
    attention: NDArray[Any],
    extent: tuple[float, float, float, float],
    patches: NDArray[Any],
    corners_yx: NDArray[Any],
    path: Path,
    *,
    title: str = "",
    evidence: Sequence[float] = (),
) -> None:
    """Draw an image, the attention map beside it, and the chosen patches below.

    Parameters
    ----------
    image : (H, W) array
        What was looked at.
    attention : (h, w) array
        The attention over the cells.
    extent : (float, float, float, float)
        Left, right, bottom and top edge of the map in pixels of the image.
    patches : (K, ph, pw) array
        The chosen patches, best first.
    corners_yx : (K, 2) array
        Where they were cut.
    path : Path
        Picture to write.
    title : str
        Above the image.
    evidence : sequence of float
        A number to write above each patch.

    Notes
    -----
    In the form of Nicolini (2022), figures 6.4 and 6.5.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    columns = 8
    rows = -(-len(patches) // columns)
    made = Figure(figsize=(12, 4.6 + 1.5 * rows), layout="constrained")
    parts: Any = made.subfigures(2, 1, height_ratios=[4.6, 1.5 * rows])
    above, below = parts
    left, right = above.subplots(1, 2)
    left.imshow(image, cmap="gray")
    left.set_title(title)
    height, width = patches.shape[1:]
    for y, x in np.asarray(corners_yx).tolist():
        left.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor="tab:orange"))
    shown = right.imshow(attention, cmap="viridis", extent=extent)
    right.set(title="attention (logarithm)", xlim=left.get_xlim(), ylim=left.get_ylim())
    made.colorbar(shown, ax=right, shrink=0.8)
    for number, ax in enumerate(below.subplots(rows, columns, squeeze=False).ravel()):
        ax.axis("off")
        if number < len(patches):
            ax.imshow(patches[number], cmap="gray", vmin=image.min(), vmax=image.max())
            ax.set_title(f"{evidence[number]:.2f}" if len(evidence) else f"{number + 1}", fontsize="small")
    made.savefig(path, dpi=90)
