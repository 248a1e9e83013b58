"""``astrodetect evaluate``: compare a catalog with truth, or models with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.evaluation import Evaluation, TruthObject


@click.command()
@click.argument(
    "inputs", metavar="CATALOG|MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--truth", type=click.Path(path_type=Path),
    help="CSV file: path (or file), label, frame_first, frame_last, x_first, y_first, x_last, y_last; "
    "or another catalog, or a file of any format of `catalog formats`.",
)  # fmt: skip
@click.option(
    "--label", "labels", multiple=True,
    help="Class that is looked for; may be given several times  [default: meteor; of sources: all]",
)  # fmt: skip
@click.option(
    "--match", type=click.Choice(["ends", "iou", "distance", "shape"]),
    help="How a detection is recognised: by both ends, or as a source in a still image: by the overlap of "
    "boxes, the distance of centres, or position, flux and size together  [default: iou where the truth has "
    "boxes or fluxes, else ends]",
)  # fmt: skip
@click.option(
    "--limit", type=click.FloatRange(min=0, min_open=True),
    help="Least IoU, largest distance (px), or largest shape distance  [default: 0.5, 3, 5]",
)  # fmt: skip
@click.option("--any-label", is_flag=True, help="Compare sources whatever their labels are.")
@click.option(
    "--purity", type=click.FloatRange(0, 1, min_open=True), default=0.93, show_default=True,
    help="Give the completeness of sources at this purity.",
)  # fmt: skip
@click.option(
    "--ignore-unlisted", is_flag=True, help="Leave out recordings of which the truth names nothing."
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Training file; its [data] says what MODEL is judged on."
)
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True,
    help="Images that MODEL is judged on.",
)  # fmt: skip
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for tables and plots of MODEL, of sources, of completeness.",
)
@click.option("--k", type=click.IntRange(min=1), help="Patches instead of those of MODEL.")
@click.option("--prior-only", is_flag=True, help="Choose patches by the prior of MODEL alone.")
@click.option("--device", default="auto", show_default=True, help="Where MODEL runs.")
@click.option(
    "--calibrate", type=click.Choice(["temperature", "isotonic"]),
    help="First calibrate MODEL on the validation split, and store that in it.",
)  # fmt: skip
@click.option(
    "--store", type=click.Path(path_type=Path),
    help="Store what a threshold costs, as CATALOG shows, in the model that gave the labels (.safetensors, "
    "or .json of streak): for recall and false_per_night in a pipeline.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def evaluate(inputs: tuple[Path, ...], truth: Path | None, data: Path | None, **options: Any) -> None:
    """Print how good a catalog or a model is.

    With --truth: recall and precision of CATALOG against a truth file.

    If the truth lists sources of still images (with boxes, or fluxes and axes; also COCO and YOLO
    annotations with --match iou): average precision, completeness, purity, completeness by flux, and the
    score of the first data challenge of the SKA. Else events:

    An accepted detection with the label is right when its first and its last position lie within 10
    pixels (or a quarter of the length, if that is more) of those of an object, and they have frames in
    common; one to one. Completeness is given by signal-to-noise, magnitude, speed, duration and place in
    the picture (with --out also as plots), false alarms per camera-hour. What was found and not accepted
    is listed apart. False alarms are explained by the object that they lie on, with the help of
    tracks.csv beside the truth file, if there is one; what the truth labels ``ignore`` is none. Of
    the first three it is drawn with --out what their label rests on.

    With --data: figures, curves and calibration of MODEL (a .safetensors file) on the images of a training
    file. Several models are runs of one recipe: mean and deviation are given.
    """
    if (truth is None) == (data is None):
        raise click.UsageError("give either --truth, for a catalog, or --data, for a model")
    if data is not None:
        _judge(inputs, data, options)
    elif truth is not None:
        if len(inputs) != 1:
            raise click.UsageError("--truth is compared with one catalog")
        _compare(inputs[0], truth, options)


def _judge(models: tuple[Path, ...], data: Path, options: dict[str, Any]) -> None:
    from astrodetect.training.command import resolve
    from astrodetect.training.judge import How, judge

    if options["calibrate"]:
        from astrodetect.training.calibration import calibrate
        from astrodetect.training.config import read_data

        for model in models:
            calibrate(model, read_data(data), options["calibrate"], resolve(options["device"]))
    how = How(options["split"], options["k"], options["prior_only"])
    found = judge(models, data, how, resolve(options["device"]), options["out"])
    if options["as_json"]:
        click.echo(_json(found.to_dict()), nl=False)
    else:
        click.echo(found.to_text(), nl=False)


def _compare(catalog: Path, truth: Path, options: dict[str, Any]) -> None:
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.evaluation.sources.reading import lists_sources

    match = options["match"] or ("iou" if lists_sources(truth) else "ends")
    with Catalog(catalog) as opened:
        told = (_events if match == "ends" else _sources)(opened, truth, match, options)
        if opened.unfinished:
            click.echo(
                f"{catalog}: the job that makes it is not finished; compared is what there is", err=True
            )
    click.echo(told, nl=False)


def _events(catalog: Catalog, truth: Path, _match: str, options: dict[str, Any]) -> str:
    from astrodetect.evaluation import evaluate as compare
    from astrodetect.evaluation import read_tracks
    from astrodetect.evaluation.report import to_dict, to_text
    from astrodetect.exchange.truth import read_any_truth

    objects = read_any_truth(truth, catalog)
    tracks = truth.with_name("tracks.csv")
    if tracks.is_file() and truth.suffix == ".csv":
        objects = read_tracks(tracks, objects)
    result = compare(
        catalog.detections,
        catalog.recordings,
        objects,
        options["labels"] or ("meteor",),
        ignore_unlisted=options["ignore_unlisted"],
    )
    if options["out"] is not None:
        from astrodetect.evaluation.completeness import write_plots

        write_plots(result, options["out"])
        _explain(catalog, result, options["out"])
    told = _json(to_dict(result)) if options["as_json"] else to_text(result)
    return told + _stored(catalog, objects, options) if options["store"] else told


def _explain(catalog: Catalog, result: Evaluation, folder: Path) -> None:
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.evaluation.reasons import draw_false_alarms

    try:
        draw_false_alarms(catalog, result, folder)
    except AstrodetectError as error:  # the recordings need not be here
        click.echo(f"no pictures of why false alarms were accepted: {error}", err=True)


def _stored(catalog: Catalog, truth: list[TruthObject], options: dict[str, Any]) -> str:
    """Store what thresholds cost; as JSON nothing is said of it."""
    from astrodetect.evaluation import operating

    unlisted = options["ignore_unlisted"]
    curves = {
        label: operating.measure(
            catalog.detections, catalog.recordings, truth, label, ignore_unlisted=unlisted
        )
        for label in options["labels"] or ("meteor",)
    }
    operating.store(options["store"], curves)
    texts = [operating.to_text(curve, label) for label, curve in curves.items()]
    return "" if options["as_json"] else "\n" + "".join(texts)


def _sources(catalog: Catalog, truth: Path, match: Any, options: dict[str, Any]) -> str:
    from astrodetect.evaluation.sources import How
    from astrodetect.evaluation.sources.reading import compare_sources
    from astrodetect.evaluation.sources.report import to_dict, to_text, write_report

    how = How(match, options["limit"], options["labels"], options["any_label"], options["purity"])
    result = compare_sources(
        catalog.detections, catalog.recordings, truth, how, ignore_unlisted=options["ignore_unlisted"]
    )
    if options["out"] is not None:
        write_report(result, options["out"])
    return _json(to_dict(result)) if options["as_json"] else to_text(result)


def _json(value: dict[str, Any]) -> str:
    import json

    return json.dumps(value, indent=2, allow_nan=False) + "\n"
