"""Options that the doors share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deployments.completion import recipes_like, settings_like
from deployments.settings_reading import read_settings
from flows.environment import HERE
from tasks.core.settings import Settings


def _remember(context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Leave the workspace where `main` finds it when a bug ends the command."""
    context.ensure_object(dict)["workspace"] = value
    return value


def workspace_of(given: str | None) -> Path:
    """Give the workspace of a command, absolute."""
    return Path(given or Settings().workspace).expanduser().absolute()


LOGS = click.option(
    "--logs", multiple=True, metavar="PATH", help="Log file or glob in place of the recipe's; repeatable."
)
SETS = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="SECTION.FIELD=VALUE",
    shell_complete=settings_like,
    help="Change one setting; repeatable.",
)
WORKSPACE = click.option(
    "--workspace",
    metavar="FOLDER",
    envvar=HERE,
    callback=_remember,
    is_eager=True,
    help=f"Where all files go.  [default: {HERE}, or .freshtune]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
RECIPE = click.argument("recipe", default="demo", shell_complete=recipes_like)


def of_a_recipe(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the settings of a recipe, with what is changed on the command line, as `settings`, and `as_json`."""

    @RECIPE
    @LOGS
    @SETS
    @WORKSPACE
    @JSON
    @functools.wraps(command)
    def call(
        recipe: str, logs: tuple[str, ...], sets: tuple[str, ...], workspace: str | None, **given: Any
    ) -> None:
        command(settings=read_settings(recipe, sets, logs, workspace), **given)

    return call


def heard(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `quiet` and `verbose`: how much it says of its steps on standard error."""
    louder = click.option("-v", "--verbose", is_flag=True, help="Say with each step what became of the rows.")
    softer = click.option("-q", "--quiet", is_flag=True, help="Say nothing of the steps, only how it ended.")
    return louder(softer(command))


RECIPE_OPTION = click.option(
    "--recipe",
    default="demo",
    show_default=True,
    shell_complete=recipes_like,
    help="Recipe that names the registry's model.",
)


def of_the_registry(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the settings of its recipe and workspace as `settings`, with the environment set up, and `as_json`."""

    @RECIPE_OPTION
    @SETS
    @WORKSPACE
    @JSON
    @functools.wraps(command)
    def call(recipe: str, sets: tuple[str, ...], workspace: str | None, **given: Any) -> None:
        from flows.environment import prepare

        settings = read_settings(recipe, sets, (), workspace)
        prepare(settings.workspace)
        command(settings=settings, **given)

    return call
