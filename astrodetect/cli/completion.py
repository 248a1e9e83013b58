"""``astrodetect completion``: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that lets a shell complete commands, options and names.

    bash: put  eval "$(astrodetect completion bash)"  into ~/.bashrc; zsh: the same with zsh into
    ~/.zshrc; fish: astrodetect completion fish > ~/.config/fish/completions/astrodetect.fish
    """
    from click.shell_completion import get_completion_class

    from astrodetect.cli import cli

    found = get_completion_class(shell)
    assert found is not None  # one of the three
    click.echo(found(cli, {}, "astrodetect", "_ASTRODETECT_COMPLETE").source())


def plugin_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Give the plugins whose name begins so."""
    from astrodetect.core.registry import installed

    return [name for name in installed() if name.startswith(incomplete)]


def pipeline_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Give the built-in pipelines whose name begins so."""
    from astrodetect import pipelines

    return [name for name in pipelines.names() if name.startswith(incomplete)]
