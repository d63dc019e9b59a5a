"""Notifying: people are told how a run ended, where `FRESHTUNE_NOTIFY` says how; off without it.

The addresses are Apprise's, such as `mailtos://…` or `slack://…`, separated by white space. What is sent is the run's
verdict, which holds no text of the logs. A message that cannot be sent is a warning, and the run stands as it is.
"""

import os

from tasks.core.errors import SettingsError
from tasks.core.report.tables import WORDS, plain

ADDRESSES = "FRESHTUNE_NOTIFY"
UNTOLD = {"skipped", "checked"}  # of which nobody need know


def insist_on_addresses() -> None:
    """Raise `SettingsError` when one of the addresses means nothing to Apprise; it is named by its place, for it holds secrets."""
    import apprise

    for place, address in enumerate(os.environ.get(ADDRESSES, "").split(), start=1):
        if not apprise.Apprise().add(address):
            raise SettingsError(
                f"Address {place} in {ADDRESSES} is none that Apprise knows.",
                cure="See Apprise's list of services, or unset the variable.",
            )


def notify(model: str, status: str, reason: str, run_id: str) -> str:
    """Tell how a run ended, or that it waits for a word; give what went wrong, which is nothing as a rule."""
    addresses = os.environ.get(ADDRESSES, "").split()
    if not addresses or status in UNTOLD:
        return ""
    import apprise

    sender = apprise.Apprise()
    for address in addresses:
        sender.add(address)
    title = plain(f"{model}: {WORDS.get(status, status)}")
    body = f"{plain(reason)}\n\nfreshtune show {run_id}"
    if sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
        return ""
    return f"Not everybody was told: an address in {ADDRESSES} took no message."
