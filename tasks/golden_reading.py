"""Golden reading: the golden cases of a run, whole and sound before anything starts."""

from pathlib import Path

from expectations.reading import parse, read_text
from tasks.core.errors import SettingsError
from tasks.core.judging.golden_mistakes import find_mistakes
from tasks.core.receipts import GoldenCases


def read_golden(path: str) -> GoldenCases:
    """Read the cases of a file; no path is no cases. Raises `SettingsError` for a file that cannot be used, with every mistake."""
    if not path:
        return GoldenCases()
    try:
        document = parse(read_text(Path(path)), path)
    except ValueError as error:
        raise _unusable([str(error)]) from error
    mistakes = find_mistakes(document, path)
    if mistakes:
        raise _unusable(mistakes)
    return GoldenCases.model_validate({"cases": document})


def _unusable(mistakes: list[str]) -> SettingsError:
    return SettingsError("\n".join(mistakes), cure="Mend the file, or leave evaluation.golden empty.")
