"""What Prefect shows of a run: names that people read, arrows that are true, receipts in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import Completed

from tasks import showing
from tasks.core.receipts import BaseModel, CleanLogs, LogFile, LogShard, RawLogs, Threads
from tasks.core.report.receipt_texts import counts_sentence, receipt_markdown, receipts_table, title_of
from tasks.core.store.artifacts import Draft
from tasks.journal import JOURNAL, RUNNING, Journal, journal
from tasks.lid import step
from tasks.showing import part_of

COUNTS = {"in": 1755, "kept": 1690, "quarantined": 53, "filtered": 12, "duplicates": 0, "over_length": 0}


def shard(name: str, first_line: int = 1) -> LogShard:
    return LogShard(
        name=name, path=Path(name), start=0, length=9, kind="lines", first_line=first_line, digest=name
    )


@step("toy_reading", RawLogs)
def read(draft: Draft, part: LogShard) -> RawLogs:
    """Write a text."""
    (draft.folder / "text.txt").write_text(part.name)
    return draft.seal(RawLogs, counts=COUNTS)


@step("toy_cleaning", CleanLogs, tags=("gpu",))
def clean(draft: Draft, logs: RawLogs) -> CleanLogs:
    """Write a text."""
    (draft.folder / "text.txt").write_text("clean")
    return draft.seal(CleanLogs, digest=logs.digest, counts=logs.counts)


@step("toy_basing", BaseModel)
def base(draft: Draft, who: str) -> BaseModel:
    """Write a text."""
    (draft.folder / "text.txt").write_text("base")
    return draft.seal(BaseModel, identity=who)


@step("toy_parting", Threads)
def part(draft: Draft, logs: tuple[CleanLogs, ...]) -> Threads:
    """Make a part."""
    (draft.folder / "0").mkdir()
    (draft.folder / "0" / "text.txt").write_text("part")
    return draft.seal(Threads, parts=(draft.part(RawLogs, "0", COUNTS, {}),))


@flow(persist_result=False)
def toy_flow(place: Path) -> Any:
    """Run shards side by side, some steps on a part of another's output, one on nothing but equal words."""
    cleaned = tuple(clean(place, read(place, shard(name))) for name in ("a.jsonl", "b{0}.jsonl"))
    threads = part(place, cleaned)
    clean(place, threads.parts[0])
    base(place, "base")
    base(place, threads.parts[0].digest)
    return Completed(message="All is well.", data={"figures": 1})


@pytest.fixture
def followed() -> Iterator[Journal]:
    token = JOURNAL.set(Journal())
    yield journal()
    JOURNAL.reset(token)


def runs_of(state: Any) -> dict[str, Any]:
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return {run.name: run for run in client.read_task_runs(flow_run_filter=mine)}


@pytest.mark.parametrize("again", [False, True])
def test_prefect_shows_true_names_and_true_arrows(
    again: bool, prefect_server: None, workspace: Path, tmp_path: Path, followed: Journal
) -> None:
    place = workspace if again else tmp_path  # Prefect's records of this process lie in the one
    if again:
        toy_flow(place)
    state = toy_flow(place, return_state=True)
    runs = wait_for(state, 8)
    names = {str(run.id): run.name for run in runs.values()}
    above = {
        run.name: {names[str(one.id)] for given in run.task_inputs.values() for one in given}
        for run in runs.values()
    }
    (other,) = (
        above.pop(name) for name in [*above] if name.startswith("toy basing: ") and name != "toy basing: base"
    )
    assert other == set()
    assert above == {
        "toy reading: a.jsonl": set(),
        "toy reading: b{0}.jsonl": set(),
        "toy cleaning: a.jsonl": {"toy reading: a.jsonl"},
        "toy cleaning: b{0}.jsonl": {"toy reading: b{0}.jsonl"},
        "toy parting": {"toy cleaning: a.jsonl", "toy cleaning: b{0}.jsonl"},
        "toy cleaning": {"toy parting"},
        "toy basing: base": set(),
    }
    assert all("gpu" not in run.tags for run in runs.values())


def wait_for(state: Any, count: int) -> dict[str, Any]:
    import time

    for _ in range(100):
        found = runs_of(state)
        if len(found) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"only {sorted(found)} came")


