"""The whole story with the real parts, and the truth table of hits and misses."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from journeys import SAMPLE, Told, run_here, small_settings
from planned import plan_of, run_as_planned
from small_judge import small_judge

from flows.answering import answer_question
from flows.cleaning_up import clean_workspace
from flows.planning import plan_run
from flows.registry_reading import trace
from tasks.core.comparing.pairwise import pairs_of
from tasks.core.errors import FreshtuneError, SettingsError
from tasks.core.planning.memory_forecast import Forecaster
from tasks.core.receipts import Evaluation
from tasks.core.registry.client import open_registry
from tasks.core.report.gathering import gather_replies
from tasks.core.settings import JudgeSettings, RetentionSettings, Settings
from tasks.core.store.locks import at_work
from tasks.core.store.rows import read_rows, read_table

DATA = ["collection", "raw_validation", "cleaning", "clean_validation"]
ACROSS = ["formation", "example_validation", "assembly"]
LATER = [
    "tokenization",
    "token_gathering",
    "adapter_training",
    "evaluation",
    "merging",
    "gating",
    "registration",
    "promotion",
]


def built(told: Told) -> list[str]:
    return [step.name for step in told[1].steps if not step.cached]


def one_of(told: Told, step: str) -> str:
    """Give the place of an artifact that this very run has used; other tests share its store."""
    return next(one.path for one in told[1].receipts if one.path.startswith(f"store/{step}/"))


def files_of(settings: Settings) -> dict[str, tuple[int, int]]:
    """Give the size and the time of every file of the workspace."""
    files = (path for path in settings.workspace.rglob("*") if path.is_file())
    mine = (path for path in files if "prefect" not in path.parts)  # whose server of the tests goes on
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in mine}


@pytest.fixture
def store(settings: Settings, first: Told) -> Path:
    return settings.workspace / "store"


def test_the_first_run_builds_everything_and_promotes(first: Told) -> None:
    outcome, followed = first
    assert outcome["status"] == "promoted"
    assert len(built(first)) == len(followed.steps)
    assert outcome["model"]["aliases"] == ["champion"]
    assert outcome["metrics"]["challenger"]["loss"] < outcome["metrics"]["base"]["loss"] - 0.1


def test_every_row_is_accounted_for(first: Told) -> None:
    rows = first[0]["rows"]
    fates = ("kept", "quarantined", "filtered", "duplicates", "over_length")
    assert rows["in"] == 260 == sum(rows[fate] for fate in fates)
    assert rows["kept"] == rows["train"] + rows["held_out"]


def test_the_merge_is_proven_on_held_out_rows(first: Told) -> None:
    assert first[0]["merge"]["max_abs_diff"] < 1e-3
    assert first[0]["merge"]["greedy_match"] == 1.0


def test_the_run_folder_holds_its_story(first: Told) -> None:
    folder = Path(first[0]["run_dir"])
    names = {path.name for path in folder.iterdir()}
    assert {
        "settings.yaml",
        "receipts.json",
        "metrics.jsonl",
        "quality.json",
        "samples.json",
        "loss_curve.png",
        "evaluation.json",
        "quarantine.parquet",
        "data_docs",
        "report.html",
        "outcome.json",
    } <= names
    assert folder.stat().st_mode & 0o077 == 0


def test_mlflow_has_the_version_with_lineage_and_no_text(first: Told, settings: Settings) -> None:
    client = open_registry(settings.workspace)
    version = client.versions(settings.registry.name)[-1]
    assert version.tags["freshtune.adapter_digest"] == first[0]["model"]["adapter_digest"]
    place = client.download(version.run_id, "report", settings.workspace / "seen")
    page = (place / "public_report.html").read_text(encoding="utf-8")
    sample = json.loads((Path(first[0]["run_dir"]) / "samples.json").read_text(encoding="utf-8"))[0]
    assert sample["reply"][:40] not in page
    assert "training" in page.lower()


def test_a_version_is_traced_back_and_a_requester_forth(settings: Settings, first: Told) -> None:
    version = first[0]["model"]["version"]
    back = trace(settings, version, {})
    assert back["rows"] == {name: back["rows"][name] for name in back["rows"]} | {"in": 260}
    assert back["digests"]["adapter"] == first[0]["model"]["adapter_digest"]
    assert first[0]["run_id"] in back["runs"]
    assert back["settings"]["lora.rank"] == "8"
    assert len(back["logs"]) == 2
    assert any(one.startswith("torch==") for one in back["packages"])

    rows = read_table(settings.workspace / one_of(first, "example_validation") / "rows.arrow").to_pylist()
    requester = rows[0]["requester"]
    forth = [  # other tests' datasets are in the same store
        one
        for one in trace(settings, 0, {"requester": requester})["rows"]
        if back["digests"]["dataset"] in one["datasets"]
    ]
    assert {one["row_id"] for one in forth} >= {
        row["row_id"] for row in rows if row["requester"] == requester
    }
    assert all(version in one["versions"] for one in forth)
    assert trace(settings, 0, {"requester": "nobody"})["rows"] == []


def test_a_plan_of_what_was_done_says_that_nothing_is_new_and_changes_nothing(
    settings: Settings, first: Told
) -> None:
    before = files_of(settings)
    planned = plan_of(settings)
    assert files_of(settings) == before
    assert planned["reason"].startswith("Nothing is new")
    assert {one["fate"] for one in planned["parts"]} == {"cached"}
    assert planned["rows"] == planned["rows"] | {"in": 260, "known": True}
    assert planned["training"] == planned["training"] | {"steps": 8, "known": True}


def test_a_plan_leaves_open_what_other_rules_of_the_split_make_of_the_same_rows(
    settings: Settings, first: Told
) -> None:
    form = settings.format.model_copy(update={"held_out": 0.3})
    fates = fates_of(plan_of(settings.model_copy(update={"format": form})))
    assert {fates[name] for name in (*DATA, "base_fetching")} == {"cached"}
    assert fates["formation"] == "run"
    hang_on_it = ("example_validation", "tokenization", "adapter_training", "champion_fetching", "gating")
    assert {fates[name] for name in hang_on_it} == {"perhaps"}


def test_an_exact_plan_knows_what_the_rules_make_of_the_rows_and_changes_nothing(
    settings: Settings, first: Told
) -> None:
    before = files_of(settings)
    for rules, fate in (({"held_out": 0.3}, "run"), ({"max_per_requester": 1000}, "cached")):
        form = settings.format.model_copy(update=rules)
        planned = plan_of(settings.model_copy(update={"format": form}), exact=True)
        fates = fates_of(planned)
        assert fates["formation"] == "run"
        assert {fates[name] for name in ("example_validation", "tokenization", "adapter_training")} == {fate}
        assert planned["rows"]["known"]
        assert planned["training"]["known"]
    assert files_of(settings) == before


def test_a_plan_leaves_open_whether_a_training_gives_the_same_weights_by_another_setting(
    settings: Settings, first: Told
) -> None:
    told = (
        ({"warmup": 0.02}, "perhaps"),
        ({"epochs": 2.0}, "perhaps"),  # its steps end it before
        ({"max_steps": 7}, "run"),
        ({"batch_tokens": 2048}, "run"),
        ({"learning_rate": 3e-3}, "run"),
    )
    for changed, fate in told:
        training = settings.training.model_copy(update=changed)
        planned = plan_of(settings.model_copy(update={"training": training}), exact=True)
        fates = fates_of(planned)
        assert (fates["adapter_training"], fates["merging"], fates["gating"]) == ("run", fate, fate)


def test_an_exact_plan_sees_what_is_damaged_and_names_the_workspace_alone(
    settings: Settings, first: Told
) -> None:
    victim = settings.workspace / one_of(first, "clean_validation") / "rows.arrow"
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2] + bytes(8) + whole[len(whole) // 2 + 8 :])
    form = settings.format.model_copy(update={"held_out": 0.3})
    planned = plan_of(settings.model_copy(update={"format": form}), exact=True)
    victim.write_bytes(whole)
    assert sum(one["name"] == "clean_validation" and one["fate"] == "run" for one in planned["parts"]) == 1

    tombstones = settings.workspace / "tombstones.jsonl"
    kept = tombstones.read_bytes() if tombstones.exists() else None
    tombstones.write_text("{")
    with pytest.raises(FreshtuneError) as told:
        plan_of(settings, exact=True)
    if kept is None:
        tombstones.unlink()
    else:
        tombstones.write_bytes(kept)
    assert str(tombstones) in str(told.value)
    assert "shadow-" not in str(told.value)


def test_an_exact_plan_knows_packed_logs_that_hold_what_is_known(
    settings: Settings, first: Told, tmp_path: Path
) -> None:
    path = tmp_path / "2026-08.jsonl.gz"
    path.write_bytes(gzip.compress(Path(settings.logs.paths[1]).read_bytes()))
    logs = settings.logs.model_copy(update={"paths": (settings.logs.paths[0], str(path))})
    planned = plan_of(settings.model_copy(update={"logs": logs}), exact=True)
    assert {one["name"] for one in planned["parts"] if one["fate"] != "cached"} == {"unpacking"}


def test_an_exact_plan_knows_that_rows_with_other_products_teach_the_same(
    settings: Settings, first: Told
) -> None:
    fields = settings.logs.fields.model_copy(update={"product": "category"})
    logs = settings.logs.model_copy(update={"fields": fields})
    outcome, followed = run_as_planned(settings.model_copy(update={"logs": logs}), perhaps=None, open_still=1)
    assert ("adapter_training", False) in {(step.name, step.cached) for step in followed.steps}
    assert outcome["metrics"]["challenger"]["loss"] == first[0]["metrics"]["challenger"]["loss"]


def test_a_plan_of_packed_logs_says_that_all_of_them_is_new(
    settings: Settings, first: Told, tmp_path: Path
) -> None:
    path = tmp_path / "2026-09.jsonl.gz"
    path.write_bytes(gzip.compress((SAMPLE / "2026-09.jsonl").read_bytes()))
    for paths in ((*settings.logs.paths, str(path)), (str(path),)):
        logs = settings.logs.model_copy(update={"paths": paths})
        planned = plan_of(settings.model_copy(update={"logs": logs}))
        fates = fates_of(planned)
        assert (fates["unpacking"], fates["adapter_training"]) == ("run", "run")
        assert 300 < planned["rows"]["in"] < 1500
        assert not planned["rows"]["known"]
        assert planned["training"]["steps"] == 8
        assert any("once it is unpacked" in note for note in planned["notes"])


def test_a_plan_knows_a_quantized_base_by_its_base(settings: Settings, first: Told) -> None:
    model = settings.model.model_copy(update={"double_quant": not settings.model.double_quant})
    fates = fates_of(plan_of(settings.model_copy(update={"model": model})))
    assert fates["base_quantization"] == "run"
    assert (fates["tokenization"], fates["adapter_training"]) == ("cached", "run")


def fates_of(planned: dict[str, Any]) -> dict[str, str]:
    """Give the fate of each step, the last one's where there are several of a name."""
    return {one["name"]: one["fate"] for one in planned["parts"]}


