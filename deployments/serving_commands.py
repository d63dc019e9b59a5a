"""Commands that answer: a version behind an address, and a file of questions."""

from pathlib import Path
from typing import Any

import click

from deployments.options import heard, of_the_registry
from deployments.printing import print_result, say
from deployments.telling import telling
from tasks.core.settings import Settings

MODEL = click.option(
    "--model", default="champion", show_default=True, help="`champion` or a version's number."
)


@click.command()
@MODEL
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 is any that is free."
)
@click.option(
    "--poll-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.1, 86400),
    help="How often to look whether there is another champion.",
)
@click.option(
    "--most-waiting",
    default=16,
    show_default=True,
    type=click.IntRange(0, 1000),
    help="Requests that may wait for the one under way; more are refused with 429.",
)
@click.option(
    "--drain-seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="How long requests may go on after a signal.",
)
@of_the_registry
def serve(
    settings: Settings,
    model: str,
    host: str,
    port: int,
    poll_seconds: float,
    most_waiting: int,
    drain_seconds: float,
    as_json: bool,
) -> None:
    """Serve a registered version to OpenAI's clients; the champion is followed when it changes.

    The token is in serve.token of the workspace, or given by FRESHTUNE_SERVE_TOKEN.

    \b
    Example:
      freshtune serve
      freshtune serve --model 3 --port 9000
    """
    from flows.serving import serve_version

    told = serve_version(
        settings,
        model,
        host,
        port,
        interval=poll_seconds,
        waiting=most_waiting,
        patience=drain_seconds,
        tell=say,
    )
    print_result(told, f"{told['answered']:,} answered, {told['refused']:,} refused.", as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the replies go, as JSON lines; what is there is replaced.",
)
@MODEL
@click.option("--max-new-tokens", default=100, show_default=True, type=click.IntRange(1, 4096))
@heard
@of_the_registry
def answer(
    settings: Settings,
    file: Path,
    out: Path,
    model: str,
    max_new_tokens: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Answer every row of FILE, which has the columns `question` and, if you like, `id`.

    JSON lines, JSON, CSV, TSV or Parquet. Rows that cannot be asked are told beside OUT, in a file that ends in
    .rejected.jsonl, each with its line and the reason. Stopped, it goes on from what is complete.

    \b
    Example:
      freshtune answer questions.jsonl --out replies.jsonl
    """
    from flows.own_server import start_own_server

    start_own_server(settings.workspace)
    from flows.running import run_answers

    paths = {"file": file.expanduser().absolute(), "out": out.expanduser().absolute()}
    with telling(quiet=quiet, verbose=verbose) as tell:
        told = run_answers(settings, tell, **paths, model=model, max_new_tokens=max_new_tokens)
    print_result(told, "\n".join(_answer_lines(told)), as_json=as_json)


def _answer_lines(told: dict[str, Any]) -> list[str]:
    rows, tokens = told["rows"], told["tokens"]
    counts = f"{rows['in']:,} rows in = {rows['answered']:,} answered + {rows['refused']:,} refused"
    lines = [
        f"{told['name']} version {told['version']}: {counts}.",
        f"  tokens  {tokens['prompt']:,} read, {tokens['reply']:,} written",
        f"  replies {told['out']}",
    ]
    return [*lines, f"  refused {told['rejected']}"] if rows["refused"] else lines
