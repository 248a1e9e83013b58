"""Writes the reference pages from the code: settings, commands, columns. Nothing of it is kept in git.

The pages lie in ``docs/generated`` and are included by the pages that a person wrote.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

#: A line of dashes under a word: where the sections of a numpydoc docstring begin.
_SECTION = re.compile(r"^\w[\w ]*\n-{3,}$", re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:
    """Write the pages when the build begins."""
    app.connect("builder-inited", lambda app: write_all(Path(app.srcdir) / "generated"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_all(folder: Path) -> None:
    """Write every page that has changed."""
    folder.mkdir(exist_ok=True)
    pages = {
        "tables.md": tables(),
        "plugins.md": plugins(),
        "gallery.md": gallery(),
        "commands.md": commands(),
        "columns.md": columns(),
        "simulation.md": simulation(),
        "scenes.md": scenes(),
        "yolo-model.md": yolo_model(),
        "yolo-training.md": yolo_training(),
        "galaxy-card.md": galaxy_card(),
        "boxes.md": boxes(),
        "training.md": training(),
        "model.md": model(),
        "meteor.md": built_in_pipelines(),
        "model-cards.md": model_cards(),
        "meteor-card.md": meteor_card(),
    }
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def prose(cls: type[Any]) -> str:
    """Give the docstring of a class up to its first section, as Markdown."""
    text = inspect.getdoc(cls) or ""
    return _SECTION.split(text)[0].strip().replace("``", "`")


def settings_of(cls: type[Any]) -> Iterator[str]:
    """Give the settings of a dataclass as a definition list."""
    from astrodetect.core.settings import describe

    for setting in describe(cls):
        if setting.default is dataclasses.MISSING:
            given = "**required**"
        elif setting.default is None:
            given = "absent by default"
        else:
            given = f"default `{_toml(setting.default)}`"
        yield f"`{setting.name}` — {setting.type.replace('|', 'or').replace(', or absent', '')}; {given}"
        yield f": {setting.help or '(not documented)'}"
        yield ""


def _toml(value: Any) -> str:
    import tomli_w

    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    text = " ".join(tomli_w.dumps({"x": plain}).partition("=")[2].split())
    return text.replace("[ ", "[").replace(", ]", "]")


def tables() -> Iterator[str]:
    """Describe the tables of a pipeline file that belong to no plugin."""
    from astrodetect.core import tables as core
    from astrodetect.core.limits import Limits

    named = (
        ("[window]", core.WindowSettings),
        ("[tile]", core.TileSettings),
        ("[accept]", core.AcceptSettings),
        ("[calibrate]", core.CalibrateSettings),
        ("[station.CODE]", core.StationSettings),
        ("[catalog]", core.CatalogSettings),
        ("[limits]", Limits),
    )
    for name, cls in named:
        yield from (f"### `{name}`", "")
        yield from settings_of(cls)


def training() -> Iterator[str]:
    """Describe the tables of a training file, but for the model."""
    from astrodetect.training import settings
    from astrodetect.training.config import DATA_SETS

    for name, cls in DATA_SETS.items():
        yield from (f'### `[data] use = "{name}"`', "", prose(cls), "")
        yield from settings_of(cls)
    named = (
        ("[train]", settings.TrainSettings),
        ("[augment]", settings.AugmentSettings),
        ("[transfer]", settings.TransferSettings),
    )
    for name, cls in named:
        yield from (f"### `{name}`", "", prose(cls), "")
        yield from settings_of(cls)


def model() -> Iterator[str]:
    """Describe the table of a training file that says what the model is."""
    from astrodetect.plugins.models.config import ModelConfig

    yield from settings_of(ModelConfig)


def plugins() -> Iterator[str]:
    """Describe the built-in plugins, kind by kind."""
    from astrodetect.core import registry
    from astrodetect.core.stages import KINDS, kind_of
    from astrodetect.scaffold.texts import TABLES

    own: dict[str, list[tuple[str, type[Any]]]] = {kind: [] for kind in KINDS}
    for name, claimants in registry.installed().items():
        if any(plugin.target.startswith("astrodetect.plugins.") for plugin in claimants):
            cls: type[Any] = registry.load(name)
            own[kind_of(cls) or ""].append((name, cls))
    for kind, named in own.items():
        if not named:
            continue
        yield from (f"### Kind {kind}: `{TABLES[kind]}`", "")
        for name, cls in named:
            yield from (f"#### `{name}`", "", prose(cls), "")
            for what in ("needs", "gives"):
                if planes := getattr(cls, what):
                    names = ", ".join(f"`{plane}`" for plane in planes)
                    yield from (f"*{what.capitalize()}* the planes {names}.", "")
            yield from settings_of(cls)


def gallery() -> Iterator[str]:
    """List the built-in plugins, kind by kind, a line each."""
    from astrodetect.core import registry
    from astrodetect.core.settings import describe
    from astrodetect.core.stages import kind_of

    rows: dict[str, list[str]] = {}
    for name, claimants in registry.installed().items():
        if not any(plugin.target.startswith("astrodetect.plugins.") for plugin in claimants):
            continue
        cls: type[Any] = registry.load(name)
        first = " ".join(prose(cls).split("\n\n")[0].split()).replace("|", "\\|")
        settings = ", ".join(f"`{setting.name}`" for setting in describe(cls)) or "none"
        rows.setdefault(kind_of(cls) or "", []).append(f"| `{name}` | {first} | {settings} |")
    for kind, lines in sorted(rows.items()):
        head = ("| name | does | settings |", "| --- | --- | --- |")
        yield from (f"## {kind.capitalize()}", "", *head, *lines, "")


def model_cards() -> Iterator[str]:
    """Say what the models that come with the package were made of, as their files state it."""
    import json
    from importlib.resources import files

    made = json.loads(files("astrodetect.plugins.classifiers").joinpath("streak-v1.json").read_text("utf-8"))
    provenance = made["provenance"]
    candidates = ", ".join(f"{n} {label}" for label, n in provenance["candidates"].items())
    yield from (
        "### What it was made of",
        "",
        f"On {provenance['date']} by `{provenance['made_by']}`: {provenance['recordings']} simulated "
        f"recordings, with the candidates {candidates}.",
        "",
        "On recordings that were held out, candidates of the class that was said, by the probability that "
        f"was said (expected calibration error {provenance['held_out']['expected_calibration_error']:.3f}):",
        "",
        "| said | right | candidates |",
        "| --- | --- | --- |",
    )
    for said, right, n in provenance["held_out"]["reliability"]:
        yield f"| {said:.3f} | {right:.3f} | {n} |"


def commands() -> Iterator[str]:
    """Give the help of every command as the command line prints it."""
    from astrodetect.cli import cli

    yield from _help(cli, "astrodetect", None)


def _help(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=90, **command.context_settings
    )
    title = context.command_path
    yield from (f"## `{title}`", "", "```text", command.get_help(context), "```", "")
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _help(found, child, context)


def columns() -> Iterator[str]:
    """Describe the columns of a catalog's tables."""
    from astrodetect.catalogs.reviews import REVIEW_COLUMNS
    from astrodetect.core import columns as core

    named = (
        ("/detections", core.DETECTION_COLUMNS),
        ("/tracks", core.TRACK_COLUMNS),
        ("/tracks, where they are known", core.OPTIONAL_TRACK_COLUMNS),
        ("/recordings", core.RECORDING_COLUMNS),
        ("/detections after a review", REVIEW_COLUMNS),
    )
    for table, described in named:
        yield from (f"### `{table}`", "", "| column | type | unit | meaning |", "| --- | --- | --- | --- |")
        for column in described:
            yield f"| `{column.name}` | {column.dtype} | {column.unit} | {column.description} |"
        yield ""