def test_how_the_base_is_held_is_chosen_for_the_device_and_foreseen_for_others(
    settings: Settings, first: Told
) -> None:
    def of(**model: str) -> Settings:
        return settings.model_copy(update={"model": settings.model.model_copy(update=model)})

    chosen = of(quantization="auto")
    planned = plan_run(chosen, ["h100"], Forecaster())
    assert [one["held_as"] for one in planned["memory"]] == ["none", "none"]
    alike = plan_run(of(quantization="none", dtype="float16"), ["h100"], Forecaster())
    assert planned["memory"][1]["needed"] == alike["memory"][1]["needed"]
    outcome, followed = run_as_planned(chosen)
    assert outcome["settings"]["model"]["quantization"] == "none"
    (note,) = (one for one in followed.notes if "model.quantization is auto" in one)
    assert note.startswith("The base is held unquantized: in float32, its weights take ")
    assert set(fates_of(plan_of(of(quantization="none"))).values()) == {"cached"}


def test_equal_content_is_a_hit_under_another_name(settings: Settings, first: Told, tmp_path: Path) -> None:
    copies = []
    for number, path in enumerate(settings.logs.paths):
        copies.append(tmp_path / f"renamed-{number}.jsonl")
        shutil.copyfile(path, copies[-1])
    told = run_as_planned(small_settings(settings.workspace, *copies))
    assert built(told) == []
    assert told[0]["status"] == "skipped"
    assert told[0]["model"]["version"] == first[0]["model"]["version"]
    docs = [Path(one[0]["run_dir"]) / "data_docs" / "index.html" for one in (first, told)]
    assert docs[0].read_bytes() == docs[1].read_bytes()


