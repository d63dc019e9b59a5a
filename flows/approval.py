"""The approval form: where the gate asks for a person's word, the run pauses in Prefect and waits for it."""

import logging
import os
import time
from collections.abc import Iterator
from uuid import UUID

from prefect import get_client, runtime
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Running
from pydantic import Field

from flows.own_server import ADDRESS, is_own_server
from tasks.announcing import show_question
from tasks.core.errors import ServiceError
from tasks.core.receipts import EARLIER, Answer, Decision, Evaluation, RegisteredModel
from tasks.core.registry.client import CHALLENGER, CHAMPION, Registry, open_registry
from tasks.core.registry.lineage import SET_ASIDE, TRIED_BY, WAITING
from tasks.core.report.tables import general_words, interval
from tasks.core.settings import Settings
from tasks.foresight import foreseeing
from tasks.journal import RUNNING, StepRun, journal
from tasks.lid import only_shown
from tasks.notifying import notify

MINUTE = 60  # seconds
LONGEST_WHY, LONGEST_WHO = 1000, 200  # characters
TRIES = 5  # a second apart
OFTEN = 5  # seconds between two looks whether the form was filled in
NAME = "approval"
logger = logging.getLogger("freshtune")


class Approval(RunInput):
    """What a person says to a challenger."""

    promote: bool = Field(description="Yes makes the challenger champion; no sets it aside.")
    why: str = Field(default="", description="The reason, for the history.", max_length=LONGEST_WHY)
    who: str = Field(default="", description="Your name, for the history.", max_length=LONGEST_WHO)


def ask_person(registered: RegisteredModel, decision: Decision, settings: Settings) -> Answer | None:
    """Pause the run until somebody fills in its form, or says it in the shell, and give the answer.

    None where nobody did in `gate.wait_minutes`, where the run has a server of its own, which nobody looks at, and where
    the question was answered before. The challenger bears its alias while it waits, and after. A plan asks nobody.
    """
    if foreseeing():
        return None
    client = open_registry(settings.workspace)
    if _is_answered(client, registered):
        return None
    client.set_alias(registered.name, CHALLENGER, registered.version)
    address, minutes = os.environ.get(ADDRESS, ""), settings.gate.wait_minutes
    if not address or is_own_server(address) or not minutes:
        return None
    waiting = {WAITING: str(runtime.flow_run.id), TRIED_BY: journal().settings_key}
    client.tag_version(registered.name, registered.version, waiting)
    told = f"version {registered.version} waits for a word: the run's page in Prefect, or `freshtune promote`"
    journal().tell(StepRun(NAME, RUNNING, cached=False, seconds=0.0, told=told))
    told = notify(
        registered.name, "awaiting-approval", decision.reason, runtime.flow_run.name.rpartition(" ")[2]
    )
    journal().warnings += [told] if told else []
    asked = question(registered, decision)
    show_question(asked, (one for one in journal().receipts if isinstance(one, Evaluation)))
    form = Approval.with_initial_data(description=asked)
    try:
        said: Approval = pause_flow_run(form, timeout=MINUTE * minutes, poll_interval=OFTEN)
    except FlowPauseTimeout:
        with get_client(
            sync_client=True
        ) as prefect:  # of itself Prefect takes a run that nobody answered for failed
            prefect.set_flow_run_state(UUID(waiting[WAITING]), Running(), force=True)
        return None
    finally:
        _forget_waiting(client, registered, waiting[WAITING])
    return Answer(approved=said.promote, who=said.who.strip() or "someone in Prefect", why=said.why.strip())


def _forget_waiting(client: Registry, registered: RegisteredModel, run: str) -> None:
    """Say that this run waits no more; where MLflow is away, what was answered counts all the same."""
    try:
        mine = client.version(registered.name, registered.version)
        if mine and mine.tags.get(WAITING) == run:
            client.tag_version(registered.name, registered.version, {WAITING: ""})
    except ServiceError as error:
        journal().warn(
            f"The registry still says that version {registered.version} waits: {error.message}", error.cure
        )


def answer_form(run: str, *, promote: bool, why: str, who: str) -> None:
    """Fill in the form of a run that waits, so that it goes on; one that has not paused yet is tried for a few seconds.

    Where Prefect is away, or the run was killed, a warning says so: what was said is done in the registry already.
    """
    said = {"promote": promote, "why": why[:LONGEST_WHY], "who": who[:LONGEST_WHO]}
    with only_shown(), get_client(sync_client=True) as prefect:
        for _ in range(TRIES):
            if prefect.resume_flow_run(UUID(run), run_input=said).status == SetStateStatus.ACCEPT:
                return
            time.sleep(1)
        logger.warning("The run %s that waits for this word could not be told of it.", run)


def question(registered: RegisteredModel, decision: Decision) -> str:
    """Say in Markdown what is asked, with the verdict and the figures behind it."""
    rows = [f"| {who} | {interval(gain)} |" for who, gain in decision.gains.items()]
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
            " ".join(
                ["No slice fell.", *_beside(decision), "The artifacts of this run have the whole evaluation."]
            ),
        ]
    )


def _beside(decision: Decision) -> Iterator[str]:
    """Say how earlier rows and general text stand."""
    if decision.earlier:
        found = next((one for one in decision.slices if one["slice"] == EARLIER), None)
        yield f"Earlier rows: {decision.earlier}{f', gain {interval(found)}' if found else ''}."
    if decision.general:
        yield f"General text: {general_words(decision.general)}."


def _is_answered(client: Registry, registered: RegisteredModel) -> bool:
    """Say whether the version is champion, or was set aside, by now."""
    mine = client.version(registered.name, registered.version)
    return client.aliases(registered.name).get(CHAMPION) == registered.version or bool(
        mine and mine.tags.get(SET_ASIDE)
    )
