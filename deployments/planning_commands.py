"""The door that says what a run would do, without doing it."""

from contextlib import closing

import click

from deployments.options import JSON, LOGS, RECIPE, SETS, WORKSPACE
from deployments.printing import print_result
from deployments.settings_reading import read_settings


@click.command()
@RECIPE
@click.option(
    "--on",
    "others",
    multiple=True,
    metavar="GPU",
    help="Foresee the memory of this GPU, too: a name such as h100, or GiB; repeatable.",
)
@LOGS
@SETS
@WORKSPACE
@JSON
def plan(
    recipe: str,
    others: tuple[str, ...],
    logs: tuple[str, ...],
    sets: tuple[str, ...],
    workspace: str | None,
    as_json: bool,
) -> None:
    """Say what a run would do: what comes from the store, what runs and why, time, memory and disk. It changes nothing.

    \b
    Example:
      freshtune plan demo --set training.epochs=2
      freshtune plan demo --on h100 --on 24
    """
    from tasks.core.planning.memory_forecast import Forecaster, gib_of

    settings = read_settings(recipe, sets, logs, workspace)
    for name in others:
        gib_of(name)
    with closing(Forecaster()) as forecaster:
        if others or not (settings.workspace / "store" / "adapter_training").exists():
            forecaster.open()  # nothing is remembered, so that it will be asked
        from flows.preflight import look_first
        from tasks.core.planning.story import plan_text

        look_first(settings, with_base=True)
        from flows.environment import look_only

        look_only(settings.workspace)
        from flows.planning import plan_run

        planned = plan_run(settings, others, forecaster)
    print_result(planned, plan_text(planned), as_json=as_json)
