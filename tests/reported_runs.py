"""Runs to report: with every part that a run can have, with a sweep, ended before anything was done, failed."""

import math
from dataclasses import replace
from typing import Any

from tasks.core.report.summary import RunSummary
from tasks.core.tokens.lengths import histogram

QUESTION = "Mein Paket kommt seit Freitag nicht an. Was kann ich tun?"
DAMAGE = "A damaged artifact of cleaning was set aside and built again."
ADVICE = "Please restart the hub and hold the button for five seconds."


def check(expectation: str, severity: str = "critical", failed: int = 0) -> dict[str, Any]:
    return {
        "expectation": expectation,
        "column": expectation.replace(" ", "_"),
        "severity": severity,
        "notes": f"Because of {expectation}.",
        "passed": failed == 0,
        "failed": failed,
        "row_ids": [f"{index:016x}" for index in range(failed)],
    }


def quality() -> list[dict[str, Any]]:
    raw = [
        {
            "suite": "raw_logs",
            "part": f"part {part} of 3",
            "rows": rows,
            "passed": False,
            "checks": [
                check("created is a time", "info", failed=2),
                check("has a question"),
                check("has a reply", "warning", failed=failed),
            ],
        }
        for part, (rows, failed) in enumerate(((574, 10), (566, 9), (590, 9)), 1)
    ]
    clean = {
        "suite": "clean_logs",
        "part": "",
        "rows": 1690,
        "passed": True,
        "checks": [check("no e-mail address"), check("no prompt marker")],
    }
    return [*raw, clean]


def steps() -> list[dict[str, Any]]:
    shard = [("collection", True, 0.07), ("raw_validation", True, 0.12), ("cleaning", False, 0.33)]
    whole = [
        ("formation", False, 0.1),
        ("tokenization", False, 2.9),
        ("adapter_training", False, 161.4),
        ("evaluation", False, 21.7),
        ("merging", False, 4.4),
        ("registration", False, 3.1),
    ]
    return [
        {"name": name, "state": "Cached" if cached else "Completed", "cached": cached, "seconds": seconds}
        for name, cached, seconds in (*shard, *shard, *shard, *whole)
    ]


def sweep() -> dict[str, Any]:
    """Give a sweep of eight trials, of which one failed and two were pruned."""
    ends = ["complete", "complete", "failed", "pruned", "complete", "pruned", "complete", "complete"]
    trials = [
        {
            "number": number,
            "state": state,
            "point": {
                "lora.rank": 8 * number,
                "training.learning_rate": number * 1e-4,
                "lora.targets": ["all-linear"] if number % 2 else [f"{one}_proj" for one in "qkvogud"],
                "training.epochs": 1.5,
            },
            "loss": None if state == "failed" else 3 - number / 10,
            "step": 0 if state == "failed" else 50 if state == "pruned" else 232,
            "steps": 0 if state == "failed" else 232,
            "adapter": "a" * 64 if state == "complete" else "",
            "problem": "There was no memory left. Lower lora.rank." if state == "failed" else "",
        }
        for number, state in enumerate(ends, 1)
    ]
    reason = "Trial 8 is the best of 8 (5 complete, 2 pruned, 1 failed): rank 64, rate 8e-4, q_proj + k_proj, 1.5 epochs."
    return {"reason": reason, "number": 8, "trials": trials}


def swept_run(**changes: Any) -> RunSummary:
    """Make a run that tried settings first; such a one does not ask whether it is worth it."""
    return full_run(**{"sweep": sweep(), "worth": {}, **changes})


