"""A training that is not worth it is not begun: the run is green, says why, and nothing comes after the decision."""

import json
from pathlib import Path
from typing import Any

import pytest
from journeys import SAMPLE, Told
from planned import run_as_planned
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter

from tasks.base_fetching import find_base
from tasks.core.receipts import Standing, ValidExamples
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import CONTENT_KEY, EXAMPLES_DIGEST, TRIED_BY
from tasks.core.settings import Settings, WorthSettings
from tasks.weighing import DAY, find_standing

NEW = 20  # rows of a third month


@pytest.fixture(scope="module")
def asked(settings: Settings) -> Settings:
    """Give settings that ask for more new rows than the third month has, for a model of their own."""
    registry = settings.registry.model_copy(update={"name": "weighed-assistant"})
    return settings.model_copy(update={"registry": registry, "worth": WorthSettings(min_new_rows=NEW + 1)})


@pytest.fixture(scope="module")
def begun(asked: Settings, first: Told) -> Told:
    """Make a champion of what the first run trained."""
    return run_as_planned(asked, perhaps=None)  # whether it is worth it is weighed on the way


@pytest.fixture(scope="module")
def more(asked: Settings, begun: Told, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Give the settings with a few rows more."""
    path = tmp_path_factory.mktemp("more") / "2026-09.jsonl"
    path.write_bytes(b"".join((SAMPLE / path.name).read_bytes().splitlines(keepends=True)[:NEW]))
    logs = asked.logs.model_copy(update={"paths": (*asked.logs.paths, str(path))})
    return asked.model_copy(update={"logs": logs})


@pytest.fixture(scope="module")
def skipped(more: Settings) -> Told:
    return run_as_planned(more, perhaps=None)


def built(told: Told) -> list[str]:
    return [step.name for step in told[1].steps if not step.cached]


def standing_of(told: Told, settings: Settings, **given: Any) -> Standing:
    examples = next(one for one in told[1].receipts if isinstance(one, ValidExamples))
    worth = settings.worth.model_copy(update=given.pop("worth", {}))
    source = find_base(settings.model)
    by = given.pop("by", "of the settings")
    return find_standing.task.fn(settings.workspace, examples, source, settings.registry, worth, by, **given)


def test_without_a_champion_it_is_trained(begun: Told) -> None:
    assert begun[0]["status"] == "promoted"
    assert built(begun)[0] == "weighing"
    assert begun[0]["worth"] == {
        "train": True,
        "reason": "Train, because there is no champion yet.",
        "drift": {},
    }
    assert "Train, because there is no champion yet." in (
        Path(begun[0]["run_dir"]) / "summary.txt"
    ).read_text(encoding="utf-8")


def test_too_little_that_is_new_ends_the_run_before_a_base_is_fetched(
    begun: Told, skipped: Told, more: Settings
) -> None:
    outcome, followed = skipped
    assert outcome["status"] == "skipped"
    assert followed.steps[-1].name == "weighing"
    assert not {"base_fetching", "tokenization", "adapter_training"} & {one.name for one in followed.steps}
    assert outcome["error"] is None
    assert outcome["model"] == {}
    assert outcome["rows"]["in"] == 260 + NEW
    assert outcome["rows"]["train"] == outcome["worth"]["training_rows"]
    new = outcome["worth"]["new"]
    assert 0 < new <= NEW
    came = [one[0]["rows"]["kept"] + one[0]["rows"]["duplicates"] for one in (skipped, begun)]
    assert outcome["worth"]["came"] == came[0] - came[1] > 0
    assert outcome["worth"]["gone"] == 0
    assert outcome["reason"].startswith(f"Skip, because {new} of {outcome['rows']['train']} training rows (")
    assert f"worth.min_new_rows asks for {NEW + 1}." in outcome["reason"]
    assert set(outcome["worth"]["drift"]) == {"language", "product", "length"}
    assert len(open_registry(more.workspace).versions("weighed-assistant")) == 1


def test_the_reason_is_wherever_a_run_is_looked_at(skipped: Told) -> None:
    outcome = skipped[0]
    folder, reason = Path(outcome["run_dir"]), outcome["reason"]
    assert json.loads((folder / "outcome.json").read_text(encoding="utf-8"))["reason"] == reason
    assert " ".join((folder / "summary.txt").read_text(encoding="utf-8").split()).startswith(
        f"NOTHING TO DO {reason}"
    )
    for name in ("report.html", "public_report.html"):
        page = (folder / name).read_text(encoding="utf-8")
        assert page.count(reason) == 1
        assert "drift of language" in page
    with get_client(sync_client=True) as prefect:
        named = FlowRunFilter.model_validate({"name": {"like_": outcome["run_id"]}})
        (run,) = prefect.read_flow_runs(flow_run_filter=named)
        assert run.state is not None
        assert run.state.is_completed()
        assert run.state.message == f"Nothing to do: {reason}"
        wanted = ArtifactFilter.model_validate({"key": {"any_": ["summary", "weighing-receipt"]}})
        told = {
            one.key: str(one.data)
            for one in prefect.read_artifacts(artifact_filter=wanted, flow_run_filter=named)
        }
    assert told["summary"].startswith(f"# Nothing to do\n\n{reason}\n")
    assert told["weighing-receipt"].startswith(f"**weighing**: {reason}\n")


def test_the_same_question_is_answered_from_the_store_on_any_day(more: Settings, skipped: Told) -> None:
    again = run_as_planned(more)
    assert built(again) == []
    assert again[0]["reason"] == skipped[0]["reason"]
    later = {"now": 4e9, "worth": {"max_days": 30}}
    assert standing_of(skipped, more, now=4e9) == standing_of(skipped, more)
    assert standing_of(skipped, more, **later) != standing_of(skipped, more)


def test_a_champion_is_old_after_the_days_that_are_set(more: Settings, skipped: Told) -> None:
    champion = open_registry(more.workspace).champion("weighed-assistant")
    assert champion is not None
    made, worth = champion.created, {"max_days": 30}
    assert not standing_of(skipped, more, worth=worth, now=made + 29.9 * DAY).overdue
    assert standing_of(skipped, more, worth=worth, now=made + 30.1 * DAY).overdue


def test_a_champion_whose_data_or_base_is_not_ours_is_told_so(more: Settings, skipped: Told) -> None:
    ours = standing_of(skipped, more)
    assert (ours.version, ours.at_hand, ours.other_base) == (1, True, False)
    registry = open_registry(more.workspace)
    tags = {
        "freshtune.examples_digest": "0" * 64,
        "freshtune.base_identity": "another",
    }
    kept = {name: str(registry.version("weighed-assistant", 1).tags[name]) for name in tags}  # type: ignore[union-attr]
    registry.tag_version("weighed-assistant", 1, tags)
    theirs = standing_of(skipped, more)
    registry.tag_version("weighed-assistant", 1, kept)
    assert (theirs.version, theirs.at_hand, theirs.other_base) == (1, False, True)


def test_rows_that_a_kept_challenger_was_trained_on_are_not_new(
    more: Settings, begun: Told, skipped: Told
) -> None:
    registry, name = open_registry(more.workspace), "weighed-assistant"
    champion = registry.champion(name)
    assert champion is not None
    tags = champion.tags | {CONTENT_KEY: "of a challenger"}
    number = registry.register(name, champion.run_id, "models:/none", tags, "a challenger")
    try:
        assert standing_of(skipped, more).tried == 0, "it may still be promoted"
        registry.tag_version(name, number, {TRIED_BY: "of the settings"})
        assert standing_of(skipped, more).tried == number
        assert standing_of(skipped, more, by="other ones").tried == 0
        assert standing_of(begun, more).tried == 0, "the gate may be another, on the same data"
        registry.tag_version(name, number, {EXAMPLES_DIGEST: "0" * 64})
        assert standing_of(skipped, more).tried == 0, "its data is not here"
    finally:
        registry.client.delete_model_version(name, str(number))


def test_the_budget_stops_other_data_and_lets_ours_be_ended(more: Settings, begun: Told) -> None:
    registry = more.registry.model_copy(update={"name": "weighed-and-spent"})
    worth = WorthSettings(max_trainings=1, budget_days=1)
    spent = run_as_planned(more.model_copy(update={"worth": worth, "registry": registry}), perhaps=None)
    assert spent[0]["status"] == "skipped"
    assert "ended within 1 day, and worth.max_trainings allows 1" in spent[0]["reason"]
    assert spent[1].steps[-1].name == "weighing"
    ours, theirs = (standing_of(one, more, worth={"max_trainings": 1}).spent for one in (begun, spent))
    assert ours < theirs, "the first run trained on the data of the one and not of the other"


def test_after_a_challenger_was_kept_out_a_few_rows_more_are_not_worth_another(
    more: Settings, tmp_path: Path
) -> None:
    strict = more.gate.model_copy(update={"min_gain": 99.0})
    given = {"gate": strict, "worth": WorthSettings(min_new_rows=NEW // 2)}
    kept = run_as_planned(more.model_copy(update=given), perhaps=None)
    assert (kept[0]["status"], kept[0]["worth"]["train"]) == ("kept", True)
    lines = (SAMPLE / "2026-09.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "later.jsonl").write_bytes(b"".join(lines[NEW : NEW + 5]))
    logs = more.logs.model_copy(update={"paths": (*more.logs.paths, str(tmp_path / "later.jsonl"))})
    later = run_as_planned(more.model_copy(update={**given, "logs": logs}), perhaps=None)
    assert later[0]["status"] == "skipped"
    assert f"since version {kept[0]['model']['version']} was tried" in later[0]["reason"]
    loose = run_as_planned(more.model_copy(update={"worth": given["worth"], "logs": logs}), perhaps=None)
    assert loose[0]["worth"]["train"], "another gate may let it pass"
