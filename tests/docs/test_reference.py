"""The reference pages are made from the code: nothing is missing from them."""

import importlib.util
import inspect
import re

import click
import pytest
from documents import ROOT

import astrodetect
from astrodetect.catalogs.reviews import REVIEW_COLUMNS
from astrodetect.cli import cli
from astrodetect.core import columns, registry
from astrodetect.core.hooks import HOOKS_VERSION, Hooks
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
    known = (*columns.DETECTION_COLUMNS, *columns.TRACK_COLUMNS, *columns.RECORDING_COLUMNS)
    for column in (*known, *REVIEW_COLUMNS):
        assert (
            f"| `{column.name}` | {column.dtype} | {column.unit} | {column.description} |"
            in generated["columns"]
        )


def test_the_settings_of_the_simulation_are_printed_with_their_defaults(generated):
    assert "`shape` — [int, int]; default `[480, 640]`" in generated["simulation"]
    assert "(not documented)" not in generated["simulation"] + generated["tables"]


def test_the_gallery_has_every_built_in_plugin_and_all_of_its_settings(generated):
    rows = {line.split("`")[1]: line for line in generated["gallery"].splitlines() if line.startswith("| `")}
    for name, claimants in registry.installed().items():
        if claimants[0].distribution == "astrodetect":
            assert all(f"`{setting.name}`" in rows[name] for setting in describe(registry.load(name)))


def test_every_hook_is_documented_with_its_arguments():
    text = (ROOT / "docs" / "plugins" / "hooks.md").read_text(encoding="utf-8")
    hooks = {name: hook for name, hook in vars(Hooks).items() if not name.startswith("_")}
    assert len(hooks) >= 5
    for name, hook in hooks.items():
        assert hook.__doc__, f"{name} has no docstring"
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        for argument in inspect.signature(hook).parameters:
            assert argument == "self" or argument in row, f"{name}: {argument}"
    assert f"`astrodetect.core.hooks.HOOKS_VERSION`, {HOOKS_VERSION};" in text


def test_every_public_name_is_documented():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in set(astrodetect.__all__) - {"__version__", "hookimpl"}:
        home = getattr(astrodetect, name).__module__
        assert name in text or re.search(rf"automodule:: {re.escape(home)}\n   :members:\n", text), name
        assert getattr(astrodetect, name).__doc__


def test_every_command_and_option_says_what_it_does():
    def walk(command, path):
        assert command.get_short_help_str(), path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path}: {parameter.opts[0]}"
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path)
            for name in command.list_commands(context):
                walk(command.get_command(context, name), f"{path} {name}")

    walk(cli, "astrodetect")