def test_a_deleted_artifact_is_built_again_and_nothing_else(settings: Settings, first: Told) -> None:
    victim = settings.workspace / one_of(first, "cleaning")
    shutil.rmtree(victim)
    assert built(run_as_planned(settings)) == ["cleaning"]
    assert victim.is_dir()


def test_a_lost_store_is_built_again_to_the_same_digests_and_the_same_version(
    settings: Settings, first: Told, store: Path
) -> None:
    before = {one.path: one.digest for one in first[1].receipts}
    shutil.rmtree(store)
    told = run_as_planned(settings)
    assert {one.path: one.digest for one in told[1].receipts} == before
    assert len(built(told)) == len(told[1].steps)
    assert told[0]["model"]["version"] == first[0]["model"]["version"]


def test_a_flipped_byte_is_found_and_told(settings: Settings, first: Told) -> None:
    victim = settings.workspace / one_of(first, "cleaning") / "rows.arrow"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    told = run_as_planned(settings)
    assert built(told) == ["cleaning"]
    assert "rows.arrow does not have the digest" in told[0]["warnings"][0]
    assert any((settings.workspace / "damaged").iterdir())


def test_a_changed_training_setting_keeps_the_data(settings: Settings, first: Told) -> None:
    training = settings.training.model_copy(update={"max_steps": 9})
    told = run_as_planned(settings.model_copy(update={"training": training}))
    assert built(told)[0] == "adapter_training"
    assert not {*DATA, *ACROSS, "tokenization", "token_gathering", "base_fetching"} & set(built(told))
    assert set(told[0]["metrics"]) == {"base", "challenger", "champion"}


