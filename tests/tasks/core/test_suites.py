"""Suites as data: every expectation says why, none is dropped, and every mistake is told with its cure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from expectations.suites import SUITES, build_suite, read_suite
from expectations.vocabulary import OWN

PARAMETERS = {"token_rows": {"max_length": 100}}
ENTRY = {
    "rule": "has a reply",
    "expect": "column_values_to_be_in_set",
    "column": "has_reply",
    "with": {"value_set": [True]},
    "severity": "warning",
    "why": "Without a reply the model only learns to read.",
}


def written(folder: Path, *entries: dict[str, object], name: str = "raw_logs", **fields: object) -> str:
    document = {"suite": name, "purpose": "A test.", "expectations": list(entries), **fields}
    (folder / f"{name}.yaml").write_text(json.dumps(document))  # which is YAML
    return str(folder)


@pytest.mark.parametrize("name", SUITES)
def test_every_expectation_of_ours_says_why_and_how_severe_and_is_loaded(name: str) -> None:
    text = read_suite(name)
    entries = yaml.safe_load(text)["expectations"]
    suite = build_suite(text, **PARAMETERS.get(name, {}))
    assert [f"expect_{entry['expect']}" for entry in entries] == [
        one.expectation_type for one in suite.expectations
    ]
    for entry, expectation in zip(entries, suite.expectations, strict=True):
        assert expectation.meta["rule"] == entry["rule"]
        assert expectation.severity.value == entry["severity"]
        assert len(expectation.notes) > 20


def test_every_expectation_of_our_own_is_used_in_a_suite() -> None:
    used = {entry["expect"] for name in SUITES for entry in yaml.safe_load(read_suite(name))["expectations"]}
    assert set(OWN) <= used


def test_an_expectation_that_great_expectations_drops_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    build_suite(read_suite("clean_logs"))
    from great_expectations.expectations import registry

    monkeypatch.delitem(registry._registered_expectations, "expect_no_personal_data_left")
    with pytest.raises(AssertionError, match="of 9 expectations 8 were loaded"):
        build_suite(read_suite("clean_logs"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"column": "has_replly"}, "unknown column 'has_replly'; did you mean has_reply?"),
        ({"column": None}, "column must be given"),
        ({"column": "turns"}, "value_set must be a list of values that are each a number"),
        ({"severity": "fatal"}, "unknown severity 'fatal'; known: critical, warning, info"),
        ({"expect": "column_values_to_be_in_sett"}, "did you mean column_values_to_be_in_set?"),
        ({"because": "of this"}, "unknown field 'because'"),
        ({"why": "It must."}, "why must give the reason"),
        ({"rule": 7}, "rule must be given, as text"),
        ({"rule": "long " * 20}, "rule must be a short phrase"),
        ({"with": {}}, "with must give the value_set"),
        ({"with": {"value_set": ["true"]}}, "each a flag"),
        ({"with": {"value_set": [True], "mostly": 2}}, "mostly is a share from 0 to 1"),
        ({"with": {"value_set": [True], "atleast": 1}}, "takes no 'atleast'"),
        ({"with": [True]}, "with must be a mapping"),
        ({"expect": "column_values_to_be_between"}, "does not fit has_reply, which is a flag"),
        ({"enforce_if": "$redact"}, "enforce_if names '$redact'"),
    ],
)
def test_a_mistake_in_an_expectation_is_told_with_file_entry_and_cure(
    change: dict[str, object], told: str, tmp_path: Path
) -> None:
    folder = written(tmp_path, ENTRY | change)
    with pytest.raises(ValueError, match="expectation 1") as caught:
        read_suite("raw_logs", folder)
    assert told in str(caught.value)
    assert str(tmp_path / "raw_logs.yaml") in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_value": "$max_lenght"}, "this suite knows max_length"),
        ({"max_value": "many"}, "max_value must be a number"),
        ({"max_value": 10**400}, "max_value must be a number"),
        ({"min_value": 3, "max_value": 2}, "min_value 3 is above max_value 2"),
        ({"mostly": 0.5}, "with must give min_value or max_value"),
        ({"max_value": 3, "strict_max": 1}, "strict_max must be true or false"),
    ],
)
def test_a_wrong_limit_is_told(limits: dict[str, object], told: str, tmp_path: Path) -> None:
    entry = ENTRY | {"expect": "column_values_to_be_between", "column": "length", "with": limits}
    with pytest.raises(ValueError, match="expectation 1") as caught:
        read_suite("token_rows", written(tmp_path, entry, name="token_rows"))
    assert told in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    mean = ENTRY | {"rule": "mean", "expect": "column_mean_to_be_between", "with": {"min_value": 0.5}}
    folder = written(tmp_path, ENTRY | {"severity": "bad"}, ENTRY, mean, purpos="x", suite="raw_log")
    with pytest.raises(ValueError, match="unknown severity") as caught:
        read_suite("raw_logs", folder)
    sentences = str(caught.value).split("\n")
    assert len(sentences) == 5
    assert any("expectation 1 has the same rule" in sentence for sentence in sentences)
    assert any("names no row to quarantine" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("suite: raw_logs\npurpose: [", "line 2"),
        ("suite: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("suite: &a raw_logs\npurpose: *a", "an alias"),
        ("suite: raw_logs\nsuite: raw_logs", "the key 'suite' twice"),
        ("- raw_logs", "a suite has the fields"),
        ("suite: raw_logs\npurpose: none\nexpectations: []", "a suite of none would pass everything"),
        ("[" * 5000, "nesting without end"),
        ("\x00", "cannot be read"),
        ("? [a]\n: b", "cannot be read"),
        ("", "a suite has the fields"),
    ],
)
def test_a_file_that_is_no_suite_is_told(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "raw_logs.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"raw_logs\.yaml") as caught:
        read_suite("raw_logs", str(tmp_path))
    assert told in str(caught.value)


def test_what_is_not_a_readable_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "raw_logs.yaml")
    (tmp_path / "clean_logs.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "predictions.yaml").write_bytes(b"#" * (1 << 21))
    for name, told in (("raw_logs", "not a file"), ("clean_logs", "UTF-8"), ("predictions", "mebibyte")):
        with pytest.raises(ValueError, match=told):
            read_suite(name, str(tmp_path))


def test_the_users_suite_stands_before_ours_and_the_others_stay(tmp_path: Path) -> None:
    folder = written(tmp_path, ENTRY)
    assert len(build_suite(read_suite("raw_logs", folder)).expectations) == 1
    assert read_suite("clean_logs", folder) == read_suite("clean_logs")


def test_a_suite_or_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no suite 'raw_log'"):
        read_suite("raw_log")
    with pytest.raises(ValueError, match="is no folder"):
        read_suite("raw_logs", str(tmp_path / "none"))
    (tmp_path / "raw-logs.yaml").write_text("suite: raw_logs")
    with pytest.raises(ValueError, match=r"raw-logs\.yaml is not the name of a suite"):
        read_suite("raw_logs", str(tmp_path))


def test_with_a_setting_off_what_it_promises_is_only_reported() -> None:
    def severity(**switches: bool) -> str:
        suite = build_suite(read_suite("clean_logs"), **switches)
        found = [one for one in suite.expectations if one.meta["rule"] == "no personal data"]
        return str(found[0].severity.value)

    assert severity() == severity(redact=True) == "warning"
    assert severity(redact=False) == "info"


def test_a_limit_from_the_settings_must_be_given() -> None:
    suite = build_suite(read_suite("token_rows"), max_length=77)
    assert suite.expectations[0].max_value == 77
    with pytest.raises(ValueError, match=r"\$max_length, which was not given"):
        build_suite(read_suite("token_rows"))


def test_reading_a_suite_does_not_wait_for_great_expectations() -> None:
    code = "import sys; from expectations.suites import read_suite; read_suite('raw_logs'); print('great_expectations' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
