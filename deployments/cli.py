"""The command line: parses, calls a flow, prints, maps errors to exit codes; nothing else."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from deployments.bench.__main__ import main as bench
from deployments.completion import completion, runs_like
from deployments.erasure_commands import clean, forget
from deployments.operating_commands import deploy, down, status, up, worker
from deployments.options import (
    JSON,
    RECIPE,
    SETS,
    WORKSPACE,
    heard,
    of_a_recipe,
    of_the_registry,
    workspace_of,
)
from deployments.planning_commands import plan
from deployments.printing import fail, keep_traceback, print_result, say
from deployments.quarantine_commands import quarantine_group
from deployments.registry_commands import export, models, promote, reject, rollback, trace
from deployments.run_records import find_run, list_runs, read_run, run_line
from deployments.service_commands import service
from deployments.serving_commands import answer, serve
from deployments.settings_reading import read_settings
from deployments.telling import telling
from tasks.core.errors import BelowBar, FreshtuneError, Stopped
from tasks.core.report.wording import clock
from tasks.core.settings import Settings
from tasks.core.starting import start_quickly


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="freshtune")
@click.pass_context
def cli(context: click.Context) -> None:
    """New support logs in, a better model out; or no change, and the reason why."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


REQUIRED = click.option(
    "--require-promotion", is_flag=True, help="Exit with 5 unless the run's version is champion."
)


@cli.command()
@of_a_recipe
@heard
@REQUIRED
def run(settings: Settings, as_json: bool, quiet: bool, verbose: bool, require_promotion: bool) -> None:
    """Retrain, here and now: logs in, a judged and registered model out.

    RECIPE is a name in deployments/recipes/ or a path.

    \b
    Example:
      freshtune run demo
      freshtune run thunderbird --logs logs/2025-01.jsonl --set training.epochs=1
    """
    told = Told(as_json, quiet, verbose)
    _call("run_retrain", settings, told, need_champion=require_promotion)


@cli.command()
@of_a_recipe
@click.option(
    "--trials", type=click.IntRange(1, 1000), help="Most settings to try, in place of sweep.trials."
)
@heard
@REQUIRED
def sweep(
    settings: Settings,
    trials: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    require_promotion: bool,
) -> None:
    """Try settings first (rank, learning rate, targets, epochs), and retrain with the best, here and now.

    \b
    Example:
      freshtune sweep demo --trials 8
      freshtune sweep demo --set 'sweep.learning_rate={low: 0.001, high: 0.01}'
    """
    if trials:
        settings = settings.model_copy(update={"sweep": settings.sweep.model_copy(update={"trials": trials})})
    told = Told(as_json, quiet, verbose)
    _call("run_sweep", settings, told, need_champion=require_promotion)


