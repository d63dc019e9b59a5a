"""Options that the doors share."""

from pathlib import Path

import click

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
    "--set", "sets", multiple=True, metavar="SECTION.FIELD=VALUE", help="Change one setting; repeatable."
)
WORKSPACE = click.option(
    "--workspace",
    metavar="FOLDER",
    callback=_remember,
    is_eager=True,
    help="Where all files go.  [default: .freshtune]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
RECIPE = click.argument("recipe", default="demo")
RECIPE_OPTION = click.option(
    "--recipe", default="demo", show_default=True, help="Recipe that names the registry's model."
)
