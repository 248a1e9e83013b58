"""Plots for papers and for looking: each a function that draws on given axes, or on new ones."""

from astrodetect.plots.curves import Curve, plot_completeness, plot_operating_curve, threshold_curve
from astrodetect.plots.found import plot_found
from astrodetect.plots.frames import plot_attention, plot_image, plot_patches
from astrodetect.plots.style import new_figure, save
from astrodetect.plots.tracks import plot_light_curve, plot_tracks

__all__ = [
    "Curve",
    "new_figure",
    "plot_attention",
    "plot_completeness",
    "plot_found",
    "plot_image",
    "plot_light_curve",
    "plot_operating_curve",
    "plot_patches",
    "plot_tracks",
    "save",
    "threshold_curve",
]
