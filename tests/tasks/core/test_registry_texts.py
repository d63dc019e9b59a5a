"""What MLflow shows of a version: words for people, times and figures that are true, and no path."""

import math
import time
from pathlib import Path

import pytest

from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import CONTENT_KEY
from tasks.core.registry.runs import NOTE
from tasks.core.report.registry_texts import (
    base_name,
    describe,
    gain_figures,
    harness_figures,
    note,
    run_figures,
    times_of,
    training_figures,
)

PROOF = {
    "max_abs_diff": 5.6e-05,
    "greedy_match": 1.0,
    "rows": 16,
    "positions": 1778,
    "merged_into": "dequantized NF4 base",
}


def scores(loss: float) -> dict[str, float]:
    return {"loss": loss, "rows": 191.0}


def test_a_version_is_described_for_people() -> None:
    metrics = {"base": scores(7.697), "challenger": scores(0.641), "champion": scores(0.7)}
    text = describe("lora", "llama 90b67c9ab0d0", 1444, 232, metrics, PROOF)

    assert text == (
        "LoRA on llama 90b67c9ab0d0, trained on 1,444 conversations in 232 steps. Held-out loss 0.641 nats per token "
        "on 191 rows, against 7.697 of the base and 0.700 of the champion. Merged into the dequantized NF4 base: "
        "logits differ by at most 5.6e-05."
    )
    assert note(text).startswith(text)
    assert "public_report.html" in note(text)


def test_a_version_without_a_champion_is_compared_with_its_base() -> None:
    text = describe("full", "b", 1, 1, {"base": scores(2.0), "challenger": scores(1.0)}, PROOF)

    assert text.startswith("All weights of b, trained on")
    assert "against 2.000 of the base. Merged" in text


def test_virtual_tokens_are_not_said_to_be_merged() -> None:
    proof = {**PROOF, "beside": "base"}
    del proof["merged_into"]
    text = describe("prefix", "b", 1, 1, {"base": scores(2.0), "challenger": scores(1.0)}, proof)

    assert text.startswith("Prefix tuning on b")
    assert "Beside the base: logits" in text


@pytest.mark.parametrize(
    ("identity", "config", "name"),
    [
        ("org/model@0123abc", {"model_type": "mistral"}, "org/model@0123abc"),
        ("90b67c9ab0d0aa6b", {"model_type": "llama"}, "llama 90b67c9ab0d0"),
        ("90b67c9ab0d0aa6b", {}, "a base 90b67c9ab0d0"),
    ],
)
def test_a_base_is_named_by_its_hub_id_or_its_family(
    identity: str, config: dict[str, str], name: str
) -> None:
    assert base_name(identity, config) == name


def test_counts_proofs_and_finite_gains_are_figures() -> None:
    figures = {name: value for name, value, _ in run_figures({"in": 1755, "train": 1444}, PROOF)}
    gains = {"base": {"mean": 1.4, "low": -math.inf, "high": 1.5, "groups": 48}}

    assert figures["rows/train"] == 1444.0
    assert figures["merge/greedy_match"] == 1.0
    assert "merge/merged_into" not in figures
    assert gain_figures(gains) == [
        ("gain_over_base/mean", 1.4, 0),
        ("gain_over_base/high", 1.5, 0),
        ("gain_over_base/groups", 48.0, 0),
    ]


def test_the_curve_of_a_training_has_the_times_of_its_steps() -> None:
    steps = [{"step": step, "time": 1000.0 + step, "loss": 2.0, "tokens": 9} for step in (1, 2)]

    assert times_of(steps) == {1: 1001.0, 2: 1002.0}
    assert training_figures(steps) == [("train/loss", 2.0, 1), ("train/loss", 2.0, 2)]


def test_a_run_in_mlflow_began_when_its_training_did_and_says_what_it_is(tmp_path: Path) -> None:
    client = open_registry(tmp_path)
    began = time.time() - 3600
    run = client.start_run("e", "support 2026-11-25", {CONTENT_KEY: "k"}, note="In words.", began=began)
    client.log_metrics(run, [("train/loss", 2.0, 1), ("train/loss", 1.0, 2)], {1: began + 10, 2: began + 20})
    told = client.client.get_run(run)
    history = client.client.get_metric_history(run, "train/loss")

    assert told.info.start_time == pytest.approx(began * 1000, abs=2)
    assert told.info.run_name == "support 2026-11-25"
    assert told.data.tags[NOTE] == "In words."
    assert [one.timestamp - told.info.start_time for one in history] == pytest.approx([10_000, 20_000], abs=2)


def test_figures_on_tasks_are_metrics_in_characters_that_mlflow_takes() -> None:
    found = harness_figures({"base": {"a/acc": 0.5, "b/em (strict)": 1.0}, "challenger": {"a/acc": math.nan}})
    assert found == [("base/harness/a/acc", 0.5, 0), ("base/harness/b/em _strict_", 1.0, 0)]