def simulation() -> Iterator[str]:
    """Give the settings of the simulation with their defaults."""
    from astrodetect.simulation.settings import Settings

    yield from settings_of(Settings)


def scenes() -> Iterator[str]:
    """Give the settings of the scenes that are still images."""
    from astrodetect.simulation.fields.command import SCENES

    for name, cls in SCENES.items():
        yield from (f"### `--scene {name}`", "", prose(cls), "")
        yield from settings_of(cls)


def yolo_model() -> Iterator[str]:
    """Describe what a YOLO model is made of."""
    from astrodetect.plugins.models.yolo.settings import YoloConfig

    yield from settings_of(YoloConfig)


def galaxy_card() -> Iterator[str]:
    """Give the card of the model of galaxies, made from its file; without the title."""
    from astrodetect.training.boxes.card import card

    for line in card("galaxy-v1").splitlines()[2:]:
        yield f"##{line}" if line.startswith("## ") else line


def meteor_card() -> Iterator[str]:
    """Say what the network of ``verify`` was made of, as its file states it."""
    from astrodetect.methods.verifying import load_network
    from astrodetect.plugins.postprocessors.verify import Verify

    file = Verify().file
    network = load_network(file)
    info = network.info
    parts = [*network.blocks, *network.dense]
    n = sum(part.size for pair in parts for part in pair)
    yield from (
        f"{n:,} weights, {file.stat().st_size / 1e6:.2f} MB; labels {', '.join(network.labels)}. Of the "
        "epoch that was kept, on the nights for validation:",
        "",
        "| figure | value |",
        "| --- | --- |",
    )
    yield from (f"| {name} | {value:.4g} |" for name, value in info["validation"].items())
    yield from ("", "Made with", "", "```text")
    for table in ("data", "model", "train", "augment"):
        yield f"[{table}]"
        yield from (f"{name} = {value}" for name, value in info["training"][table].items())
    yield from ("```", "")


def yolo_training() -> Iterator[str]:
    """Describe how a YOLO model learns."""
    from astrodetect.plugins.models.yolo.settings import AssociationSettings, LossSettings
    from astrodetect.training.boxes.settings import BoxTrainSettings

    named = (("[association]", AssociationSettings), ("[loss]", LossSettings), ("[train]", BoxTrainSettings))
    for name, cls in named:
        yield from (f"#### `{name}`", "", prose(cls), "")
        yield from settings_of(cls)


def boxes() -> Iterator[str]:
    """Describe the data sets with boxes, and how their images are varied."""
    from astrodetect.training.boxes.known import BOX_DATA_SETS
    from astrodetect.training.boxes.vary import BoxAugmentSettings

    for name, cls in BOX_DATA_SETS.items():
        yield from (f'### `[data] use = "{name}"`', "", prose(cls), "")
        yield from settings_of(cls)
    yield from ("### `[augment]`", "", prose(BoxAugmentSettings), "")
    yield from settings_of(BoxAugmentSettings)


def built_in_pipelines() -> Iterator[str]:
    """Print the built-in pipelines."""
    from astrodetect import pipelines

    for name in pipelines.names():
        yield from (f"### `{name}`", "", "```toml", (pipelines.text(name) or "").rstrip(), "```", "")