def test_the_last_state_says_the_verdict_and_callers_get_the_figures(
    prefect_server: None, tmp_path: Path, followed: Journal
) -> None:
    state = toy_flow(tmp_path, return_state=True)
    assert state.message == "All is well."
    assert state.result() == {"figures": 1}
    assert toy_flow(tmp_path) == {"figures": 1}


def test_the_tag_gpu_is_there_where_a_gpu_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def tagged(*, uses_gpu: bool, has_gpu: bool) -> bool:
        monkeypatch.setattr(showing, "_has_gpu", lambda: has_gpu)
        return "gpu" in showing.named_task(clean.task, "x", "", uses_gpu=uses_gpu).tags

    assert clean.lid.long
    assert not read.lid.long
    assert tagged(uses_gpu=True, has_gpu=True)
    assert not tagged(uses_gpu=True, has_gpu=False)
    assert not tagged(uses_gpu=False, has_gpu=True)


def test_a_long_step_says_that_it_begins_only_when_it_is_not_in_the_store(
    followed: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    followed.on_step = told.append
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    logs = RawLogs(path="store/x/y", digest="d", counts=COUNTS)
    followed.parts[logs.digest] = "a.jsonl"
    for _ in range(2):
        clean.task.fn(tmp_path, logs)
    assert [(one.name, one.state, one.part) for one in told] == [("toy_cleaning", RUNNING, "a.jsonl")]


def test_a_part_is_named_by_its_file_and_where_in_it() -> None:
    file = LogFile(location="/x/c.csv", name="c.csv", format="csv", compression="", digest="d")
    logs = RawLogs(path="store/x/y", digest="d")

    assert part_of({"shard": shard("a.jsonl")}, {}) == "a.jsonl"
    assert part_of({"shard": shard("a.jsonl", 120_001)}, {}) == "a.jsonl from line 120,001"
    assert part_of({"place": "x", "file": file}, {}) == "c.csv"
    assert part_of({"logs": logs}, {"d": "a.jsonl"}) == "a.jsonl"
    assert part_of({"logs": logs}, {}) == part_of({"shards": (logs,)}, {"d": "a.jsonl"}) == ""
    assert part_of({"who": "champion", "rows": logs}, {"d": "a.jsonl"}) == "champion"


def test_what_is_made_of_the_scores_of_one_model_is_not_named_after_it(
    prefect_server: None, tmp_path: Path, followed: Journal
) -> None:
    made = base(tmp_path, "challenger")

    assert followed.steps[-1].part == "challenger"
    assert part_of({"scores": made}, followed.parts) == ""


def test_a_receipt_is_a_sentence_a_table_and_then_json() -> None:
    receipt = RawLogs(path="store/raw_validation/k", digest="d" * 64, counts=COUNTS)
    text = receipt_markdown("raw_validation", "a.jsonl", receipt)

    assert text.startswith(
        "**raw validation: a.jsonl**: 1,690 of 1,755 rows kept, 53 quarantined, 12 filtered.\n"
    )
    assert "| over length | 0 |" in text
    assert text.index("| rows | count |") < text.index("```json")
    bare = receipt_markdown("merging", "", RawLogs(path="p", digest="d" * 64))
    assert bare.startswith("**merging** made `dddddddddddd`.")
    assert "| rows" not in bare


def test_counts_are_said_in_words() -> None:
    assert counts_sentence({}) == ""
    assert counts_sentence({"rows": 1200}) == "1,200 rows"
    back = {**dict.fromkeys(COUNTS, 0), "kept": 3, "quarantined": -3}
    assert counts_sentence(back) == "3 mended rows taken back"
    assert counts_sentence({**back, "kept": 2, "filtered": 1}) == "3 mended rows taken back, 1 filtered"
    assert title_of("base_fetching", "") == "base fetching"


def test_all_receipts_of_a_run_are_one_table_also_of_those_from_the_store() -> None:
    receipt = RawLogs(path="p", digest="d" * 64, counts=COUNTS)
    first, second = receipts_table([("cleaning", "a.jsonl", True, receipt), ("merging", "", False, receipt)])

    assert first == {
        "step": "cleaning",
        "part": "a.jsonl",
        "made": "from the store",
        "counts": "1,690 of 1,755 rows kept, 53 quarantined, 12 filtered",
        "digest": "d" * 12,
    }
    assert second["made"] == "in this run"
