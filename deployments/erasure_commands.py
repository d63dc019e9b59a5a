"""Commands that remove: what a person has asked for, and what nobody needs any more."""

from typing import Any

import click

from deployments.options import of_the_registry
from deployments.printing import print_result
from tasks.core.report.wording import size
from tasks.core.settings import Settings


@click.command()
@click.option("--requester", required=True, help="Whose rows go, exactly as the log names them.")
@click.option("--dry-run", is_flag=True, help="Say what would go; nothing is changed.")
@of_the_registry
def forget(settings: Settings, requester: str, dry_run: bool, as_json: bool) -> None:
    """Remove every row of a requester from the workspace, and leave them out of every later run.

    Artifacts that hold such a row go, and what was made from them, and are built again without it by the next run. Versions
    that were trained on it are told, and stay; so are the lines of your own logs.

    \b
    Example:
      freshtune forget --requester ann@example.org --dry-run
      freshtune forget --requester ann@example.org
    """
    if not requester.strip():
        raise click.UsageError("--requester is empty: rows without a requester are of nobody.")
    from flows.forgetting import forget_requester

    told = forget_requester(settings, requester, dry_run=dry_run)
    print_result(told, "\n".join(_lines(told, dry_run=dry_run)), as_json=as_json)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go; nothing is changed.")
@of_the_registry
def clean(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Remove old runs and the artifacts that only they used; the champion, the versions around it and their lineage stay.

    The registry is not touched. What goes can be built again from the logs.

    \b
    Example:
      freshtune clean --dry-run
      freshtune clean --set retention.keep_runs=5
    """
    from flows.cleaning_up import clean_workspace

    told = clean_workspace(settings, dry_run=dry_run)
    print_result(told, "\n".join(_cleaning_lines(told, dry_run=dry_run)), as_json=as_json)


def _cleaning_lines(told: dict[str, Any], *, dry_run: bool) -> list[str]:
    kept = ", ".join(told["kept_versions"]) or "none"
    will = "would go" if dry_run else "went"
    gone = f"{len(told['runs'])} runs, {len(told['artifacts'])} artifacts, {len(told['leftovers'])} leftovers"
    return [
        f"{size(told['bytes'])} {will}: {gone}.",
        f"Kept: the last {told['kept_runs']} runs, and the lineage of {kept}.",
    ]


def _lines(told: dict[str, Any], *, dry_run: bool) -> list[str]:
    nothing = not told["rows"] and not told["artifacts"] and not told["files"]
    lines = [_headline(told, dry_run=dry_run, nothing=nothing)]
    if not nothing:
        going = (
            f"{len(told['artifacts']):,} artifacts and {len(told['files']):,} files, {size(told['bytes'])}"
        )
        lines += [
            f"  rows       {told['rows']:,} of {told['conversations']:,} conversations",
            f"  {'would go' if dry_run else 'removed':<10} {going}",
        ]
    if told["rewritten"]:
        lines.append(f"  {'would be' if dry_run else 'were'} rewritten: {', '.join(told['rewritten'])}")
    if told["versions"]:
        lines.append(f"  versions   trained on them, and still there: {', '.join(told['versions'])}")
    if told["versions_unknown"]:
        unknown = ", ".join(told["versions_unknown"])
        lines.append(
            f"  versions   of which nobody can say it any more, since their data left the store: {unknown}"
        )
    lines += [f"  your log   {one['file']} still has {one['lines']:,} lines of them" for one in told["logs"]]
    lines += [f"  your log   {path} could not be read: look for yourself" for path in told["unread_logs"]]
    if told["rows_of_others_naming"]:
        lines.append(
            f"  others     name them in {told['rows_of_others_naming']:,} of their own rows, which stay"
        )
    return [*lines, *([] if dry_run else ["  hits       0 in every file of the workspace"])]


def _headline(told: dict[str, Any], *, dry_run: bool, nothing: bool) -> str:
    if nothing and told["known"]:
        return "Forgotten already: nothing of this requester is in the workspace."
    if nothing:
        future = "would be left out" if dry_run else "will be left out"
        return f"Nothing of this requester is in the workspace; rows that later logs bring {future}."
    return "This requester would be forgotten:" if dry_run else "This requester is forgotten."
