"""What ``astrodetect simulate --scene radio | stars | trails`` does."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core import settings
from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.simulation.command import MARK, SETTINGS_FILE, counted, prepare_folder
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.simulation.fields.stars import StarScene
from astrodetect.simulation.fields.trails import TrailScene
from astrodetect.simulation.fields.writing import TRUTH_FILE, write_fits, write_truth

Scene = RadioScene | StarScene | TrailScene
#: Scenes by the name that ``--scene`` gives.
SCENES: dict[str, type[Scene]] = {"radio": RadioScene, "stars": StarScene, "trails": TrailScene}


def run(
    out: Path,
    *,
    scene: str,
    recordings: int = 8,
    shape: tuple[int, int] | None = None,
    seed: int = 0,
    set: Sequence[str] = (),  # noqa: A002
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Simulate fields as the command line asks; see the command's help for the options.

    Raises
    ------
    AstrodetectError
        A value is wrong, or the folder is not empty.
    """
    if seed < 0 or recordings < 1:
        raise AstrodetectError(
            f"seed is {seed} and recordings {recordings}; a seed from 0 and a number from 1 are needed"
        )
    made = scene_from(scene, set, shape)
    prepare_folder(out, force=force)
    out.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {value}" for name, value in settings.to_table(made).items()]
    head = [MARK, f"scene = {scene}", f"recordings = {recordings}", f"seed = {seed}", *lines]
    (out / SETTINGS_FILE).write_text("\n".join(head) + "\n", encoding="utf-8")
    listed = unlisted = 0
    for number in range(recordings):
        field = made.make(field_rng(seed, number))
        name = f"{scene}-{number + 1:04d}.fits"
        write_fits(out / name, field)
        write_truth(out / TRUTH_FILE, name, field, append=number > 0)
        listed, unlisted = listed + len(field), unlisted + field.unlisted
    if not quiet:
        sys.stdout.write(
            f"{out}: {counted(recordings, 'field')} ({scene}, {made.shape[0]}x{made.shape[1]}), "
            f"{counted(listed, 'source')} listed, {unlisted} more drawn; "
            f"truth in {out / TRUTH_FILE}\n"
        )


radio, stars, trails = (partial(run, scene=name) for name in SCENES)


def field_rng(seed: int, number: int) -> np.random.Generator:
    """Give the random numbers of one field of a simulation."""
    return np.random.default_rng([seed, number, 11])


def scene_from(name: str, given: Iterable[str], shape: tuple[int, int] | None = None) -> Scene:
    """Give a scene with some settings, each written as in TOML: ``density = 140`` or ``density=140``.

    Raises
    ------
    AstrodetectError
        A text is no setting.
    ConfigurationError
        With every setting that is not known, or out of range.
    """
    table: dict[str, Any] = {} if shape is None else {"shape": list(shape)}
    for text in given:
        try:
            table.update(tomllib.loads(text))
        except tomllib.TOMLDecodeError:
            raise AstrodetectError(
                f"--set {text}: not a setting; expected NAME=VALUE, such as density=140"
            ) from None
    problems: list[str] = []
    made: Scene | None = settings.build(SCENES[name], table, f"--scene {name}:", Path(), problems)
    if made is None:
        raise ConfigurationError(problems)
    return made