def full_run(**changes: Any) -> RunSummary:
    """Make a run that came to its end, with every part that a run can have."""
    run = RunSummary(
        status="promoted",
        reason="The gains are beyond noise: over the base +1.402 nats per token, interval +1.318 to +1.489 "
        "(above 0, 48 requesters); over the champion +0.117 nats per token, interval +0.064 to +0.171 (above 0, 48 requesters).",
        run_id="20261124-141154-48c3",
        started="2026-11-24 14:11:54 +0000",
        seconds=203.4,
        rows={
            "in": 1755,
            "kept": 1631,
            "quarantined": 53,
            "filtered": 12,
            "duplicates": 55,
            "over_length": 4,
            "train": 1440,
            "held_out": 191,
        },
        reasons={
            "duplicates: duplicate": 55,
            "quarantined: not met: has a reply": 28,
            "filtered: short reply": 12,
            "quarantined: not json": 8,
            "quarantined: wrong type": 6,
            "quarantined: not an object": 6,
            "quarantined: repeated key": 5,
            "over length: over length": 4,
        },
        notes=["Read as columns: question = subject + body, reply = reply."],
        changes={"NAME": 1690, "whitespace": 80, "html": 42, "EMAIL": 30, "quoted_mail": 10},
        redaction={
            "rows": 837,
            "main": {
                "EMAIL": {"recall": 0.9912, "precision": 1.0, "labelled": 114, "rows": 100},
                "NAME": {"recall": 0.25, "precision": None, "labelled": 40, "rows": 38},
            },
            "obfuscated": {"EMAIL": {"recall": 0.2105, "precision": 1.0, "labelled": 19, "rows": 18}},
        },
        lengths=histogram([30, 58, 58, 200, 380, 500], 384),
        worth={
            "train": True,
            "reason": "Train, because 212 of 1,440 training rows (14.7 %) are new since version 3.",
            "drift": {"language": {"bits": 0.0312, "p_value": 0.002}},
            "training_rows": 1440,
            "new": 212,
            "gone": 0,
        },
        steps=steps(),
        model={
            "name": "support-assistant",
            "version": 4,
            "aliases": ["champion"],
            "adapter_digest": "9f2c" * 16,
            "base_identity": "starter@5763a46c1f5762fc",
        },
        metrics={
            "base": metrics(3.4127, 0.352) | {"general_loss": 6.5, "general_tokens": 7837},
            "challenger": metrics(2.0104, 0.571) | {"general_loss": 6.7, "general_tokens": 7837},
            "champion": metrics(2.1275, 0.55) | {"general_loss": 6.7, "general_tokens": 7837},
        },
        gains={"base": gain(1.4023, 1.318, 1.489), "champion": gain(0.1171, 0.064, 0.171)},
        slices=[
            {"slice": "language: de", **gain(0.2, 0.1, 0.3), "fell": False},
            {"slice": "earlier rows", **gain(-0.02, -0.05, 0.01), "fell": False},
        ],
        earlier="140 rows of 31 requesters",
        general={
            **gain(-0.2, -0.3, -0.1),
            "languages": {"de": gain(0.2, 0.1, 0.3), "en": gain(-0.6, -0.7, -0.5)},
            "fell": ["en"],
        },
        comparison={
            "rival": "champion",
            "judge": "judge-7b",
            "p_value": 0.0636,
            "wins": 14,
            "losses": 5,
            "ties": 4,
            "unreadable": 1,
        },
        harness={
            "base": {"spiders/acc": 0.25, "spiders/word_perplexity": 31234.5},
            "challenger": {"spiders/acc": 0.5, "spiders/word_perplexity": 1234.5},
        },
        golden=[
            {
                "case": "refund-window",
                "critical": True,
                "failed": {"base": ["must 1", "must_match 2"], "challenger": [], "champion": []},
            },
            {
                "case": "greeting",
                "critical": False,
                "failed": {"base": [], "challenger": ["must_not 1"], "champion": []},
            },
        ],
        golden_replies=[
            {
                "case": "refund-window",
                "question": "How long may I keep it?",
                "reply": {"base": "", "challenger": "You have thirty days.", "champion": "Thirty days."},
                "failed": {"base": {"must 1": "thirty days"}, "challenger": {}, "champion": {}},
            }
        ],
        merge={
            "max_abs_diff": 3.1e-05,
            "greedy_match": 1.0,
            "rows": 16,
            "positions": 642,
            "kl": 2e-12,
            "trained_loss": 2.0104,
            "merged_loss": 2.0105,
            "merged_into": "dequantized base",
            "rejected": {"base": {"kl": 0.0123, "max_abs_diff": 0.23, "merged_loss": 2.02}},
        },
        training={
            "steps": 232,
            "rows": 1440,
            "trainable": 196608,
            "quantized": ["layer"] * 28,
            "quantized_share": 1.0,
            "final_loss": 1.9342,
            "tokens": 812400,
            "seconds": 158.2,
            "moved": 1.0,
            "resumed_from": 0,
            "processes": 1,
            "dtype": "float32",
        },
        quality=quality(),
        settings={
            "logs": {"format": "auto", "fields": {"id": "conversation_id", "question": ["subject", "body"]}},
            "lora": {"method": "lora", "rank": 16, "targets": ["all-linear"]},
            "gate": {"mode": "auto", "confidence": 0.95, "min_gain": 0.0},
        },
        spread={"language": {"de": 1000, "en": 600, "others": 31}},
        lineage={
            "digests": {"examples": "5e" * 32, "adapter": "9f2c" * 16},
            "shards": [
                {"digest": "a1" * 32, "in": 900, "kept": 890},
                {"digest": "b2" * 32, "in": 855, "kept": 840},
            ],
            "packages": {"torch": "2.13.0"},
            "code": "c0de" * 16,
            "beside": 3,
            "replaced": 3,
        },
        warnings=[DAMAGE],
        cures={DAMAGE: "Look at the disk."},
        files={
            "a1" * 32: {"name": "acme-tickets.jsonl", "line": 1},
            "b2" * 32: {"name": "acme-tickets.jsonl", "line": 901},
        },
        replies=[
            {
                "question": QUESTION,
                "reference": "Bitte prüfen Sie die Sendungsnummer.",
                "base": "the the of",
                "champion": "Bitte warten Sie.",
                "challenger": "Bitte prüfen Sie die Sendung und melden Sie sich bei uns.",
            },
            {
                "question": "How do I reset it?",
                "reference": ADVICE,
                "base": "",
                "challenger": "Restart the hub.",
            },
        ],
        samples=[
            {
                "prompt": f"<s>### Instruction:\n{QUESTION}\n\n### Response:\n",
                "reply": f"{ADVICE}</s>",
                "learned": f"{ADVICE}⟨eos⟩",
                "learned_tokens": 3,
                "pieces": ["Please", " restart\n", "</s>"],
                "special": [
                    {"name": "bos", "token": "<s>", "at": 0, "learned": False},
                    {"name": "eos", "token": "</s>", "at": 57, "learned": True},
                ],
                "language": "de",
                "tokens": 58,
            }
        ],
    )
    return replace(run, **changes)


def metrics(loss: float, accuracy: float) -> dict[str, float]:
    return {
        "loss": loss,
        "perplexity": math.exp(loss),
        "token_accuracy": accuracy,
        "rows": 191,
        "tokens": 7412,
    }


def gain(mean: float, low: float, high: float) -> dict[str, float]:
    return {"mean": mean, "low": low, "high": high, "rows": 191, "groups": 48}


def bare_run(**changes: Any) -> RunSummary:
    """Make a run that ended before anything was done."""
    return replace(RunSummary("failed", "r", run_id="1", started="now", seconds=1.0), **changes)


def failed_run() -> RunSummary:
    error = {
        "type": "DataError",
        "message": "No file matches logs.paths.",
        "cure": "Give --logs a file that exists.",
    }
    return bare_run(reason=error["message"], error=error)


def curve(steps: int = 40) -> list[dict[str, float]]:
    """Make the course of a training that looks at watched rows at every tenth step."""
    return [
        {
            "step": step,
            "loss": 3 / (1 + step / 9),
            "learning_rate": step * 1e-5,
            **({"validation_loss": 3 / (1 + step / 10)} if step % 10 == 0 else {}),
        }
        for step in range(1, steps + 1)
    ]
