"""``astrodetect evaluate``: compare a catalog with truth, or models with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


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
    "--label", "labels", multiple=True, default=("meteor",), show_default=True,
    help="Class that is looked for; may be given several times.",
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
@click.option("--out", type=click.Path(path_type=Path), help="Folder for tables and plots of MODEL.")
@click.option("--k", type=click.IntRange(min=1), help="Patches instead of those of MODEL.")
@click.option("--prior-only", is_flag=True, help="Choose patches by the prior of MODEL alone.")
@click.option("--device", default="auto", show_default=True, help="Where MODEL runs.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def evaluate(inputs: tuple[Path, ...], truth: Path | None, data: Path | None, **options: Any) -> None:
    """Print how good a catalog or a model is.

    With --truth: recall and precision of CATALOG against a truth file.

    An accepted detection with the label is right when its first and its last position lie within 10
    pixels (or a quarter of the length, if that is more) of those of an object, and they have frames in
    common; one to one. What was found and not accepted is listed apart. False alarms are explained by
    the object that they lie on, with the help of tracks.csv beside the truth file, if there is one.

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
        _compare(inputs[0], truth, options["labels"], options["ignore_unlisted"], options["as_json"])


def _judge(models: tuple[Path, ...], data: Path, options: dict[str, Any]) -> None:
    import json

    from astrodetect.training.command import resolve
    from astrodetect.training.judge import How, judge

    how = How(options["split"], options["k"], options["prior_only"])
    found = judge(models, data, how, resolve(options["device"]), options["out"])
    if options["as_json"]:
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        click.echo(found.to_text(), nl=False)


def _compare(
    catalog: Path, truth: Path, labels: tuple[str, ...], ignore_unlisted: bool, as_json: bool
) -> None:
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.evaluation import evaluate as compare
    from astrodetect.evaluation import read_tracks
    from astrodetect.evaluation.report import to_dict, to_text
    from astrodetect.exchange.truth import read_any_truth

    with Catalog(catalog) as opened:
        objects = read_any_truth(truth, opened)
        tracks = truth.with_name("tracks.csv")
        if tracks.is_file() and truth.suffix == ".csv":
            objects = read_tracks(tracks, objects)
        result = compare(
            opened.detections, opened.recordings, objects, labels, ignore_unlisted=ignore_unlisted
        )
        if opened.unfinished:
            click.echo(
                f"{catalog}: the job that makes it is not finished; compared is what there is", err=True
            )
    if as_json:
        import json

        click.echo(json.dumps(to_dict(result), indent=2, allow_nan=False))
    else:
        click.echo(to_text(result), nl=False)
