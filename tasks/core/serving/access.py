"""Access: the one token that a client must show, made once for a workspace or given by the environment."""

import hmac
import os
import secrets
from pathlib import Path

from tasks.core.errors import SettingsError

VARIABLE = "FRESHTUNE_SERVE_TOKEN"
FILE = "serve.token"
LEAST = 16  # characters


def serving_token(workspace: Path) -> str:
    """Give the token of the environment, or that of the workspace, which is made where there is none.

    Raises `SettingsError` for one that is short or not plain, or whose file others may read.
    """
    given = os.environ.get(VARIABLE, "")
    if given:
        return _sound(given, VARIABLE)
    path = workspace / FILE
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{path} may be read by others.", cure=f"Say: chmod 600 {path}")
    return _sound(path.read_text(encoding="utf-8", errors="replace").strip(), str(path))


def place_of_token(workspace: Path) -> str:
    """Say where the token comes from."""
    return VARIABLE if os.environ.get(VARIABLE) else str(workspace / FILE)


def is_allowed(header: str, token: str) -> bool:
    """Say whether an Authorization header shows the token; how long that takes tells nothing of it."""
    kind, _, shown = header.partition(" ")
    return hmac.compare_digest(shown.strip().encode(), token.encode()) and kind.lower() == "bearer"


def _make(path: Path) -> None:
    """Write a new token under a name of its own and link it into place: whoever comes second reads the first one's."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secrets.token_urlsafe(32)}\n")
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    finally:
        aside.unlink()


def _sound(token: str, where: str) -> str:
    if len(token) < LEAST or not (token.isascii() and token.isprintable()) or " " in token:
        raise SettingsError(
            f"The token in {where} is shorter than {LEAST} characters or holds more than letters, digits and signs.",
            cure='Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"',
        )
    return token
