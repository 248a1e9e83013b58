"""Why false alarms were accepted, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from astrodetect.evaluation.compare import Evaluation

if TYPE_CHECKING:
    from astrodetect.catalogs.reader import Catalog


def draw_false_alarms(
    catalog: Catalog, evaluation: Evaluation, folder: Path, most: int = 3, root: Path | None = None
) -> list[Path]:
    """Draw what the labels of the first false alarms rest on, as ``explanation-0.png`` and so on.

    Parameters
    ----------
    catalog : Catalog
        Open.
    evaluation : Evaluation
        Of it.
    folder : Path
        There.
    most : int
        How many at most; each takes seconds.
    root : Path, optional
        Where the recordings lie now, if they were moved.

    Raises
    ------
    AstrodetectError
        A recording cannot be read again, or matplotlib is not installed.
    """
    from astrodetect.plots.choose import choose, explained
    from astrodetect.plots.explanations import plot_explanations
    from astrodetect.plots.style import save

    drawn = []
    for number, alarm in enumerate(evaluation.false_alarms[:most]):
        chosen = choose(catalog, int(alarm.detection["detection_id"]))
        figure = plot_explanations([explained(catalog, chosen, root)], f"{chosen.name} ({alarm.explanation})")
        drawn.append(save(figure, folder / f"explanation-{number}.png", 110))
    return drawn
