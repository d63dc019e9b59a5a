"""Suites: contracts on data, written as YAML that people edit, built as Great Expectations suites.

A suite is looked for in the user's folder first, then here. Every mistake in one is told before anything runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.mistakes import find_mistakes
from expectations.reading import parse, read_text
from expectations.vocabulary import COLUMNS, OWN

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

HERE = Path(__file__).parent
SUITES = tuple(COLUMNS)


def read_suite(name: str, folder: str = "") -> str:
    """Give the text of a suite, the one in `folder` before ours.

    Raises `ValueError` with one sentence for every mistake: file, entry, and what to write instead.
    """
    if name not in SUITES:
        raise ValueError(f"There is no suite '{name}'; the suites are {', '.join(SUITES)}.")
    path = _path(name, folder)
    text = read_text(path)
    found = find_mistakes(name, parse(text, str(path)), str(path))
    if found:
        raise ValueError("\n".join(found))
    return text


def build_suite(text: str, **parameters: int | bool) -> "ExpectationSuite":
    """Build the suite of a text that `read_suite` gave; `parameters` stand for `$name` in it, switches are on if not given.

    An expectation whose `enforce_if` is off only reports. Raises `ValueError` for a parameter that is missing, and
    `AssertionError` when Great Expectations dropped an expectation, which it does with no more than a line in its log.
    """
    from great_expectations import ExpectationSuite

    from expectations.custom import TYPES_OF_OWN

    if set(TYPES_OF_OWN) != {f"expect_{name}" for name in OWN}:
        raise AssertionError(
            "expectations/vocabulary.py and expectations/custom.py name different expectations"
        )
    document = parse(text, "suite")
    wanted = [_configuration(entry, parameters) for entry in document["expectations"]]
    suite = ExpectationSuite(name=document["suite"], expectations=wanted, notes=document["purpose"])
    types = [expectation.expectation_type for expectation in suite.expectations]
    if types != [one["type"] for one in wanted]:
        raise AssertionError(
            f"{suite.name}: of {len(wanted)} expectations {len(types)} were loaded, or others"
        )
    return suite


def _path(name: str, folder: str) -> Path:
    """Choose the file; a file in the user's folder that is no suite is a misspelt one, and is told."""
    if not folder:
        return HERE / f"{name}.yaml"
    place = Path(folder)
    if not place.is_dir():
        raise ValueError(f"{folder} is no folder; quality.suites names the folder with your suites.")
    files = sorted(path.name for path in place.iterdir() if path.suffix in (".yaml", ".yml"))
    strange = [file for file in files if file not in {f"{suite}.yaml" for suite in SUITES}]
    if strange:
        allowed = ", ".join(f"{suite}.yaml" for suite in SUITES)
        raise ValueError(f"{place / strange[0]} is not the name of a suite; they are {allowed}.")
    return (place if f"{name}.yaml" in files else HERE) / f"{name}.yaml"


def _configuration(entry: Mapping[str, Any], parameters: Mapping[str, int | bool]) -> dict[str, Any]:
    """Give one entry the way Great Expectations writes it."""
    column = {"column": entry["column"]} if "column" in entry else {}
    limits = {name: _value(value, parameters) for name, value in entry.get("with", {}).items()}
    switch = str(entry.get("enforce_if", "")).removeprefix("$")
    return {
        "type": f"expect_{entry['expect']}",
        "kwargs": column | limits,
        "severity": entry["severity"] if parameters.get(switch, True) else "info",
        "meta": {"rule": entry["rule"]},
        "notes": entry["why"],
    }


def _value(value: Any, parameters: Mapping[str, int | bool]) -> Any:
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    if value[1:] not in parameters:
        raise ValueError(f"The suite asks for {value}, which was not given.")
    return parameters[value[1:]]
