"""The door that says what a run would do, without doing it."""

import sys
from contextlib import closing

import click

from deployments.options import of_a_recipe
from deployments.printing import print_result
from tasks.core.settings import Settings


@click.command()
@of_a_recipe
@click.option(
    "--on",
    "others",
    multiple=True,
    metavar="GPU",
    help="Foresee the memory of this GPU, too: a name such as h100, or GiB; repeatable.",
)
@click.option(
    "--exact",
    is_flag=True,
    help="Do the steps of the data aside, and the gate's, to know what they give; takes as long as they do.",
)
def plan(settings: Settings, others: tuple[str, ...], exact: bool, as_json: bool) -> None:
    """Say what a run would do: what comes from the store, what runs and why, time, memory and disk. It changes nothing.

    \b
    Example:
      freshtune plan demo --set training.epochs=2
      freshtune plan demo --on h100 --on 24
      freshtune plan demo --exact --set format.held_out=0.2
    """
    from deployments.telling import telling
    from tasks.core.planning.memory_forecast import Forecaster, gib_of

    for name in others:
        gib_of(name)
    with closing(Forecaster()) as forecaster:
        forecaster.open()  # it imports for as long as the rest takes, and is perhaps not asked
        from flows.preflight import look_first
        from tasks.core.planning.story import plan_text

        look_first(settings, with_base=True)
        from flows.environment import look_only

        look_only(settings.workspace)
        from flows.planning import plan_run

        with telling(quiet=not (exact and sys.stderr.isatty())) as tell:
            planned = plan_run(settings, others, forecaster, exact=exact, on_step=tell)
    print_result(planned, plan_text(planned), as_json=as_json)
