"""One look for all plots: sizes of a journal's column, colours that everybody can tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astrodetect.core.errors import AstrodetectError, StoppedError

#: Width of one column and of the page of a two-column journal (inches).
COLUMN, PAGE = 3.5, 7.1
#: M. Okabe and K. Ito, Color Universal Design (2008), without yellow.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
SUFFIXES = (".pdf", ".png", ".svg", ".eps")
#: Text stays text in PDF (type 42), as journals ask; small type, thin lines.
_RC: dict[str, Any] = {
    "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "font.size": 8, "axes.titlesize": 8,
    "axes.labelsize": 8, "legend.fontsize": 7, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "axes.linewidth": 0.6, "lines.linewidth": 1.0, "xtick.direction": "in", "ytick.direction": "in",
    "legend.frameon": False, "image.interpolation": "nearest", "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
}  # fmt: skip


def style() -> Any:
    """Give a context in which matplotlib draws as this project does.

    Raises
    ------
    AstrodetectError
        matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise AstrodetectError(
            'plots need matplotlib, which is not installed: pip install "astrodetect[plot]"'
        ) from error
    settings: Any = _RC
    return matplotlib.rc_context(settings)


def new_figure(width: float = COLUMN, height: float | None = None, **subplots: Any) -> tuple[Any, Any]:
    """Give a figure and its axes; no window, no state shared with other figures.

    Parameters
    ----------
    width, height : float
        Inches; the height is three quarters of the width if not given.
    **subplots
        As for `matplotlib.figure.Figure.subplots`.

    Raises
    ------
    AstrodetectError
        matplotlib is not installed.
    """
    with style():
        from matplotlib.figure import Figure

        figure = Figure((width, 0.75 * width if height is None else height), layout="constrained")
        return figure, figure.subplots(**subplots)


def axes_or_new(axes: Any, **size: Any) -> Any:
    """Give the axes, or those of a new figure."""
    return new_figure(**size)[1] if axes is None else axes


def save(axes: Any, path: Path | str, dpi: int = 300) -> Path:
    """Write the figure of some axes, in one step; the ending says the format.

    Parameters
    ----------
    axes : matplotlib Axes or Figure
        What to write.
    path : path
        ``.pdf``, ``.png``, ``.svg`` or ``.eps``.
    dpi : int
        Pixels per inch of what is no line.

    Raises
    ------
    AstrodetectError
        The ending is none of these, or the folder is missing.
    StoppedError
        It cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise AstrodetectError(f"{path}: the ending says no format; expected {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise AstrodetectError(f"{path}: the folder {path.parent} does not exist")
    figure = getattr(axes, "figure", axes)
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        with style():
            figure.savefig(temporary, dpi=dpi)
        temporary.replace(path)
    except OSError as error:
        raise StoppedError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
