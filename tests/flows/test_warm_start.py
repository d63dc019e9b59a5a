"""A team whose logs grow goes on from its champion: on what is new and some of what was, judged by the same gate, once."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from journeys import SAMPLE, Told, sweep_here
from planned import run_as_planned

from flows.forgetting import forget_requester
from flows.registry_reading import trace
from tasks.core.fitting.learned import keys_of, load_learned
from tasks.core.receipts import (
    Adapter,
    BaseModel,
    ChosenRows,
    Parent,
    TokenRows,
    TrialAdapter,
    ValidExamples,
)
from tasks.core.registry.client import open_registry
from tasks.core.settings import Settings, SweepSettings
from tasks.core.store.artifacts import stored_receipts
from tasks.core.store.rows import read_rows, read_table
from tasks.core.tokens.storing import HELD_OUT, TRAIN, pick_token_rows, row_ids
from tasks.journal import JOURNAL, Journal
from tasks.parent_finding import find_parent
from tasks.row_choice import choose_rows

NAME = "warm-assistant"
ADAPTERS = "adapter_training"
NEW = 90  # rows of a third month


def receipt(told: Told, kind: type[Any]) -> Any:
    """Give the first receipt of a kind; an adapter after it is the champion's."""
    return next(one for one in told[1].receipts if type(one) is kind)


def built(told: Told) -> list[str]:
    return [step.name for step in told[1].steps if not step.cached]


def learned(settings: Settings, told: Told) -> set[int]:
    return set(load_learned(receipt(told, Adapter).folder(settings.workspace)).tolist())


@pytest.fixture(scope="module")
def warm(settings: Settings) -> Settings:
    """Give settings that go on from the champion of a model of their own."""
    registry = settings.registry.model_copy(update={"name": NAME})
    training = settings.training.model_copy(update={"start": "champion"})
    return settings.model_copy(update={"registry": registry, "training": training})


@pytest.fixture(scope="module")
def begun(warm: Settings, first: Told) -> Told:
    return run_as_planned(warm)


@pytest.fixture(scope="module")
def gone(warm: Settings, begun: Told) -> str:
    """Name a requester who is trained on, and of whom the logs know nothing later."""
    folders = [one.folder(warm.workspace) for one in receipt(begun, ValidExamples).shards]
    rows = [row for folder in folders for row in read_table(folder / "rows.arrow").to_pylist()]
    taught = keys_of(row["row_id"] for row in rows).tolist()
    known = learned(warm, begun)
    counts = Counter(row["requester"] for row, key in zip(rows, taught, strict=True) if key in known)
    return min(counts, key=lambda who: (-counts[who], who))


