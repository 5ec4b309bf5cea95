"""`discovery completion`: commands, options and their values completed by the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print the completion of commands and options for SHELL, which reads it at its start.

    \b
    bash: eval "$(discovery completion bash)"     in ~/.bashrc
    zsh:  eval "$(discovery completion zsh)"      in ~/.zshrc, after compinit
    fish: discovery completion fish | source      in ~/.config/fish/config.fish
    """
    from discovery.cli.main import cli

    made = get_completion_class(shell)
    assert made is not None, "click knows all three"
    click.echo(made(cli, {}, "discovery", "_DISCOVERY_COMPLETE").source())
