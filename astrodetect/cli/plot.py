"""``astrodetect plot``: figures from a catalog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from astrodetect.cli.groups import NearestGroup

_CATALOG = click.argument("path", metavar="CATALOG", type=click.Path(path_type=Path))
_TRUTH = click.option(
    "--truth", type=click.Path(path_type=Path), required=True, help="Truth, as for astrodetect evaluate."
)
_LABELS = click.option(
    "--label", "labels", multiple=True, default=("meteor",), show_default=True, help="Classes looked for."
)
_RECORDING = click.option("--recording", default="", metavar="PATH", help="Of this recording alone.")
_DETECTION = click.option(
    "--detection", type=int, metavar="ID", help="detection_id; by default the brightest accepted one."
)
_ROOT = click.option(
    "--root", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
    help="Where the recordings lie now, if they were moved.",
)  # fmt: skip


@click.group(cls=NearestGroup)
def plot() -> None:
    """Draw figures from a catalog: PDF, PNG, SVG or EPS, by the ending of the file.

    Needs matplotlib: pip install "astrodetect[plot]"
    """


def _out(command: Callable[..., None]) -> Callable[..., None]:
    option = click.option(
        "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        help="The figure  [default: NAME-PLOT.pdf beside the catalog NAME.h5]",
    )  # fmt: skip
    decorated: Callable[..., None] = option(command)
    return decorated


def _save(drawn: Any, catalog: Path, out: Path | None, name: str) -> None:
    from astrodetect.plots import save

    click.echo(save(drawn, catalog.with_name(f"{catalog.stem}-{name}.pdf") if out is None else out))


@plot.command()
@_CATALOG
@_DETECTION
@_RECORDING
@_ROOT
@_out
def attention(path: Path, detection: int | None, recording: str, root: Path | None, out: Path | None) -> None:
    """Draw the scores of all regions over the frame, and the patches that were chosen.

    The recording is read again, and goes through the first stages of the catalog's pipeline again.
    """
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.plots import new_figure, plot_attention
    from astrodetect.plots.choose import choose, seen_again
    from astrodetect.plots.style import PAGE

    with Catalog(path) as opened:
        chosen = choose(opened, detection, recording)
        seen = seen_again(opened, chosen, root)
    axes = plot_attention(seen.image, seen.scores, seen.patches, new_figure(PAGE)[1])
    axes.set_title(chosen.name, fontsize=6)
    _save(axes, path, out, "attention")


@plot.command()
@_CATALOG
@_RECORDING
@click.option("--rejected", is_flag=True, help="What was not accepted, too.")
@_ROOT
@_out
def found(path: Path, recording: str, rejected: bool, root: Path | None, out: Path | None) -> None:
    """Draw what was found over the first frame: boxes of sources, lines of trails.

    Of the recording with most detections, if none is named. The recording is read again.
    """
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.plots import new_figure, plot_found
    from astrodetect.plots.found import seen_in
    from astrodetect.plots.style import PAGE

    with Catalog(path) as opened:
        seen = seen_in(opened, recording, rejected=rejected, root=root)
    _save(plot_found(seen.image, seen.found, new_figure(PAGE)[1], factor=seen.factor), path, out, "found")


@plot.command()
@_CATALOG
@_DETECTION
@_RECORDING
@_ROOT
@_out
def patches(path: Path, detection: int | None, recording: str, root: Path | None, out: Path | None) -> None:
    """Draw the patches that were chosen around a detection, with rank and score."""
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.plots import plot_patches
    from astrodetect.plots.choose import choose, seen_again

    with Catalog(path) as opened:
        seen = seen_again(opened, choose(opened, detection, recording), root)
    _save(plot_patches(seen.patches), path, out, "patches")


@plot.command()
@_CATALOG
@_DETECTION
@_RECORDING
@_ROOT
@_out
def explanation(
    path: Path, detection: int | None, recording: str, root: Path | None, out: Path | None
) -> None:
    """Draw what the label of a detection rests on.

    The probability that is lost when a part of the image is hidden behind noise, for any classifier or
    detector; for networks Grad-CAM, too. The recording is read again.
    """
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.plots.choose import choose, explained
    from astrodetect.plots.explanations import plot_explanations

    with Catalog(path) as opened:
        chosen = choose(opened, detection, recording)
        found = explained(opened, chosen, root)
    _save(plot_explanations([found], chosen.name), path, out, "explanation")


@plot.command()
@_CATALOG
@_RECORDING
@click.option("--rejected", is_flag=True, help="Rejected detections too.")
@_out
def tracks(path: Path, recording: str, rejected: bool, out: Path | None) -> None:
    """Draw the paths of accepted detections over the frame, by label."""
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.plots import plot_tracks
    from astrodetect.plots.choose import detections_of

    with Catalog(path) as opened:
        found = detections_of(opened, recording, rejected=rejected)
        sizes = opened.read_columns(["height", "width"], "recordings")
    shapes = {(int(h), int(w)) for h, w in zip(sizes["height"], sizes["width"], strict=True) if h > 0}
    axes = plot_tracks(found, shape=max(shapes) if shapes else None)
    _save(axes, path, out, "tracks")


@plot.command()
@_CATALOG
@_DETECTION
@_RECORDING
@click.option("--frames", is_flag=True, help="Frames on the axis, not seconds.")
@_out
def lightcurve(path: Path, detection: int | None, recording: str, frames: bool, out: Path | None) -> None:
    """Draw the light curve of a detection."""
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.plots import plot_light_curve
    from astrodetect.plots.choose import choose

    with Catalog(path) as opened:
        chosen = choose(opened, detection, recording)
    if "flux" not in chosen.track:
        raise AstrodetectError(f"{path}: {chosen.name}: has no track with fluxes")
    axes = plot_light_curve(chosen.track, seconds=not frames)
    axes.set_title(chosen.name, fontsize=6)
    _save(axes, path, out, "lightcurve")


def _compared(path: Path, truth: Path) -> tuple[Any, Any, Any, str]:
    """Give detections, recordings, the truth and the pipeline."""
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.exchange.truth import read_any_truth

    with Catalog(path) as opened:
        pipeline = opened.provenance.get("pipeline", "")
        return opened.detections, opened.recordings, read_any_truth(truth, opened), pipeline


@plot.command()
@_CATALOG
@_TRUTH
@_LABELS
@_out
def evaluation(path: Path, truth: Path, labels: tuple[str, ...], out: Path | None) -> None:
    """Draw recall and precision against the threshold of the probability."""
    import tomllib

    from astrodetect.plots import plot_operating_curve, threshold_curve

    detections, recordings, objects, pipeline = _compared(path, truth)
    curve = threshold_curve(detections, recordings, objects, labels)
    threshold = tomllib.loads(pipeline).get("accept", {}).get("threshold")
    _save(plot_operating_curve(curve, threshold=threshold), path, out, "evaluation")


@plot.command()
@_CATALOG
@_TRUTH
@_LABELS
@click.option(
    "--by", type=click.Choice(["peak_snr", "peak_magnitude", "speed"]), default="peak_snr",
    show_default=True, help="Property of the true objects.",
)  # fmt: skip
@_out
def completeness(path: Path, truth: Path, labels: tuple[str, ...], by: str, out: Path | None) -> None:
    """Draw the fraction of true objects that were found, by brightness or speed."""
    from astrodetect.evaluation import evaluate
    from astrodetect.plots import plot_completeness

    detections, recordings, objects, _ = _compared(path, truth)
    _save(plot_completeness(evaluate(detections, recordings, objects, labels), by), path, out, "completeness")
