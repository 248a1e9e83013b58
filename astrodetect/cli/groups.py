"""Groups of commands that say which name comes nearest to one that they do not know."""

from __future__ import annotations

import click


class NearestGroup(click.Group):
    """A group that suggests the nearest command, whatever version of click is installed."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first argument.

        Raises
        ------
        UsageError
            There is none of that name.
        """
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            from astrodetect.core.registry import nearest

            raise click.UsageError(f"no command {name!r}{nearest(name, self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)
