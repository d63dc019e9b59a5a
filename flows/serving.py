"""A version behind an OpenAI-compatible address, until a signal; where the champion is served, whoever is champion."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tasks.core.registry.client import CHAMPION, Registry, Version, open_registry
from tasks.core.serving.access import place_of_token, serving_token
from tasks.core.serving.alias_watching import AliasWatch
from tasks.core.serving.desk import Desk
from tasks.core.serving.endpoint import make_app
from tasks.core.serving.opening import OpenVersion, chosen_version, open_version, try_out
from tasks.core.serving.server import DrainingServer, listen
from tasks.core.settings import Settings


def serve_version(
    settings: Settings,
    model: str,
    host: str,
    port: int,
    *,
    interval: float,
    waiting: int,
    patience: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Serve `model` (a number, or `champion`, which is followed every `interval` seconds) until a signal; give the figures.

    Raises `SettingsError` when there is no such version or the address is taken, `ModelError` when the version cannot be
    loaded, `Stopped` when requests were cut off after `patience` seconds.
    """
    token = serving_token(settings.workspace)
    client, name = open_registry(settings.workspace), settings.registry.name
    version = chosen_version(client, name, model)
    with listen(host, port) as listening:
        # No other name for it than the desk's: a version that is no longer served leaves memory.
        desk, ended = Desk(_tried(client, version, settings), waiting), threading.Event()

        def begin() -> None:
            if model == CHAMPION:
                _follow(client, settings, desk, interval, ended, tell)

        server = DrainingServer(make_app(desk, token, tell), desk, patience, begin)
        where = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/v1"
        tell(f"Clients show the token of {place_of_token(settings.workspace)}.")
        tell(f"{name} version {desk.version.number} answers at {where}")
        try:
            server.answer_until_signal(listening)
        finally:
            ended.set()
    counts = {"answered": desk.answered, "refused": desk.refused}
    return {"schema": 1, "status": "stopped", "name": name, "version": desk.version.number, **counts}


def _tried(client: Registry, version: Version, settings: Settings) -> OpenVersion:
    opened = _opened(client, version, settings)
    try_out(opened)
    return opened


def _opened(client: Registry, version: Version, settings: Settings) -> OpenVersion:
    dtype, attention = settings.model.dtype, settings.model.attention
    return open_version(client, version, settings.workspace, dtype=dtype, attention=attention)


def _follow(
    client: Registry,
    settings: Settings,
    desk: Desk,
    interval: float,
    ended: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """Let a thread follow the champion; its versions are tried out between two requests."""
    loop = asyncio.get_running_loop()

    def look() -> Version | None:
        return client.champion(settings.registry.name)

    def load(version: Version) -> OpenVersion:
        opened = _opened(client, version, settings)
        asyncio.run_coroutine_threadsafe(desk.try_out(lambda: try_out(opened)), loop).result()
        return opened

    def replace(opened: OpenVersion) -> None:
        desk.version = opened

    watch = AliasWatch(desk.version.number, look, load, replace, tell)
    threading.Thread(target=watch.follow, args=(interval, ended), daemon=True).start()
