"""Commands that answer: a version behind an address."""

import click

from deployments.options import of_the_registry
from deployments.printing import print_result, say
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