@pytest.fixture(scope="module")
def grown(warm: Settings, gone: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Give the settings a month later: there is more, and one requester's rows are not in the logs any more."""
    folder, paths = tmp_path_factory.mktemp("grown"), []
    for path in (*map(Path, warm.logs.paths), SAMPLE / "2026-09.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        lines = lines[:NEW] if path.parent == SAMPLE else [line for line in lines if gone not in line]
        (folder / path.name).write_text("".join(lines), encoding="utf-8")
        paths.append(str(folder / path.name))
    return warm.model_copy(update={"logs": warm.logs.model_copy(update={"paths": tuple(paths)})})


@pytest.fixture(scope="module")
def later(grown: Settings, begun: Told) -> Told:
    return run_as_planned(grown, perhaps=None)


def test_without_a_champion_it_begins_from_the_base_and_says_so(begun: Told, first: Told) -> None:
    outcome = begun[0]
    assert outcome["status"] == "promoted"
    assert outcome["model"]["adapter_digest"] == first[0]["model"]["adapter_digest"]
    assert outcome["start"] == {}
    why = "training.start is champion, and the training begins from the base, on all rows: there is no champion yet."
    assert why in outcome["warnings"]
    assert "row_choice" not in {step["name"] for step in outcome["steps"]}


def test_on_the_same_rows_nothing_is_new(warm: Settings, begun: Told) -> None:
    again = run_as_planned(warm)
    assert built(again) == []
    assert again[0]["status"] == "skipped"
    assert any(
        "so did that of version 1, which is champion, on the same rows" in one for one in again[0]["notes"]
    )
    assert not [one for one in again[0]["warnings"] if "training.start" in one]


def test_it_goes_on_with_what_is_new_and_a_share_of_what_was(
    grown: Settings, begun: Told, later: Told
) -> None:
    outcome = later[0]
    chosen, rows, adapter = (receipt(later, kind) for kind in (ChosenRows, TokenRows, Adapter))
    place, counts = grown.workspace, chosen.counts
    taken, today = (row_ids(one.folder(place) / TRAIN) for one in (chosen, rows))
    before = learned(grown, begun)
    new = [name for name, key in zip(today, keys_of(today).tolist(), strict=True) if key not in before]
    assert counts["new"] == len(new) > 30
    assert set(new) < set(taken) < set(today)
    assert counts["new"] + counts["replayed"] == len(taken) == counts["train"]
    assert sum(counts[name] for name in ("new", "replayed", "left_out")) == len(today)
    assert counts["replayed"] == round(len(new) * 3 / 7)
    assert adapter.training["rows"] == counts["train"]
    assert before < learned(grown, later) <= before | set(keys_of(taken).tolist()), (
        "eight steps may not reach all"
    )
    assert not learned(grown, later) & set(keys_of(row_ids(rows.folder(place) / HELD_OUT)).tolist())
    assert outcome["start"] == {"version": 1, **counts}


def test_it_begins_near_where_the_champion_ended_and_the_gate_judges_it(
    grown: Settings, begun: Told, later: Told
) -> None:
    fresh, on = (
        [step["loss"] for step in read_rows(receipt(told, Adapter).folder(grown.workspace) / "metrics.jsonl")]
        for told in (begun, later)
    )
    assert abs(on[0] - fresh[-1]) < abs(on[0] - fresh[0]), "of other rows, by weights that have seen some"
    outcome = later[0]
    assert outcome["status"] == "promoted"
    assert set(outcome["gains"]) == {"base", "champion"}
    assert outcome["metrics"]["challenger"]["loss"] < outcome["metrics"]["champion"]["loss"]


def test_where_it_began_is_told_wherever_a_version_is_looked_at(grown: Settings, later: Told) -> None:
    outcome, counts = later[0], receipt(later, ChosenRows).counts
    told = (
        f"from version 1: {counts['new']} rows new to it and {counts['replayed']} replayed; "
        f"{counts['left_out']} left out, which it has learned already"
    )
    folder = Path(outcome["run_dir"])
    summary = " ".join((folder / "summary.txt").read_text(encoding="utf-8").split())
    assert (
        f"on from version 1: {counts['new']} new and {counts['replayed']} replayed to train on, {counts['left_out']} known "
        f"left out, {outcome['rows']['held_out']} held out"
    ) in summary
    assert any(told in one for one in outcome["notes"])
    assert told in (folder / "public_report.html").read_text(encoding="utf-8")
    client = open_registry(grown.workspace)
    champion = client.champion(NAME)
    assert champion is not None
    assert (champion.version, champion.tags["freshtune.parent"]) == (2, "1")
    package = client.at_hand(champion.run_id, "model", grown.workspace)
    card = (package / "artifacts" / "model" / "README.md").read_text(encoding="utf-8")
    assert f"The training started {told}." in card
    assert f"| trained on | {counts['train']} |" in card
    back = trace(grown, 2, {})
    assert (back["parent"], back["ancestors"]) == (1, [1])
    assert trace(grown, 1, {})["parent"] == 0


def test_the_third_run_takes_all_from_the_store(grown: Settings, later: Told) -> None:
    again = run_as_planned(grown)
    assert built(again) == []
    assert again[0]["status"] == "skipped"
    assert again[0]["start"] == later[0]["start"]
    assert again[0]["model"]["adapter_digest"] == later[0]["model"]["adapter_digest"]


def test_whoever_one_version_learned_from_all_its_heirs_did(grown: Settings, gone: str, later: Told) -> None:
    forth = trace(grown, 0, {"requester": gone})["rows"]
    assert {number for row in forth for number in row["versions"]} == {1, 2}
    told = forget_requester(grown, gone, dry_run=True)
    assert {f"{NAME}/1", f"{NAME}/2"} <= set(told["versions"])
    assert not {f"{NAME}/1", f"{NAME}/2"} & set(told["versions_unknown"])


def parent_of(told: Told, settings: Settings) -> Parent:
    examples, rows, base = (receipt(told, kind) for kind in (ValidExamples, TokenRows, BaseModel))
    model = settings.model.without_source()
    found: Parent = find_parent.task.fn(
        settings.workspace, examples, rows, base, model, settings.lora, settings.registry
    )
    return found


def test_what_does_not_fit_is_not_gone_on_from(grown: Settings, later: Told) -> None:
    assert (parent_of(later, grown).version, parent_of(later, grown).unfit) == (1, "")
    wide = grown.model_copy(update={"lora": grown.lora.model_copy(update={"rank": 4})})
    assert parent_of(later, wide).unfit == "the adapter of version 1 has lora.rank 8, not 4"
    plain = grown.model_copy(update={"model": grown.model.model_copy(update={"quantization": "none"})})
    assert "quantized otherwise" in parent_of(later, plain).unfit
    nobody = grown.model_copy(update={"registry": grown.registry.model_copy(update={"name": "nobody"})})
    assert parent_of(later, nobody).unfit == "there is no champion yet"


def test_a_parent_whose_bytes_were_changed_is_not_gone_on_from(
    grown: Settings, begun: Told, later: Told
) -> None:
    digest = receipt(begun, Adapter).adapter_digest
    alike = [one for one in stored_receipts(grown.workspace, ADAPTERS) if one["adapter_digest"] == digest]
    paths = [grown.workspace / one["path"] / "adapter_model.safetensors" for one in alike]
    whole = paths[0].read_bytes()
    for path in paths:  # other settings of other stories can have trained the same
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    told = parent_of(later, grown)
    for path in paths:
        path.write_bytes(whole)
    assert told.adapter is None
    assert told.unfit.startswith("the training of version 1 is not whole in this store")
    assert parent_of(later, grown).adapter is not None


def chosen_of(settings: Settings, parent: Parent, rows: TokenRows, validation: float = 0.0) -> ChosenRows:
    token = JOURNAL.set(Journal())
    try:
        return choose_rows.task.fn(settings.workspace, rows, parent, 0.3, validation, 0)  # type: ignore[no-any-return]
    finally:
        JOURNAL.reset(token)


def laid_out(settings: Settings, name: str, held_out: Path) -> TokenRows:
    """Lay out a folder for token rows, with these held out."""
    (settings.workspace / name).mkdir()
    shutil.copyfile(held_out, settings.workspace / name / HELD_OUT)
    return TokenRows(path=name, digest=name)


def test_who_has_seen_the_answers_or_sees_nothing_new_is_not_gone_on_from(
    grown: Settings, begun: Told, later: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    parent, mine = parent_of(later, grown), receipt(later, TokenRows).folder(grown.workspace)
    few = chosen_of(grown, parent, receipt(later, TokenRows), validation=1e-9)
    assert few.unfit == (
        f"training.validation would watch none of the {few.counts['train']} rows that it would go on with"
    )

    known = [key in learned(grown, begun) for key in keys_of(row_ids(mine / TRAIN)).tolist()]
    nothing = laid_out(grown, "nothing", mine / HELD_OUT)
    pick_token_rows(mine / TRAIN, known, nothing.folder(grown.workspace) / TRAIN)
    told = chosen_of(grown, parent, nothing)
    assert told.unfit == "no training row is new to version 1"
    assert told.counts == {"train": 0, "new": 0, "replayed": 0, "left_out": sum(known)}

    turned = laid_out(grown, "turned", mine / TRAIN)
    shutil.copyfile(mine / HELD_OUT, turned.folder(grown.workspace) / TRAIN)
    told = chosen_of(grown, parent, turned)
    assert told.unfit == f"version 1 was trained on {sum(known)} rows that today's split holds out"


def test_the_trials_of_a_sweep_go_on_alike(grown: Settings, later: Told) -> None:
    sweep = SweepSettings(
        trials=1, rank=(4, 8), learning_rate=(grown.training.learning_rate,), epochs=(grown.training.epochs,)
    )
    swept = sweep_here(grown.model_copy(update={"sweep": sweep}))
    (trial,) = swept[0]["sweep"]["trials"]
    assert set(trial["point"]) == {"training.learning_rate", "training.epochs"}
    tried = receipt(swept, TrialAdapter)
    assert tried.made_from["start"] == receipt(later, Adapter).made_from["start"]
    assert 0 < tried.training["watched"]["rows"] < tried.training["rows"] == later[0]["start"]["train"]
    assert swept[0]["model"]["adapter_digest"] == later[0]["model"]["adapter_digest"]
    assert json.loads((Path(swept[0]["run_dir"]) / "outcome.json").read_text())["start"]["version"] == 1
