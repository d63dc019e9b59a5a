"""The doors of `freshtune quarantine`."""

from pathlib import Path
from typing import Any

import click

from deployments.options import JSON, WORKSPACE, workspace_of
from deployments.printing import print_result
from deployments.run_records import find_run
from tasks.core.errors import SettingsError

RUN = click.option("--run", "run_name", default="latest", show_default=True, help="Which run's quarantine.")
RULE = click.option("--rule", default="", help="Only rows that broke this rule.")


@click.group("quarantine")
def quarantine_group() -> None:
    """See what a run rejected and why; mend rows and take them back.

    \b
    Example:
      freshtune quarantine list
      freshtune quarantine export rejected.jsonl --rule not_json
    """


@quarantine_group.command("list")
@RUN
@RULE
@click.option("--all", "every", is_flag=True, help="Also rows that were filtered, repeated or over length.")
@WORKSPACE
@JSON
def list_rejected(run_name: str, rule: str, every: bool, workspace: str | None, as_json: bool) -> None:
    """List rejected rows with file, line, rule and reason; their text is not shown.

    \b
    Example:
      freshtune quarantine list --all --rule short_reply
    """
    from deployments import quarantine

    table = _table(workspace, run_name)
    rows = quarantine.chosen(table, every=every, rule=rule)
    lines = quarantine.list_lines(rows) or [quarantine.nothing_chosen(table, every=every, rule=rule)]
    record = {"schema": 1, "status": "done", "rows": [quarantine.public(row) for row in rows]}
    print_result(record, "\n".join(lines), as_json=as_json)


@quarantine_group.command("show")
@click.argument("row", metavar="ROW")
@RUN
@WORKSPACE
@JSON
def show_rejected(row: str, run_name: str, workspace: str | None, as_json: bool) -> None:
    """Show one rejected row with its private content; ROW is its id or the beginning of it.

    \b
    Example:
      freshtune quarantine show 3f9c
    """
    from deployments import quarantine

    found = quarantine.find_row(_table(workspace, run_name), row)
    text = "\n".join(f"{name:<12} {value}" for name, value in found.items() if value not in ("", None))
    print_result({"schema": 1, "status": "done", **found}, text, as_json=as_json)


@quarantine_group.command("export")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@RUN
@RULE
@WORKSPACE
@JSON
def export_rejected(target: Path, run_name: str, rule: str, workspace: str | None, as_json: bool) -> None:
    """Write rows in quarantine as JSON lines, to be mended and given to `readmit`.

    \b
    Example:
      freshtune quarantine export rejected.jsonl
    """
    from deployments import quarantine

    table = _table(workspace, run_name)
    rows = quarantine.chosen(table, every=False, rule=rule)
    none = "" if rows else quarantine.nothing_chosen(table, every=False, rule=rule)
    if none and rule:
        raise SettingsError(
            none,
            cure="No file was written: `freshtune quarantine list --all` has the rows that were filtered or repeated.",
        )
    count = quarantine.export(rows, target)
    text = f"{count} rows are in {target}. Mend them, then: freshtune quarantine readmit {target}"
    text = f"{none} There is nothing to mend, and {target} is empty." if none else text
    print_result({"schema": 1, "status": "done", "count": count, "file": str(target)}, text, as_json=as_json)


@quarantine_group.command("fix")
@click.argument("row", metavar="ROW")
@click.option(
    "--set", "sets", multiple=True, required=True, metavar="FIELD=TEXT", help="Change a field; repeatable."
)
@RUN
@WORKSPACE
@JSON
def fix_rejected(
    row: str, sets: tuple[str, ...], run_name: str, workspace: str | None, as_json: bool
) -> None:
    """Mend one row in place and take it back in the next run.

    \b
    Example:
      freshtune quarantine fix 3f9c --set reply="Restart the app, then sign in again."
    """
    from deployments import quarantine

    changes = {}
    for one in sets:
        name, is_set, value = one.partition("=")
        if not is_set:
            raise SettingsError("--set is not of the form FIELD=TEXT.", cure='For example: --set reply="…"')
        changes[name] = value
    found = quarantine.find_row(_table(workspace, run_name), row)
    quarantine.fix(workspace_of(workspace), found, changes)
    text = f"{found['row_id']} is taken back in the next run."
    print_result({"schema": 1, "status": "done", "count": 1}, text, as_json=as_json)


@quarantine_group.command("readmit")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@RUN
@WORKSPACE
@JSON
def readmit_rejected(source: Path, run_name: str, workspace: str | None, as_json: bool) -> None:
    """Take back the mended rows of an exported file, all of them or none.

    \b
    Example:
      freshtune quarantine readmit rejected.jsonl
    """
    from deployments import quarantine

    count = quarantine.readmit(workspace_of(workspace), _table(workspace, run_name), source)
    text = f"{count} rows are taken back in the next run."
    print_result({"schema": 1, "status": "done", "count": count}, text, as_json=as_json)


def _table(workspace: str | None, run_name: str) -> list[dict[str, Any]]:
    from deployments import quarantine

    return quarantine.read_table(find_run(workspace_of(workspace), run_name))
