"""Logs rotate: what the champion was judged by is asked again, and not where it left the store or its requester is forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest
from journeys import Told, run_here, small_logs, small_settings
from markers import files_with

from flows.forgetting import forget_requester
from tasks.core.receipts import EARLIER, Decision, EarlierRows, EarlierScores
from tasks.core.registry.client import open_registry
from tasks.core.settings import QualitySettings, Settings
from tasks.core.store.rows import ROWS, read_table
from tasks.core.tokens.storing import HELD_OUT, load_token_rows


def of(told: Told, kind: Any) -> Any:
    return next((one for one in told[1].receipts if isinstance(one, kind)), None)


@pytest.fixture(scope="module")
def months(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Told, Told]:
    """Promote a champion on two months, then judge one of the second month alone."""
    place = tmp_path_factory.mktemp("rotated")
    july, august = small_logs(place / "logs")
    few = QualitySettings(min_examples=10)
    settings = small_settings(place / "ws", july, august).model_copy(update={"quality": few})
    first = run_here(settings)
    assert first[0]["status"] == "promoted"
    later = settings.model_copy(
        update={
            "logs": settings.logs.model_copy(update={"paths": (str(august),)}),
            "gate": settings.gate.model_copy(update={"mode": "never"}),
        }
    )
    return later, first, run_here(later)


def held_out_of_july(settings: Settings, told: Told) -> dict[str, str]:
    """Give who asked the held-out rows of the champion's first shard, by row id."""
    shard = next(one for one in told[1].receipts if type(one).__name__ == "ExampleShard")
    rows = read_table(shard.folder(settings.workspace) / ROWS).to_pylist()
    return {row["row_id"]: row["requester"] for row in rows if row["split"] == "held_out"}


def test_the_first_champion_has_nothing_earlier(months: tuple[Settings, Told, Told]) -> None:
    _, first, _ = months
    assert first[0]["earlier"] == ""
    assert not any(one["slice"] == EARLIER for one in first[0]["slices"])
    assert set(first[0]["general"]["languages"]) == {"de", "en"}
    losses = [first[0]["metrics"][who]["general_loss"] for who in ("base", "challenger")]
    assert first[0]["general"]["mean"] == pytest.approx(losses[0] - losses[1])


def test_rows_that_rotated_out_are_asked_and_told(months: tuple[Settings, Told, Told]) -> None:
    settings, first, second = months
    known, earlier = held_out_of_july(settings, first), of(second, EarlierRows)
    asked = load_token_rows(earlier.folder(settings.workspace) / HELD_OUT)
    assert {row.row_id for row in asked} == set(known)
    assert earlier.counts["requesters"] == len(set(known.values()))

    outcome, (found,) = second[0], [one for one in second[0]["slices"] if one["slice"] == EARLIER]
    scores = of(second, EarlierScores)
    assert found["mean"] == pytest.approx(
        scores.metrics["champion"]["loss"] - scores.metrics["challenger"]["loss"]
    )
    assert outcome["earlier"] == f"{len(asked)} rows of {found['groups']} requesters"
    decided = json.loads((of(second, Decision).folder(settings.workspace) / "decision.json").read_bytes())
    assert (decided["earlier"], decided["slices"][-1]) == (outcome["earlier"], found)
    page = (Path(outcome["run_dir"]) / "public_report.html").read_text(encoding="utf-8")
    assert f"Earlier rows: {outcome['earlier']}, gain " in page

    client = open_registry(settings.workspace)
    version = client.version(settings.registry.name, outcome["model"]["version"])
    assert version is not None
    card = client.download(version.run_id, "model/artifacts/model", settings.workspace / "seen") / "README.md"
    assert f"not in today's: {outcome['earlier']}." in card.read_text(encoding="utf-8")


def test_whoever_is_forgotten_is_not_asked_again(months: tuple[Settings, Told, Told]) -> None:
    settings, first, second = months
    place, earlier = settings.workspace, of(second, EarlierRows)
    who = min(held_out_of_july(settings, first).items())
    assert earlier.folder(place).is_dir()
    told = forget_requester(settings, who[1], dry_run=False)
    assert told["hits"] == 0
    assert earlier.path in told["artifacts"]
    assert of(second, EarlierScores).path in told["artifacts"]
    assert files_with(place / "store", [who[0]]) == set()

    outcome, _ = run_here(settings)
    assert outcome["earlier"] == "not in this store"
    assert not any(one["slice"] == EARLIER for one in outcome["slices"])
    page = (Path(outcome["run_dir"]) / "public_report.html").read_text(encoding="utf-8")
    assert "Earlier rows: not in this store." in page
