"""What an edit of the code costs: exactly the steps that use it."""

import shutil
from pathlib import Path

import pytest

from expectations.suites import read_suite
from tasks.core.store.keys import digest_code

ROOT = Path(__file__).parents[3]
STEPS = [
    "unpacking",
    "collection",
    "message_collection",
    "conversation_threading",
    "raw_validation",
    "cleaning",
    "clean_validation",
    "readmission",
    "formation",
    "example_validation",
    "assembly",
    "weighing",
    "tokenization",
    "token_gathering",
    "earlier_gathering",
    "base_fetching",
    "base_quantization",
    "adapter_training",
    "evaluation",
    "earlier_scoring",
    "harness_evaluation",
    "reply_comparison",
    "merging",
    "registration",
    "gating",
    "promotion",
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for room in ("tasks", "expectations"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def digests(house: Path) -> dict[str, str]:
    return {name: digest_code((f"tasks.{name}",), house) for name in STEPS}


def changed(house: Path, place: str, old: str, new: str) -> set[str]:
    before, path = digests(house), house / place
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    after = digests(house)
    return {name for name in STEPS if before[name] != after[name]}


def test_comments_and_docstrings_cost_nothing(house: Path) -> None:
    old = '"""Cleaning: text is normalized'
    assert (
        changed(
            house, "tasks/cleaning.py", old, '# a comment\n"""Cleaning, told otherwise: text is normalized'
        )
        == set()
    )


def test_a_craft_costs_the_steps_that_use_it(house: Path) -> None:
    assert changed(house, "tasks/core/text/filtering.py", '"short_reply"', '"brief_reply"') == {"cleaning"}


def test_a_craft_of_the_trainer_process_costs_the_training(house: Path) -> None:
    assert changed(house, "tasks/core/fitting/loop.py", "1_000_003", "1_000_033") == {"adapter_training"}


def test_a_suite_costs_its_door() -> None:
    from tasks.core.receipts import RawLogs, SuiteText
    from tasks.raw_validation import validate_raw

    logs, text = RawLogs(path="store/collection/k", digest="d"), read_suite("raw_logs")
    keys = [
        validate_raw.lid.key(
            {"logs": logs, "suite": SuiteText(name="raw_logs", text=one), "on_failure": "stop"}
        )
        for one in (text, text.replace("100000", "90000"), text)
    ]
    assert keys[0] == keys[2] != keys[1]


def test_a_renamed_error_message_costs_nothing(house: Path) -> None:
    assert changed(house, "tasks/core/errors.py", "Say in one sentence", "Tell in one sentence") == set()
