"""``astrodetect evaluate``: compare a catalog with truth."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option(
    "--truth", type=click.Path(path_type=Path), required=True,
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
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def evaluate(
    catalog: Path, truth: Path, labels: tuple[str, ...], ignore_unlisted: bool, as_json: bool
) -> None:
    """Print recall and precision of CATALOG against a truth file.

    An accepted detection with the label is right when its first and its last position lie within 10
    pixels (or a quarter of the length, if that is more) of those of an object, and they have frames in
    common; one to one. What was found and not accepted is listed apart. False alarms are explained by
    the object that they lie on, with the help of tracks.csv beside the truth file, if there is one.
    """
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
