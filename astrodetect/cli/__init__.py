"""The command line: a thin click layer, one file per command, heavy imports inside functions."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from astrodetect.cli.groups import NearestGroup

#: Commands and the modules that hold them, in the order of ``--help``.
_COMMANDS = {
    "run": "run",
    "check": "check",
    "pipelines": "pipelines",
    "plugins": "plugins",
    "simulate": "simulate",
    "evaluate": "evaluate",
    "dataset": "dataset",
    "train": "train",
    "study": "study",
    "catalog": "catalog",
    "events": "events",
    "report": "report",
    "plot": "plot",
    "calibrate": "calibrate",
    "init": "init",
    "doctor": "doctor",
    "completion": "completion",
}


class _Commands(NearestGroup):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *sorted(name for name in _hook_commands() if name not in _COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            module = import_module(f"astrodetect.cli.{_COMMANDS[cmd_name]}")
            command: click.Command = getattr(module, cmd_name)
            return command
        return _hook_commands().get(cmd_name)


def _hook_commands() -> dict[str, click.Command]:
    """Give the commands that hook plugins add."""
    from astrodetect.core.hooks import HookCaller

    caller = HookCaller(warn=lambda line: click.echo(f"warning: {line}", err=True))
    commands = [command for given in caller.call("astrodetect_commands") for command in given or ()]
    return {command.name: command for command in commands if command.name}


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from astrodetect import __version__

        click.echo(f"astrodetect {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Find what happened in large astronomical frames, and write a catalog of it."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the status of the contract.

    0 all went well; 1 something failed or was found; 2 wrong usage, configuration or input; 3 stopped
    before the end; 130 after Ctrl-C.
    """
    sys.exit(_status(arguments))


def _status(arguments: list[str] | None) -> int:
    from astrodetect.core.errors import AstrodetectError, StoppedError
    from astrodetect.core.printing import printable_lines

    try:
        result: Any = cli.main(arguments, prog_name="astrodetect", standalone_mode=False, color=_colours())
        return result if isinstance(result, int) else 0
    except StoppedError as error:
        _complain("stopped:", printable_lines(str(error)))
        return 3
    except AstrodetectError as error:
        _complain("error:", printable_lines(str(error)))
        return 2
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        _complain("error:", _wrong_usage(error))
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130


def _colours() -> bool | None:
    """Give False where nobody wants colours (https://no-color.org), else None: on terminals only."""
    return False if os.environ.get("NO_COLOR") else None


def _complain(word: str, text: str) -> None:
    click.echo(f"{click.style(word, fg='red')} {text}", err=True, color=_colours())


def _wrong_usage(error: click.ClickException) -> str:
    """Give what is wrong and where to read how it is done."""
    from astrodetect.core.printing import printable_lines

    text = printable_lines(error.format_message())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return text if context is None else f"{text}\nhow it is used: {context.command_path} --help"
