"""Suite reading: the expectation suites of a run, the user's own where there is one."""

from expectations.suites import read_suite
from tasks.core.errors import SettingsError
from tasks.core.receipts import SuiteText


def read_suites(folder: str) -> dict[str, SuiteText]:
    """Read all suites before anything runs. Raises `SettingsError` for one that cannot be used."""
    names = ("raw_logs", "clean_logs", "training_examples", "token_rows", "predictions")
    try:
        return {name: SuiteText(name=name, text=read_suite(name, folder)) for name in names}
    except ValueError as error:
        raise SettingsError(str(error), cure="Mend the suite, or leave quality.suites empty.") from error
