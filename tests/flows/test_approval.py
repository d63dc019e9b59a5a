"""Where the gate asks, the run waits for its form in Prefect, for a word in the shell, or until its time is over."""

import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from journeys import Told, run_here
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL

from flows import approval
from flows.own_server import ADDRESS
from flows.registry_moves import promote_version, reject_version
from tasks.core.receipts import Decision, RegisteredModel
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import WAITING
from tasks.core.registry.transitions import history
from tasks.core.settings import Settings


@pytest.fixture
def asking(
    settings: Settings, first: Told, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Give settings that ask, of a model of its own for each test, at a server that others see."""
    monkeypatch.setenv(ADDRESS, str(PREFECT_API_URL.value()))
    monkeypatch.setattr(approval, "OFTEN", 1)
    name = request.node.name.removeprefix("test_").replace("_", "-")
    return settings.model_copy(
        update={
            "gate": settings.gate.model_copy(update={"mode": "ask", "wait_minutes": 1}),
            "registry": settings.registry.model_copy(update={"name": name}),
        }
    )


def waiting_run(settings: Settings) -> FlowRun:
    """Wait for the run that waits for a word on version 1, and give it."""
    end = time.monotonic() + 60
    with get_client(sync_client=True) as prefect:
        while time.monotonic() < end:
            version = open_registry(settings.workspace).version(settings.registry.name, 1)
            if version and version.tags.get(WAITING):
                wanted = FlowRunFilter.model_validate({"id": {"any_": [version.tags[WAITING]]}})
                (run,) = prefect.read_flow_runs(flow_run_filter=wanted)
                if run.state and run.state.is_paused():
                    return run
            time.sleep(0.2)
    raise TimeoutError("no run waits for a word")


def run_and(settings: Settings, speak: Callable[[], Any]) -> Told:
    """Run the story here while another thread says a word."""
    said: list[BaseException] = []

    def listen() -> None:
        try:
            speak()
        except BaseException as error:  # noqa: BLE001 - told below
            said.append(error)

    speaker = Thread(target=listen)
    speaker.start()
    told = run_here(settings)
    speaker.join()
    assert not said, said
    return told


def told_history(settings: Settings) -> list[tuple[str, int, str, str]]:
    events = history(open_registry(settings.workspace), settings.registry.name)
    return [(one.kind, one.version, one.who, one.why) for one in events]


@pytest.fixture
def form(asking: Settings) -> Callable[..., None]:
    def fill_in(**said: Any) -> None:
        run = waiting_run(asking)
        assert run.state
        assert run.state.state_details.run_input_keyset
        with get_client(sync_client=True) as prefect:
            shown = prefect.read_artifacts(
                flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [run.id]}}),
                artifact_filter=ArtifactFilter.model_validate({"key": {"any_": ["decision", "evaluation"]}}),
            )
            assert {one.key for one in shown} == {"decision", "evaluation"}
            prefect.resume_flow_run(run.id, run_input=said)

    return fill_in


def test_a_yes_in_the_form_promotes(asking: Settings, form: Callable[..., None]) -> None:
    outcome, _ = run_and(asking, lambda: form(promote=True, who="Ann", why="Read ten replies."))
    assert outcome["status"] == "promoted"
    assert outcome["reason"] == "Ann said yes: Read ten replies."
    assert outcome["model"]["aliases"] == ["champion"]
    assert told_history(asking) == [("promoted", 1, "Ann", "Read ten replies.")]


def test_a_no_in_the_form_sets_aside(asking: Settings, form: Callable[..., None]) -> None:
    outcome, _ = run_and(asking, lambda: form(promote=False, who="Bob", why="Too curt."))
    assert (outcome["status"], outcome["reason"]) == ("kept", "Bob said no: Too curt.")
    assert outcome["model"]["aliases"] == []
    assert told_history(asking) == [("rejected", 1, "Bob", "Too curt.")]


@pytest.mark.parametrize("approved", [True, False])
def test_a_word_in_the_shell_lets_the_run_go_on(asking: Settings, approved: bool) -> None:
    say = promote_version if approved else reject_version

    def speak() -> None:
        waiting_run(asking)
        say(asking, 1, "Said in the shell.")

    outcome, _ = run_and(asking, speak)
    assert outcome["status"] == ("promoted" if approved else "kept")
    (event,) = told_history(asking)
    assert event[:2] == ("promoted" if approved else "rejected", 1)
    assert event[3] == "Said in the shell."


def test_without_a_word_the_question_stays_open(asking: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "MINUTE", 2)
    outcome, _ = run_here(asking)
    assert outcome["status"] == "awaiting-approval"
    assert outcome["model"]["aliases"] == ["challenger"]
    version = open_registry(asking.workspace).version(asking.registry.name, 1)
    assert version is not None
    assert not version.tags[WAITING]
    promote_version(asking, 1, "Late, but yes.")
    again, followed = run_here(asking)
    assert again["model"]["aliases"] == ["champion"]
    assert [step.name for step in followed.steps if not step.cached] == ["promotion"]


def test_the_question_tells_what_may_be_forgotten() -> None:
    registered = RegisteredModel(path="r", digest="r", name="m", version=3, run_id="run", content_key="c")
    gain = {"mean": -0.02, "low": -0.05, "high": 0.01, "rows": 140, "groups": 31}
    decision = Decision(
        path="d",
        digest="d",
        outcome="ask",
        reason="The gains are beyond noise.",
        gains={"base": gain},
        slices=[{"slice": "earlier rows", **gain, "fell": False}],
        earlier="140 rows of 31 requesters",
        general={**gain, "languages": {"en": gain}, "fell": []},
    )
    asked = approval.question(registered, decision)
    assert "Earlier rows: 140 rows of 31 requesters, gain -0.020, interval -0.050 to +0.010." in asked
    assert "General text: gain over the base -0.020, interval -0.050 to +0.010; en -0.020." in asked
    plain = approval.question(registered, decision.model_copy(update={"earlier": "", "general": {}}))
    assert plain.endswith("No slice fell. The artifacts of this run have the whole evaluation.")
