"""``astrodetect plugins``: what is installed, what its settings are, whether it keeps the rules."""

from __future__ import annotations

import dataclasses

import click


@click.group(invoke_without_command=True)
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """List what is installed: kind, distribution, failures."""
    if ctx.invoked_subcommand is not None:
        return
    from astrodetect.core.registry import list_plugins

    listings = list_plugins()
    failing = [listing for listing in listings if listing.failure]
    for listing in sorted(listings, key=lambda listing: (listing.kind, listing.plugin.name)):
        plugin = listing.plugin
        origin = f"{plugin.distribution} {plugin.version}"
        kind = listing.kind or "FAILS"
        click.echo(f"{kind:14s}{plugin.name:22s}{origin:28s}{listing.failure}".rstrip())
    if failing:
        click.echo(f"{len(failing)} of {len(listings)} plugins fail", err=True)


@plugins.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the settings of one plugin."""
    from astrodetect.core import registry
    from astrodetect.core.settings import describe
    from astrodetect.core.stages import kind_of

    plugin = registry.find(name)
    cls = registry.load(name)
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


@plugins.command()
@click.argument("name", required=False)
@click.pass_context
def check(ctx: click.Context, name: str | None) -> None:
    """Run the conformance tests on installed plugins."""
    from astrodetect.core import registry
    from astrodetect.core.errors import PluginError
    from astrodetect.core.testing import conformance_problems

    failed = False
    for plugin_name in [name] if name else list(registry.installed()):
        try:
            problems = conformance_problems(registry.load(plugin_name))
        except PluginError as error:
            problems = [str(error)]
        failed = failed or bool(problems)
        click.echo(f"{plugin_name}: {'conforms' if not problems else 'FAILS'}")
        for problem in problems:
            click.echo(f"    {problem}")
    if failed:
        ctx.exit(1)
