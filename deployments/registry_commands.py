"""Commands on the registry: what is there, what became of it, and who is champion."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deployments.options import of_the_registry
from deployments.printing import print_result, shorten
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.core.export.weights import WeightType

VERSION = click.argument("version", type=click.IntRange(1))
WHY = click.option("--why", required=True, help="The reason; it is kept in the history.")


@click.command()
@click.option("--history", is_flag=True, help="Tell every change of who is champion: when, by whom, and why.")
@of_the_registry
def models(settings: Settings, history: bool, as_json: bool) -> None:
    """List the registry's versions with their aliases and why they were promoted, or kept out.

    \b
    Example:
      freshtune models
      freshtune models --history
    """
    from flows.registry_reading import list_events, list_versions

    if history:
        events = list_events(settings)
        lines = [_event_line(one) for one in events] or ["Nothing has become champion yet."]
        print_result({"schema": 1, "status": "done", "events": events}, "\n".join(lines), as_json=as_json)
        return
    found = list_versions(settings)
    lines = [
        f"{one['name']} {one['version']:>3}  {','.join(one['aliases']) or '-':<10} {one['created']}  "
        + shorten(_standing(one), 90)
        for one in found
    ] or ["No version yet: freshtune run"]
    print_result({"schema": 1, "status": "done", "versions": found}, "\n".join(lines), as_json=as_json)


@click.command()
@VERSION
@WHY
@of_the_registry
def promote(settings: Settings, version: int, why: str, as_json: bool) -> None:
    """Make VERSION champion, whatever the gate said of it.

    \b
    Example:
      freshtune promote 3 --why "Read fifty of its replies."
    """
    from flows.registry_moves import promote_version

    _tell(promote_version(settings, version, why), as_json=as_json)


@click.command()
@VERSION
@WHY
@of_the_registry
def reject(settings: Settings, version: int, why: str, as_json: bool) -> None:
    """Set VERSION aside: no gate makes it champion then.

    \b
    Example:
      freshtune reject 4 --why "It promises refunds."
    """
    from flows.registry_moves import reject_version

    _tell(reject_version(settings, version, why), as_json=as_json)


@click.command()
@click.option(
    "--why", default="Taken back.", show_default=True, help="The reason; it is kept in the history."
)
@of_the_registry
def rollback(settings: Settings, why: str, as_json: bool) -> None:
    """Make the version champion again that the champion replaced; said again, it leads further back.

    \b
    Example:
      freshtune rollback --why "Customers complain."
    """
    from flows.registry_moves import roll_back_champion

    _tell(roll_back_champion(settings, why), as_json=as_json)


@click.command()
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--requester", default="", help="Where the rows of this requester went, as the log names them.")
@click.option("--conversation", default="", help="Where the rows of this conversation went.")
@click.option("--row", default="", help="Where this row went, by its id.")
@of_the_registry
def trace(
    settings: Settings,
    version: int | None,
    requester: str,
    conversation: str,
    row: str,
    as_json: bool,
) -> None:
    """Trace VERSION back to what it was made of, or rows to every dataset and version that has them.

    \b
    Example:
      freshtune trace 3
      freshtune trace --requester ann@example.org
    """
    asked = {"requester": requester, "conversation": conversation, "row_id": row}
    sought = {name: value for name, value in asked.items() if value}
    if bool(sought) == (version is not None):
        raise click.UsageError("Give a VERSION, or some of --requester, --conversation and --row.")
    from flows import registry_reading

    told = registry_reading.trace(settings, version or 0, sought)
    print_result(
        told, "\n".join(_row_lines(told["rows"]) if sought else _lineage_lines(told)), as_json=as_json
    )


@click.command()
@VERSION
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--what",
    type=click.Choice(["merged", "adapter", "gguf"]),
    default="merged",
    show_default=True,
    help="The merged model with its tokenizer, as a folder or as one GGUF file, or the adapter alone.",
)
@click.option(
    "--type", "kind", type=click.Choice(["f16", "f32"]), help="Of the weights in a GGUF file.  [default: f16]"
)
@of_the_registry
def export(
    settings: Settings, version: int, target: Path, what: str, kind: "WeightType | None", as_json: bool
) -> None:
    """Copy VERSION into a new folder TARGET, for servers such as vLLM, or into a file of llama.cpp's; every file is checked.

    \b
    Example:
      freshtune export 3 models/support-3
      freshtune export 3 adapters/support-3 --what adapter
      freshtune export 3 models/support-3.gguf --what gguf
    """
    if kind and what != "gguf":
        raise click.UsageError("--type goes with --what gguf only.")
    from flows import exporting

    place = target.expanduser().absolute()
    if what == "gguf":
        told = exporting.export_version_as_gguf(settings, version, place, kind or "f16")
        print_result(told, "\n".join(_gguf_lines(told, target)), as_json=as_json)
        return
    told = exporting.export_version(settings, version, place, what)
    line = f"{told['name']} version {version}: {len(told['files'])} files in {target}."
    print_result(told, line, as_json=as_json)


def _gguf_lines(told: dict[str, Any], target: Path) -> list[str]:
    compared = told["compared"]
    if compared is None:
        asked = "Token ids and answers were not compared: llama-cpp-python is not installed."
    else:
        answers = compared["answers"] + compared["ties"]
        asked = (
            f"llama.cpp reads {compared['texts']} texts into the same tokens, and gives the same answers to "
            f"{compared['answers']} of {answers} questions."
        )
        if compared["ties"]:
            asked += " The others part where the model itself sees two tokens nearly alike."
    size = f"{told['size'] / 2**20:,.1f} MiB"
    return [
        f"{told['name']} version {told['version']}: {target}, {size}.",
        f"Its {told['weights']} weights ({told['type']}) were read back and compared with the registered ones.",
        f"Prompt and answer are {told['context']:,} tokens at most.",
        asked,
        *told["limits"],
    ]


def _row_lines(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["No dataset in this workspace's store has such a row."]
    lines = [f"{'row':<18}{'conversation':<20}{'line':>7}  {'split':<9} {'datasets':<22} versions"]
    for row in rows:
        names = ", ".join(one[:8] for one in row["datasets"])
        learned = ", ".join(map(str, row["versions"])) or "-"
        lines.append(
            f"{row['row_id']:<18}{shorten(row['conversation'], 18):<20}{row['line']:>7}  {row['split']:<9} "
            f"{shorten(names, 22):<22} {learned}"
        )
    return lines


def _lineage_lines(told: dict[str, Any]) -> list[str]:
    rows = told["rows"]
    counts = (
        f"{rows['train']:,} trained on, {rows['held_out']:,} held out, of {rows['in']:,} read"
        if rows
        else "not in this workspace's store"
    )
    settings = ", ".join(
        f"{name}={told['settings'][name]}"
        for name in ("lora.method", "lora.rank", "training.epochs", "training.learning_rate", "training.seed")
        if name in told["settings"]
    )
    lines = [
        f"{told['name']} version {told['version']}"
        + (f" ({', '.join(told['aliases'])})" if told["aliases"] else ""),
        f"  base       {told['base']}, held as {told['quantization']}",
        *([f"  went on    from {_ancestry(told)}"] if told["parent"] else []),
        f"  rows       {counts}",
        f"  logs       {len(told['logs'])} shards",
        f"  settings   {settings}",
        f"  packages   {', '.join(told['packages']) or 'not told'}",
        f"  runs       {', '.join(told['runs']) or 'none in this workspace'}",
    ]
    lines += [f"  {name:<10} {digest}" for name, digest in told["digests"].items()]
    return [*lines, *(f"  {_event_line(one)}" for one in told["history"])]


def _ancestry(told: dict[str, Any]) -> str:
    """Name the versions that a training went on from, the nearest first."""
    known = [f"version {one}" for one in told["ancestors"]]
    lost = [f"version {told['lost_ancestor']}, which is gone"] if told["lost_ancestor"] else []
    return ", that from ".join([*known, *lost])


def _tell(outcome: dict[str, Any], *, as_json: bool) -> None:
    was = f"version {outcome['before']}" if outcome["before"] else "none"
    lines = {
        "promoted": f"{outcome['name']} version {outcome['after']} is champion; before it was {was}.",
        "rolled back": f"{outcome['name']} version {outcome['after']} is champion again; version {outcome['before']} is set aside.",
        "rejected": f"{outcome['name']} version {outcome['version']} is set aside; champion is {was}.",
    }
    kept_out = f"\nThe gate had kept it out: {outcome['kept_out']}" if outcome.get("kept_out") else ""
    print_result(outcome, lines[outcome["status"]] + kept_out, as_json=as_json)


def _standing(version: dict[str, Any]) -> str:
    """Say why a version is, or was, champion, or why it never was."""
    if version["set_aside"]:
        return f"set aside by {version['set_aside']}"
    kept_out = f"kept out: {version['kept_out']}" if version["kept_out"] else ""
    reason: str = version["reason"]
    return reason or kept_out


def _event_line(event: dict[str, Any]) -> str:
    before = f"version {event['before']}" if event["before"] else "none"
    change = f"{before} → version {event['after']}" if event["before"] != event["after"] else ""
    what = change or f"version {event['version']}"
    who = f"by {event['who']}" if event["who"] else "by somebody"
    return (
        f"{event['when']}  {event['kind']:<15} {what:<24} {who}: {shorten(event['why'] or '(no reason)', 70)}"
    )
