"""Supervising: the services of a workspace are started, kept running and ended by supervisor."""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil

from tasks.core.errors import ServiceError, SettingsError
from tasks.core.operating.addresses import are_up, control_socket, services_folder
from tasks.core.store.syncing import write_whole

PROGRAMS = ("prefect", "mlflow", "worker", "watcher")  # in the order in which they are told
MODULES = {"prefect": "prefect_server", "mlflow": "mlflow_server"}
CONFIGURATION, LOG, PROCESS = "supervisord.conf", "supervisord.log", "supervisord.pid"
START, STOP = 20, 60  # seconds for supervisor to answer, and to end everything
OFTEN = 0.2  # seconds between two looks

HEAD = """[unix_http_server]
file = {socket}
chmod = 0600

[supervisord]
logfile = {folder}/{log}
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {folder}/{process}
nodaemon = true
silent = true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command = {command}
autorestart = true
startsecs = 5
startretries = 1000
stopwaitsecs = {patience}
stopasgroup = {as_group}
killasgroup = true
redirect_stderr = true
stdout_logfile = {folder}/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""
PATIENCE = {"worker": 40}  # seconds; its runs end at a step of the training
DEFAULT_PATIENCE = 15


@dataclass(frozen=True)
class ServiceState:
    """What supervisor says of one service."""

    name: str
    state: str
    """Its word: RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL …"""
    pid: int
    seconds: int
    """Since it was started."""


def start_supervisor(workspace: Path) -> None:
    """Start the supervisor of a workspace, which starts the services; it lives on when this process ends.

    Raises `ServiceError` when it does not come up, `SettingsError` for a path that supervisor cannot read.
    """
    folder, door = services_folder(workspace), control_socket(workspace)
    if any(comment in str(folder) for comment in (" #", " ;")):
        raise SettingsError(
            f"Services cannot run in {workspace}: supervisor takes what follows ' #' or ' ;' for a comment.",
            cure="Give another folder with --workspace.",
        )
    door.parent.mkdir(exist_ok=True, mode=0o700)
    if door.parent.stat().st_uid != os.getuid():
        raise ServiceError(
            f"{door.parent} is another user's.", cure="Choose a shorter path for the workspace."
        )
    write_whole(folder / CONFIGURATION, _configuration(workspace))
    (folder / LOG).touch(mode=0o600)
    with (folder / LOG).open("ab") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(folder / CONFIGURATION)],
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            cwd=folder,
            start_new_session=True,
            umask=0o077,
        )
    end = time.monotonic() + START
    while not are_up(workspace):
        if process.poll() is not None or time.monotonic() > end:
            raise ServiceError("The supervisor did not start.", cure=f"Read why in {folder / LOG}.")
        time.sleep(OFTEN)


def service_states(workspace: Path) -> list[ServiceState]:
    """Say how each service is; nothing where none are up."""
    if not are_up(workspace):
        return []
    told = {
        one["name"]: one for one in cast("list[dict[str, Any]]", _supervisor(workspace).getAllProcessInfo())
    }
    return [
        ServiceState(
            name, told[name]["statename"], told[name]["pid"], max(0, told[name]["now"] - told[name]["start"])
        )
        for name in PROGRAMS
        if name in told
    ]


def stop_supervisor(workspace: Path) -> None:
    """End every service and the supervisor; returns when they are gone. Raises `ServiceError` when they do not go."""
    pid = int(_supervisor(workspace).getPID())
    _supervisor(workspace).shutdown()
    end = time.monotonic() + STOP
    while _is_alive(pid):
        if time.monotonic() > end:
            raise ServiceError(
                f"The supervisor (process {pid}) does not end.", cure="Look at it with `ps`, or kill it."
            )
        time.sleep(OFTEN)
    control_socket(workspace).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    """Say whether a process lives; a supervisor that this very process has started stays as a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _configuration(workspace: Path) -> str:
    folder = services_folder(workspace)
    places = {"folder": _escaped(folder), "socket": _escaped(control_socket(workspace))}
    text = HEAD.format(**places, log=LOG, process=PROCESS)
    for name in PROGRAMS:
        module = f"deployments.services.{MODULES.get(name, name)}"
        command = shlex.join([sys.executable, "-m", module, str(workspace)])
        text += PROGRAM.format(
            **places,
            name=name,
            command=_escaped(command),
            patience=PATIENCE.get(name, DEFAULT_PATIENCE),
            as_group="false" if name == "worker" else "true",
        )
    return text


def _escaped(text: object) -> str:
    return str(text).replace("%", "%%")


def _supervisor(workspace: Path) -> Any:
    return xmlrpc.client.ServerProxy(
        "http://localhost", transport=_Socket(control_socket(workspace))
    ).supervisor


class _Line(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=STOP)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Socket(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> _Line:  # noqa: ARG002 - there is one
        return _Line(self._path)
