"""The command line: a group whose commands are loaded only when they are called, so that --help is quick.

Commands that a family of problems adds are registered under `discovery.commands`: click commands whose modules load what
they need when they are called.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import version

import click

from discovery.cli.pipes import BrokenOffError
from discovery.core import plugins

GUESTS: plugins.Group = "discovery.commands"
COMMANDS = {
    "run": ("search", "Search for better programs from a problem's seed."),
    "resume": ("search", "Go on with a run that ended or was killed."),
    "inject": ("steer", "Put a program of your own into a search under way."),
    "hint": ("steer", "Tell the models of a search what to consider."),
    "pause": ("steer", "Let a search begin nothing new, or go on."),
    "budget": ("steer", "Give a search other limits while it works."),
    "compare": ("compare", "Tell whether one configuration is better than another, on paired seeds."),
    "distil": ("distil", "Leave out of a run's best program whatever it does not need."),
    "best": ("history", "Print or save the best program of a run."),
    "log": ("history", "List a run's programs."),
    "show": ("history", "Show one program: where it came from, how it did, its text."),
    "diff": ("history", "Show what changed between two programs."),
    "archive": ("history", "Tell how full each island's archive is, and what it holds."),
    "report": ("history", "Write one self-contained HTML file about a run."),
    "watch": ("service", "Show a run as a live page in the browser."),
    "verify": ("problems", "Judge a run's best program again and certify it; check a certificate."),
    "evaluate": ("problems", "Judge one program file."),
    "check": ("problems", "Tell what is wrong with a problem module."),
    "new": ("problems", "Write a small problem to start from."),
    "convert": ("foreign", "Begin a problem from a folder of OpenEvolve, ShinkaEvolve or LoongFlow."),
    "serve": ("service", "Host runs behind an HTTP API."),
    "submit": ("client", "Begin a run on a service."),
    "list": ("client", "List the runs of a service."),
    "status": ("client", "Tell how a run of a service is doing."),
    "stop": ("client", "End a run of a service."),
    "fetch": ("client", "Clone the lineage of a run of a service."),
    "mcp": ("agents", "Serve a coding agent: a service's runs as tools of the Model Context Protocol."),
    "model": ("model", "Serve a small real model from this machine."),
    "memory": ("learned", "Show, export or import what a run learned."),
    "purge": ("learned", "Take a program that cheats out of a run, with all that came of it."),
    "worker": ("service", "Do jobs of runs that use a broker."),
    "completion": ("completion", "Print the completion of commands for a shell."),
    "doctor": ("problems", "Tell which protections and tools this machine has."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names, in the order of the table, then those that packages add."""
        return [*COMMANDS, *(name for name in plugins.names(GUESTS) if name not in COMMANDS)]

    def invoke(self, ctx: click.Context) -> object:
        """Calls the command.

        Raises:
            BrokenOffError: a pipe broke.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise BrokenOffError from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns a command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return plugins.load(GUESTS)[cmd_name] if cmd_name in plugins.names(GUESTS) else None
        module = importlib.import_module(f"discovery.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, {"list": "list_runs"}.get(cmd_name, cmd_name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the command that is named; for one that is not there, the nearest is proposed."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f"did you mean {close[0]!r}?" if close else "see: discovery --help"
            ctx.fail(f"there is no command {args[0]!r:.60}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table of commands; only those that packages add are loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        guests = [name for name in plugins.names(GUESTS) if name not in COMMANDS]
        if guests:
            with formatter.section("Commands of families of problems"):
                loaded = plugins.load(GUESTS)
                formatter.write_dl([(name, loaded[name].get_short_help_str(80)) for name in guests])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(version("code-discovery"), prog_name="discovery")
def cli() -> None:
    """Discover better programs: models and mathematics mutate, sandboxes judge, islands select, git remembers."""