@cli.command()
@of_a_recipe
@heard
def check(settings: Settings, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Check logs: the data chapter only, up to examples, with the quality report.

    \b
    Example:
      freshtune check thunderbird --logs 'logs/*.jsonl'
    """
    _call("run_check", settings, Told(as_json, quiet, verbose))


@cli.command()
@RECIPE
@SETS
@WORKSPACE
@JSON
def doctor(recipe: str, sets: tuple[str, ...], workspace: str | None, as_json: bool) -> None:
    """Find out whether everything is wired: versions, device, 4-bit, tokenizer, disk, servers.

    \b
    Example:
      freshtune doctor
    """
    from deployments.doctor import examine, finding_lines

    settings = read_settings(recipe, sets, (), workspace)
    _prepare(settings)
    findings = examine(settings)
    lines = [line for finding in findings for line in finding_lines(finding)]
    print_result({"schema": 1, "status": "done", "findings": findings}, "\n".join(lines), as_json=as_json)
    if any(finding["state"] == "fail" for finding in findings):
        sys.exit(4)


@cli.command()
@WORKSPACE
@JSON
def runs(workspace: str | None, as_json: bool) -> None:
    """List past runs, newest first.

    \b
    Example:
      freshtune runs
    """
    found = list_runs(workspace_of(workspace))
    lines = [run_line(one) for one in found] or ["No run yet: freshtune run"]
    print_result({"schema": 1, "status": "done", "runs": found}, "\n".join(lines), as_json=as_json)


@cli.command()
@click.argument("name", metavar="RUN", default="latest", shell_complete=runs_like)
@WORKSPACE
@JSON
@click.option(
    "--replies", is_flag=True, help="Show replies before and after training, and to golden cases; private."
)
def show(name: str, workspace: str | None, as_json: bool, replies: bool) -> None:
    """Show one run: `latest`, its id, or the beginning of its id.

    \b
    Example:
      freshtune show latest --replies
    """
    folder = find_run(workspace_of(workspace), name)
    text = folder / ("replies.txt" if replies else "summary.txt")
    record = read_run(folder)
    print_result(
        record,
        text.read_text(encoding="utf-8") if text.exists() else f"{record['status']}: {record['reason']}",
        as_json=as_json,
    )


@cli.command()
@click.argument("question")
@click.option("--model", default="champion", show_default=True, help="`champion` or a version's number.")
@click.option("--max-new-tokens", default=100, show_default=True, type=click.IntRange(1, 4096))
@of_the_registry
def ask(settings: Settings, question: str, model: str, max_new_tokens: int, as_json: bool) -> None:
    """Ask a registered version one question, formatted exactly as in training.

    \b
    Example:
      freshtune ask "My notes do not sync. What can I do?"
    """
    from flows.answering import answer_question

    answered = answer_question(settings, question, model, max_new_tokens)
    print_result(answered, answered["reply"] or "(the model said nothing)", as_json=as_json)


cli.add_command(completion)
cli.add_command(bench, "bench")
cli.add_command(plan)
cli.add_command(quarantine_group)
for command in (
    *(up, down, status, deploy, worker, service, serve, answer, clean),
    *(models, promote, reject, rollback, trace, export, forget),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with the code of what happened."""
    start_quickly()
    signal.signal(signal.SIGTERM, _stop)
    as_json, given = "--json" in sys.argv, dict[str, str | None]()
    try:
        cli(standalone_mode=False, obj=given)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except click.ClickException as error:
        fail("SettingsError", error.format_message(), "See --help.", 2, as_json=as_json)
    except FreshtuneError as error:
        fail(
            type(error).__name__,
            error.message,
            error.cure,
            error.exit_code,
            as_json=as_json,
            run=error.record,
        )
    except (KeyboardInterrupt, click.Abort):
        cure = "Start again: it goes on from what is complete."
        fail("Stopped", "Stopped by the keyboard.", cure, 130, as_json=as_json)
    except BrokenPipeError:
        os._exit(0)  # whoever read our output has seen enough
    except Exception as error:  # noqa: BLE001 - a bug: its traceback is kept for whoever mends it
        cure = f"Its traceback is in {keep_traceback(workspace_of(given.get('workspace')) / 'logs')}."
        fail(type(error).__name__, "This is a bug in Freshtune.", cure, 1, as_json=as_json)


@dataclass(frozen=True)
class Told:
    """How a command tells what happens: its result as JSON, and how much of its steps."""

    as_json: bool
    quiet: bool = False
    verbose: bool = False


def _call(name: str, settings: Settings, told: Told, *, need_champion: bool = False) -> None:
    """Call a flow, telling of its steps on standard error, and print what came of it.

    With `need_champion`, exit as below the bar unless the run's version holds the alias now, whoever gave it.
    """
    from flows.preflight import look_first

    look_first(settings, with_base=name != "run_check")
    _prepare(settings)
    began = time.monotonic()
    from flows.own_server import must_set_up, start_own_server

    once = "; this once, a database for Prefect is set up" if must_set_up(settings.workspace) else ""
    _say(f"starting{once} …", told)
    start_own_server(settings.workspace)
    from flows import running

    start: Callable[..., dict[str, Any]] = getattr(running, name)
    with telling(quiet=told.quiet, verbose=told.verbose) as tell:
        outcome = start(settings, tell)
    text = (Path(outcome["run_dir"]) / "summary.txt").read_text(encoding="utf-8")
    below = None
    if need_champion and "champion" not in outcome["model"].get("aliases", ()):
        reason = f"The run's version is not champion: {outcome['reason']}"
        below = BelowBar(reason, cure="See the run's report.")
        outcome["error"] = {"type": "BelowBar", "message": below.message, "cure": below.cure}
    _say(f"done in {clock(time.monotonic() - began)}, with Prefect's start", told)
    print_result(outcome, text, as_json=told.as_json)
    if below:
        click.echo(f"Error: {below}", err=True)
        sys.exit(below.exit_code)


def _say(line: str, told: Told) -> None:
    if not told.quiet:
        say(line)


def _prepare(settings: Settings) -> None:
    from flows.environment import prepare

    prepare(settings.workspace)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped("Stopped by a signal.", cure="Start again: it goes on from what is complete.")


if __name__ == "__main__":
    main()
