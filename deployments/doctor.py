"""The doctor: is everything wired? Each finding is ok, warn or fail, and says its cure."""

import os
import platform
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from tasks.core.errors import FreshtuneError
from tasks.core.settings import Settings
from tasks.core.store.locks import exclusive

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
LEAST_FREE = 2  # GiB
Finding = dict[str, str]


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that a run needs; nothing is changed but a lock file in the workspace."""
    looks: list[Callable[[Settings], Iterator[Finding]]] = [
        _python,
        _versions,
        _device,
        _four_bit,
        _base,
        _disk,
        _lock,
        _servers,
    ]
    return [finding for look in looks for finding in look(settings)]


def finding_lines(finding: Finding) -> list[str]:
    """Give a finding as lines of text, its cure right below it."""
    lines = [f"{finding['state']:<5} {finding['what']:<14} {finding['found']}"]
    return [*lines, f"{'':<20} → {finding['cure']}"] if finding["cure"] else lines


def _finding(state: str, what: str, found: str, cure: str = "") -> Finding:
    return {"state": state, "what": what, "found": found, "cure": cure}


def _python(_settings: Settings) -> Iterator[Finding]:
    fits = sys.version_info >= (3, 11)
    yield _finding(
        "ok" if fits else "fail",
        "python",
        platform.python_version(),
        "" if fits else "Use Python 3.11 or newer.",
    )


def _versions(_settings: Settings) -> Iterator[Finding]:
    """Compare what is installed with the versions that are known to work together."""
    if not CONSTRAINTS.is_file():
        yield _finding(
            "warn", "versions", "constraints.txt is not here", "Install from a clone to have them compared."
        )
        return
    wanted = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
    other = []
    for name, version in wanted.items():
        try:
            found = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
        if found != version:
            other.append(f"{name} {found} instead of {version}")
    if other:
        yield _finding("warn", "versions", "; ".join(other), _installing())
    else:
        yield _finding("ok", "versions", f"as in constraints.txt ({len(wanted)} packages)")


def _installing() -> str:
    """Give the command that installs what `constraints.txt` names, wherever it is typed."""
    pip = Path(sys.executable).with_name("pip")
    home = CONSTRAINTS.parent
    return (
        f"cd {shlex.quote(str(home))} && {shlex.quote(str(pip))} install -c constraints.txt -e . --group dev"
    )


def _device(_settings: Settings) -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        yield _finding("ok", "device", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    else:
        yield _finding(
            "ok", "device", f"CPU, {os.cpu_count()} cores; a base of billions of parameters needs a GPU"
        )


def _four_bit(_settings: Settings) -> Iterator[Finding]:
    """Quantize and dequantize a tensor: a broken bitsandbytes shows here, not after the download of a base."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    from tasks.core.model.devices import default_device

    torch.manual_seed(0)
    weight = torch.randn(256, 256, device=default_device())
    packed, state = quantize_4bit(weight, quant_type="nf4")
    error = (dequantize_4bit(packed, state) - weight).abs().mean().item()
    good = 0.03 < error < 0.12  # NF4 of a normal distribution: 0.07
    cure = "" if good else "Reinstall bitsandbytes for this CUDA version."
    yield _finding("ok" if good else "fail", "4-bit", f"NF4 round trip, mean error {error:.3f}", cure)


def _base(settings: Settings) -> Iterator[Finding]:
    from tasks.core.model.loading import check_base, load_tokenizer

    folder = Path(settings.model.base)
    if not settings.model.base or settings.model.revision or not folder.is_absolute():
        yield _finding("ok", "base", settings.model.base or "none named in this recipe")
        return
    try:
        config = check_base(folder)
        size = len(load_tokenizer(folder))
    except FreshtuneError as error:
        yield _finding("fail", "base", error.message, error.cure)
        return
    yield _finding("ok", "base", f"{config.get('model_type', 'unknown')}, tokenizer of {size} tokens")


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.workspace).free / 2**30
    enough = free >= LEAST_FREE
    cure = "" if enough else f"Free {LEAST_FREE} GiB, or give another --workspace."
    yield _finding("ok" if enough else "fail", "disk", f"{free:.1f} GiB free", cure)


def _lock(settings: Settings) -> Iterator[Finding]:
    try:
        with exclusive(settings.workspace / "locks" / "doctor.lock"):
            yield _finding("ok", "locks", "the workspace can be locked")
    except OSError as error:
        yield _finding(
            "fail", "locks", f"the workspace cannot be locked ({error.strerror})", "Use a local disk."
        )


def _servers(_settings: Settings) -> Iterator[Finding]:
    for what, name in (("prefect", "PREFECT_API_URL"), ("mlflow", "MLFLOW_TRACKING_URI")):
        address = os.environ.get(name, "")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https"):
            yield _finding("ok", what, f"{metadata.version(what)}, in the workspace")
            continue
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((str(parts.hostname), port), timeout=3).close()
        except OSError:
            yield _finding(
                "fail", what, f"{parts.hostname}:{port} does not answer", f"Start it, or unset {name}."
            )
            continue
        yield _finding("ok", what, f"{metadata.version(what)}, {parts.hostname}:{port} answers")
