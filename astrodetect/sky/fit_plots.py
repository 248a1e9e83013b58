"""What a calibration left: residuals star by star, as pictures and as a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.magnitudes import air_mass
from astrodetect.sky.fit_run import Result

#: Residuals are drawn so that the typical one is this part of the frame.
_ARROW = 0.03


def write_report(result: Result, image: NDArray[Any], folder: Path) -> list[Path]:
    """Write ``stars.ecsv`` and, where matplotlib is installed, the plots of a calibration.

    Parameters
    ----------
    result : Result
        Of `astrodetect.sky.fit_run.calibrate`.
    image : (H, W) array
        One of the exposures, to draw on.
    folder : Path
        Is made; files in it of an earlier report are replaced, each as a whole.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OSError
        It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "stars.ecsv"
    _whole(table, lambda part: star_table(result).write(part, format="ascii.ecsv", overwrite=True))
    written = [table]
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return written
    drawn: dict[str, Callable[[Any], None]] = {
        "residuals.png": partial(_draw_vectors, result, image),
        "radial.png": partial(_draw_radial, result),
    }
    if result.photometry is not None:
        drawn["photometry.png"] = partial(_draw_photometry, result)
    for name, draw in drawn.items():
        written.append(folder / name)
        _whole(folder / name, partial(_save, draw))
    return written


def star_table(result: Result) -> Any:
    """Give an `astropy.table.QTable` of all matched stars: places, residuals, brightness."""
    from astropy import units as u
    from astropy.table import QTable

    matches, stars = result.fit.matches, result.catalogue
    names = [view.name for view in result.fit.views]
    flux = result.fit.of_sources("flux")
    table = QTable(
        {
            "exposure": np.asarray([names[k] for k in matches.view], dtype=str),
            "star": stars.name[matches.star],
            "magnitude": stars.magnitude[matches.star] * u.mag,
            "ra": stars.ra[matches.star] * u.deg,
            "dec": stars.dec[matches.star] * u.deg,
            "alt": matches.alt * u.deg,
            "x": matches.x * u.pix,
            "y": matches.y * u.pix,
            "x_expected": matches.expected_x * u.pix,
            "y_expected": matches.expected_y * u.pix,
            "distance": matches.distance * u.pix,
            "flux": flux * u.adu,
            "flux_error": result.fit.of_sources("flux_error") * u.adu,
            "snr": result.fit.of_sources("snr"),
            "saturated": result.fit.of_sources("saturated").astype(bool),
        }
    )
    table.meta["calibration"] = result.calibration.made_by
    table.sort("distance", reverse=True)
    return table


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f".part-{path.name}")
    write(part)
    os.replace(part, path)


def _save(draw: Callable[[Any], None], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    draw(figure)
    figure.savefig(path, dpi=110, format="png")


def _draw_vectors(result: Result, image: NDArray[Any], figure: Any) -> None:
    matches = result.fit.matches
    axes = figure.add_subplot()
    low, high = np.nanpercentile(image, [5, 99.5])
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1), alpha=0.7)
    typical = max(float(np.median(matches.distance)), 1e-3)
    grow = _ARROW * max(image.shape) / typical
    axes.quiver(
        matches.x, matches.y, matches.x - matches.expected_x, matches.y - matches.expected_y,
        matches.distance, angles="xy", scale_units="xy", scale=1 / grow, width=0.0015, cmap="autumn_r",
    )  # fmt: skip
    axes.set(
        title=f"{len(matches)} stars, rms {result.fit.rms:.2f} px; arrows {grow:.0f} times as long",
        xlabel="x (px)", ylabel="y (px)",
        xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5),
    )  # fmt: skip


def _draw_radial(result: Result, figure: Any) -> None:
    matches, shape = result.fit.matches, result.calibration.shape
    assert shape is not None
    x0 = getattr(result.calibration, "x_centre", (shape[1] - 1) / 2)
    y0 = getattr(result.calibration, "y_centre", (shape[0] - 1) / 2)
    across, down = matches.x - x0, matches.y - y0
    radius = np.maximum(np.hypot(across, down), 1e-9)
    dx, dy = matches.x - matches.expected_x, matches.y - matches.expected_y
    parts = {
        "radial (px, outward)": (dx * across + dy * down) / radius,
        "tangential (px, clockwise)": (dy * across - dx * down) / radius,
    }
    for row, (label, part) in enumerate(parts.items()):
        for column, (name, where) in enumerate(
            {"radius (px)": radius, "altitude (deg)": matches.alt}.items()
        ):
            axes = figure.add_subplot(2, 2, 2 * row + column + 1)
            axes.axhline(0, color="0.6", lw=0.8)
            axes.plot(where, part, ".", ms=3, alpha=0.5)
            axes.plot(*_running(where, part), color="C3")
            axes.set(xlabel=name, ylabel=label)


def _draw_photometry(result: Result, figure: Any) -> None:
    fitted = result.photometry
    assert fitted is not None
    matches, shape = fitted.matches, result.calibration.shape
    assert shape is not None
    radius = np.hypot(matches.x - (shape[1] - 1) / 2, matches.y - (shape[0] - 1) / 2)
    panels = {
        f"magnitude ({fitted.photometry.band})": fitted.magnitude,
        "air mass": air_mass(matches.alt),
        "radius (px)": radius,
    }
    for number, (name, where) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(3, 1, number)
        axes.axhline(0, color="0.6", lw=0.8)
        axes.plot(where, fitted.residual, ".", ms=3, alpha=0.5)
        axes.plot(*_running(where, fitted.residual), color="C3")
        axes.set(xlabel=name, ylabel="measured - catalogue (mag)")
    figure.suptitle(f"{len(matches)} stars, scatter {fitted.scatter:.2f} mag")


def _running(where: NDArray[Any], value: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give medians in groups of equal numbers."""
    order = np.argsort(where)
    groups = [group for group in np.array_split(order, min(12, max(1, len(order) // 5))) if len(group)]
    middles = np.array([[np.median(where[group]), np.median(value[group])] for group in groups])
    return middles[:, 0], middles[:, 1]
