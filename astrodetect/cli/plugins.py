"""``astrodetect plugins``: what is installed, what its settings are, whether it keeps the rules."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from astrodetect.cli.completion import plugin_names
from astrodetect.cli.groups import NearestGroup

if TYPE_CHECKING:
    from astrodetect.core.registry import Listing

#: Kinds of plugins; `astrodetect.core.stages.KINDS` has the same, and is not imported for ``--help``.
_KINDS = (
    "source", "preprocessor", "scorer", "selector", "extractor", "classifier", "detector", "postprocessor",
    "calibration",
)  # fmt: skip


@click.group(cls=NearestGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List what is installed: kind, distribution, failures."""
    if ctx.invoked_subcommand is not None:
        return
    from astrodetect.core.registry import list_plugins

    listings = list_plugins()
    failing = [listing for listing in listings if listing.failure]
    if as_json:
        click.echo(json.dumps([_plain(listing) for listing in listings], indent=2))
        return
    for listing in sorted(listings, key=lambda listing: (listing.kind, listing.plugin.name)):
        plugin = listing.plugin
        origin = f"{plugin.distribution} {plugin.version}"
        kind = listing.kind or "FAILS"
        click.echo(f"{kind:14s}{plugin.name:22s}{origin:28s}{listing.failure}".rstrip())
    if failing:
        click.echo(f"{len(failing)} of {len(listings)} plugins fail", err=True)


def _plain(listing: Listing) -> dict[str, str]:
    found = dataclasses.asdict(listing.plugin)
    return {**found, "kind": listing.kind, "failure": listing.failure}


@plugins.command()
@click.argument("name", shell_complete=plugin_names)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def show(name: str, as_json: bool) -> None:
    """Print the settings of one plugin."""
    from astrodetect.core import registry
    from astrodetect.core.settings import describe
    from astrodetect.core.stages import kind_of

    plugin = registry.find(name)
    cls: type[Any] = registry.load(name)
    if as_json:
        click.echo(json.dumps(_described(name, cls), indent=2))
        return
    origin = f" ({plugin.distribution} {plugin.version})" if plugin.distribution else ""
    click.echo(f"{name}: {kind_of(cls)}{origin}")
    summary = (cls.__doc__ or "").strip().split("\n\n")[0]
    click.echo("  " + " ".join(summary.split()))
    for what in ("needs", "gives"):
        planes = getattr(cls, what)
        if planes:
            click.echo(f"  {what} the planes {', '.join(planes)}")
    for setting in describe(cls):
        given = "required" if setting.default is dataclasses.MISSING else f"default {setting.default!r}"
        click.echo(f"\n  {setting.name}: {setting.type} ({given})")
        if setting.help:
            click.echo(click.wrap_text(setting.help, 96, "      ", "      "))


def _described(name: str, cls: type[Any]) -> dict[str, Any]:
    from astrodetect.core.settings import describe
    from astrodetect.core.stages import kind_of

    settings = [
        {
            "name": setting.name, "type": setting.type, "help": setting.help,
            "required": setting.default is dataclasses.MISSING,
            "default": None if setting.default is dataclasses.MISSING else setting.default,
        }
        for setting in describe(cls)
    ]  # fmt: skip
    plain: dict[str, Any] = json.loads(json.dumps({"settings": settings}, default=str))
    planes = {"needs": list(cls.needs), "gives": list(cls.gives)}
    return {"name": name, "kind": kind_of(cls), **planes, **plain}


@plugins.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(_KINDS), required=True, help="What the plugin is.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="Where to write it; default: here."
)
def new(name: str, kind: str, folder: Path) -> None:
    """Write a plugin package into the new folder NAME.

    It holds a small stage of the kind that works, its tests and the line that makes astrodetect see it.
    """
    from astrodetect.scaffold import write_package

    for path in write_package(name, kind, folder):
        click.echo(folder / path)
    click.echo(f"\nnext: cd {folder / name} && pip install -e '.[test]' && pytest", err=True)


@plugins.command()
@click.argument("name", required=False, shell_complete=plugin_names)
@click.pass_context
def check(ctx: click.Context, name: str | None) -> None:
    """Run the conformance tests on installed plugins; exit status 1 if any fails.

    They run with the default settings. A plugin with a setting that must be given is not tested here:
    its author's tests subclass the conformance tests and give it.
    """
    from astrodetect.core import registry

    failed = False
    for plugin_name in [name] if name else list(registry.installed()):
        verdict, problems = _verdict(plugin_name)
        failed = failed or bool(problems)
        click.echo(f"{plugin_name}: {verdict}")
        for problem in problems:
            click.echo(f"    {problem}")
    if failed:
        ctx.exit(1)


def _verdict(name: str) -> tuple[str, list[str]]:
    """Give what to say of a plugin, and which promises it does not keep."""
    from astrodetect.core import registry
    from astrodetect.core.errors import PluginError
    from astrodetect.core.settings import describe
    from astrodetect.core.testing import conformance_problems

    try:
        cls: type[Any] = registry.load(name)
    except PluginError as error:
        return "FAILS", [str(error)]
    required = [setting.name for setting in describe(cls) if setting.default is dataclasses.MISSING]
    if lacking := cls.unavailable():
        return f"not tested, since {lacking}", []
    if required:
        return f"not tested, since it needs the settings {', '.join(required)}", []
    problems = conformance_problems(cls)
    return ("FAILS" if problems else "conforms"), problems
