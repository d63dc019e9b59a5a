"""Golden cases: questions that every model is asked, with assertions that its replies pass or fail.

Case, white space and curly quotes do not count for texts (`must`, `must_not`). Regular expressions (`must_match`) see the
reply as it is, and are RE2's: they take linear time, whatever is written in them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.core.judging.generation import Reply
from tasks.core.receipts import GoldenCase
from tasks.core.store.rows import read_rows, write_rows

GOLDEN = "golden.jsonl"
STRAIGHT = str.maketrans("‘’“”", "''\"\"")


@dataclass(frozen=True)
class CaseResult:
    """What one model replied to a golden case, and the assertions that failed, by name (`must 1`) with their text."""

    id: str
    critical: bool
    question: str
    reply: str
    stopped: bool
    failed: dict[str, str]

    @property
    def passed(self) -> bool:
        """Say whether every assertion holds."""
        return not self.failed


def judge_cases(cases: Sequence[GoldenCase], replies: Sequence[Reply]) -> list[CaseResult]:
    """Hold the replies to as many cases against their assertions."""
    return [
        CaseResult(
            case.id, case.critical, case.question, reply.text, reply.stopped, failures(case, reply.text)
        )
        for case, reply in zip(cases, replies, strict=True)
    ]


def failures(case: GoldenCase, reply: str) -> dict[str, str]:
    """Give the assertions that a reply fails: their names, `must_not 2` for the second of its list, with their texts."""
    said = folded(reply)
    holds = {
        "must": lambda text: folded(text) in said,
        "must_not": lambda text: folded(text) not in said,
        "must_match": lambda text: matches(text, reply),
    }
    return {
        f"{name} {number}": text
        for name, passes in holds.items()
        for number, text in enumerate(getattr(case, name), 1)
        if not passes(text)
    }


def folded(text: str) -> str:
    """Give a text without what does not count: case, kinds of white space, curly quotes, compatibility forms."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(STRAIGHT).casefold().split())


def matches(expression: str, text: str) -> bool:
    """Say whether an expression is found in a text. Raises `ValueError` for one that RE2 does not read."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options).search(text) is not None
    except re2.error as error:
        problem = error.args[0] if error.args else "unknown"
        said = problem.decode(errors="replace") if isinstance(problem, bytes) else str(problem)
        raise ValueError(said) from error


def golden_figures(results: Sequence[CaseResult]) -> dict[str, float]:
    """Count the cases and those that passed; nothing where there are none."""
    if not results:
        return {}
    return {"golden_passed": float(sum(one.passed for one in results)), "golden_cases": float(len(results))}


def write_results(path: Path, results: Sequence[CaseResult]) -> None:
    """Write results, one a line; they hold text."""
    write_rows(path, (asdict(one) for one in results))


def read_results(path: Path) -> list[CaseResult]:
    """Read what `write_results` wrote."""
    return [CaseResult(**row) for row in read_rows(path)]
