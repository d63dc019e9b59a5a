"""Completion: what a shell offers behind `freshtune`: commands and options by themselves, recipes, settings and runs by name."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click
import pydantic
from click.shell_completion import CompletionItem, get_completion_class

from deployments.settings_reading import RECIPES
from tasks.core.settings import Settings

VARIABLE = "_FRESHTUNE_COMPLETE"
SHELLS = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/config.fish"}


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what lets a shell complete commands, recipes, settings and runs: eval "$(freshtune completion bash)"."""
    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"Nothing is known of {shell}.")
    try:
        text = maker(context.find_root().command, {}, "freshtune", VARIABLE).source()
    except RuntimeError as error:  # of a bash that is too old
        raise click.UsageError(str(error)) from error
    click.echo(text)
    if sys.stdout.isatty():
        click.echo(
            f'# Put this at the end of {SHELLS[shell]}:  eval "$(freshtune completion {shell})"', err=True
        )


def recipes_like(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the recipes, and files once a path was begun."""
    if "/" in begun:
        return [CompletionItem(begun, type="file")]
    return _items((path.stem for path in sorted(RECIPES.glob("*.yaml"))), begun)


def settings_like(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the settings, each up to its `=`."""
    names = (
        f"{section}.{name}="
        for section, told in Settings.model_fields.items()
        if isinstance(told.annotation, type) and issubclass(told.annotation, pydantic.BaseModel)
        for name in told.annotation.model_fields
    )
    return _items(names, begun)


def runs_like(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the runs of the workspace, the newest first."""
    workspace = Path(context.params.get("workspace") or Settings().workspace)
    names = sorted((path.name for path in (workspace / "runs").glob("*")), reverse=True)
    return _items(["latest", *names], begun)


def _items(names: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(begun)]