def test_an_edited_row_builds_only_what_depends_on_it(
    settings: Settings, first: Told, tmp_path: Path
) -> None:
    one, other = (Path(path) for path in settings.logs.paths)
    first_line, *lines = other.read_text(encoding="utf-8").splitlines(keepends=True)
    row = json.loads(first_line)
    row["reply"] += " Please write to us again if that does not help."
    edited = tmp_path / other.name
    edited.write_text("".join([json.dumps(row) + "\n", *lines]), encoding="utf-8")
    told = run_as_planned(
        small_settings(settings.workspace, one, edited), perhaps=2
    )  # the other shard's examples
    names = built(told)
    assert names[:4] == DATA
    assert [names.count(name) for name in (*DATA, "tokenization")] == [1] * 5
    assert "base_fetching" not in names


def test_a_version_answers_and_is_not_asked_what_is_no_question(settings: Settings, first: Told) -> None:
    version = first[0]["model"]["version"]
    told = answer_question(settings, "My notes do not sync. What can I do?", str(version), 8)
    assert (told["version"], bool(told["reply"])) == (version, True)
    with pytest.raises(SettingsError, match=r"The question is empty\."):
        answer_question(settings, "<br>", str(version), 8)


def test_a_critical_golden_case_keeps_a_better_model_out(
    settings: Settings, first: Told, tmp_path: Path
) -> None:
    path = tmp_path / "golden.yaml"
    path.write_text(
        "- {id: greets, question: My notes do not sync., must: [xylophone], critical: true}\n"
        "- {id: speaks, question: My notes do not sync., must_match: [.]}\n"
    )
    evaluation = settings.evaluation.model_copy(update={"golden": str(path)})
    registry = settings.registry.model_copy(update={"name": "golden-assistant"})
    outcome, followed = told = run_as_planned(
        settings.model_copy(update={"evaluation": evaluation, "registry": registry})
    )
    assert built(told) == ["evaluation", "evaluation", "gating", "registration", "promotion"]
    assert outcome["status"] == "kept"
    assert "fails critical golden cases: greets." in outcome["reason"]
    assert [one["failed"]["challenger"] for one in outcome["golden"]] == [["must 1"], []]
    assert outcome["metrics"]["challenger"]["golden_passed"] == 1

    folder = Path(outcome["run_dir"])
    page, replies = ((folder / name).read_text() for name in ("report.html", "replies.txt"))
    assert "must 1: xylophone" in replies
    assert "xylophone" in page
    shared = [folder / name for name in ("public_report.html", "public_settings.yaml", "outcome.json")]
    shown = [json.dumps(one.model_dump(mode="json")) for one in followed.receipts]
    for text in [*(one.read_text() for one in shared), *shown]:
        assert "xylophone" not in text
        assert str(path) not in text


