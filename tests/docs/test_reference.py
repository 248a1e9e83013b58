"""The reference pages are made from the code: nothing is missing from them."""

import importlib.util

import click
import pytest
from documents import ROOT

from astrodetect.cli import cli
from astrodetect.core import columns, registry
from astrodetect.core.settings import describe


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "_ext" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    folder = tmp_path_factory.mktemp("generated")
    reference.write_all(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_every_built_in_plugin_is_there_with_every_setting(generated):
    text = generated["plugins"]
    for name, claimants in registry.installed().items():
        if claimants[0].distribution != "astrodetect":
            continue
        assert f"#### `{name}`" in text
        section = text.partition(f"#### `{name}`")[2].partition("\n#### ")[0]
        for setting in describe(registry.load(name)):
            assert f"`{setting.name}` — " in section
            assert setting.help in section
    assert "(not documented)" not in text


def test_every_command_is_there(generated):
    def walk(command, path):
        yield path
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path)
            for name in command.list_commands(context):
                yield from walk(command.get_command(context, name), f"{path} {name}")

    for path in walk(cli, "astrodetect"):
        assert f"## `{path}`" in generated["commands"]


def test_every_column_is_there(generated):
    for column in (*columns.DETECTION_COLUMNS, *columns.TRACK_COLUMNS, *columns.RECORDING_COLUMNS):
        assert (
            f"| `{column.name}` | {column.dtype} | {column.unit} | {column.description} |"
            in generated["columns"]
        )


def test_the_settings_of_the_simulation_are_printed_with_their_defaults(generated):
    assert "`shape` — [int, int]; default `[480, 640]`" in generated["simulation"]
    assert "(not documented)" not in generated["simulation"] + generated["tables"]
