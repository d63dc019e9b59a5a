"""The approval form: where the gate asks for a person's word, the run pauses in Prefect and waits for it."""

import os
from uuid import UUID

from prefect import get_client, runtime
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Running
from pydantic import Field

from flows.own_server import ADDRESS, is_own_server
from tasks.core.receipts import Answer, Decision, RegisteredModel
from tasks.core.registry.client import CHALLENGER, CHAMPION, Registry, open_registry
from tasks.core.registry.lineage import SET_ASIDE, WAITING
from tasks.core.report.tables import interval
from tasks.core.settings import Settings
from tasks.journal import RUNNING, StepRun, journal

MINUTE = 60  # seconds
OFTEN = 5  # seconds between two looks whether the form was filled in
NAME = "approval"


class Approval(RunInput):
    """What a person says to a challenger."""

    promote: bool = Field(description="Yes makes the challenger champion; no sets it aside.")
    why: str = Field(default="", description="The reason, for the history.", max_length=1000)
    who: str = Field(default="", description="Your name, for the history.", max_length=200)


def ask_person(registered: RegisteredModel, decision: Decision, settings: Settings) -> Answer | None:
    """Pause the run until somebody fills in its form, or says it in the shell, and give the answer.

    None where nobody did in `gate.wait_minutes`, where the run has a server of its own, which nobody looks at, and where
    the question was answered before. The challenger bears its alias while it waits, and after.
    """
    client = open_registry(settings.workspace)
    if _is_answered(client, registered):
        return None
    client.set_alias(registered.name, CHALLENGER, registered.version)
    address, minutes = os.environ.get(ADDRESS, ""), settings.gate.wait_minutes
    if not address or is_own_server(address) or not minutes:
        return None
    waiting = {WAITING: str(runtime.flow_run.id)}
    client.tag_version(registered.name, registered.version, waiting)
    told = f"version {registered.version} waits for a word: the run's page in Prefect, or `freshtune promote`"
    journal().tell(StepRun(NAME, RUNNING, cached=False, seconds=0.0, told=told))
    form = Approval.with_initial_data(description=question(registered, decision))
    try:
        said: Approval = pause_flow_run(form, timeout=MINUTE * minutes, poll_interval=OFTEN)
    except FlowPauseTimeout:
        with get_client(
            sync_client=True
        ) as prefect:  # of itself Prefect takes a run that nobody answered for failed
            prefect.set_flow_run_state(UUID(waiting[WAITING]), Running(), force=True)
        return None
    finally:
        client.tag_version(registered.name, registered.version, {WAITING: ""})
    return Answer(approved=said.promote, who=said.who.strip() or "someone in Prefect", why=said.why.strip())


def question(registered: RegisteredModel, decision: Decision) -> str:
    """Say in Markdown what is asked, with the verdict and the figures behind it."""
    rows = [f"| {who} | {interval(gain)} |" for who, gain in decision.gains.items()]
    fallen = [one["slice"] for one in decision.slices if one["fell"]]
    return "\n".join(
        [
            f"## Shall version {registered.version} of {registered.name} become champion?",
            "",
            decision.reason,
            "",
            "| over | gain, nats per token |",
            "|---|---|",
            *rows,
            "",
            f"Slices that fell: {', '.join(fallen) or 'none'}. The artifacts of this run have the whole evaluation.",
        ]
    )


def _is_answered(client: Registry, registered: RegisteredModel) -> bool:
    """Say whether the version is champion, or was set aside, by now."""
    mine = client.version(registered.name, registered.version)
    return client.aliases(registered.name).get(CHAMPION) == registered.version or bool(
        mine and mine.tags.get(SET_ASIDE)
    )