def test_replies_that_were_cut_are_shown_so(settings: Settings, first: Told) -> None:
    judged = {one.who: one for one in first[1].receipts if isinstance(one, Evaluation)}
    shown = gather_replies(first[1].receipts, settings.workspace, 4)
    written = [
        (one[who], row["reply"], row["stopped"])
        for who, evaluation in judged.items()
        for one, row in zip(
            shown, read_rows(evaluation.folder(settings.workspace) / "replies.jsonl"), strict=True
        )
    ]
    assert all(said == reply + ("" if stopped else " …") for said, reply, stopped in written)
    assert not all(stopped for _, _, stopped in written)


def test_a_judges_word_is_shown_and_decides_only_when_asked(
    settings: Settings, first: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = {one.who: one for one in first[1].receipts if isinstance(one, Evaluation)}
    written = {who: read_rows(judged[who].folder(settings.workspace) / "replies.jsonl") for who in judged}
    pairs = pairs_of(written["challenger"], written["base"], 4)
    liked = {pair.question: pair.rival for pair in pairs}
    unlike = sum(pair.challenger != pair.rival for pair in pairs)
    assert unlike >= 3, "with fewer, no loss is clear"

    def the_bases(data: dict[str, str]) -> str:
        return json.dumps({"winner": "A" if data["reply_a"] == liked[data["question"]] else "B"})

    def asked(name: str, address: str, *, heed: bool) -> Told:
        return run_here(
            settings.model_copy(
                update={
                    "judge": JudgeSettings(url=address, model="small", pairs=4),
                    "gate": settings.gate.model_copy(update={"judge": heed, "confidence": 0.6}),
                    "registry": settings.registry.model_copy(update={"name": name}),
                }
            )
        )

    monkeypatch.setenv("FRESHTUNE_JUDGE_KEY", "sk-of-the-journey")
    with small_judge(the_bases) as judge:
        shown = asked("judged-and-shown", judge.address, heed=False)
        count = len(judge.bodies)
        heeded = asked("judged-and-heeded", judge.address, heed=True)
        assert len(judge.bodies) == count == 2 * unlike

    assert built(shown)[0] == "reply_comparison"
    assert "reply_comparison" not in built(heeded)
    assert [told[0]["status"] for told in (shown, heeded)] == ["promoted", "kept"]
    assert f"prefers the base's replies: 0 won, {unlike} lost" in heeded[0]["reason"]
    assert shown[0]["comparison"] == heeded[0]["comparison"]
    assert f"{unlike} lost" in (Path(shown[0]["run_dir"]) / "summary.txt").read_text()
    assert "sk-of-the-journey" not in "".join(
        path.read_text(errors="replace") for path in Path(shown[0]["run_dir"]).glob("*.*") if path.is_file()
    )


def test_a_cleaning_leaves_what_the_champion_came_from(settings: Settings, first: Told) -> None:
    """Only said, not done: the workspace is shared."""
    least = settings.model_copy(update={"retention": RetentionSettings(keep_runs=1)})
    told = clean_workspace(least, dry_run=True)
    assert "support-assistant 1" in told["kept_versions"]
    came_from = {one.path for one in first[1].receipts if "store/promotion/" not in one.path}
    assert not came_from & set(told["artifacts"])
    with at_work(settings.workspace), pytest.raises(SettingsError, match="in progress"):
        clean_workspace(least, dry_run=True)
