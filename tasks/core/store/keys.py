"""The cache key: step, code, inputs, settings and library versions; no path, date, host or run.

The code of a step is its own module and the `tasks.core` and `expectations` modules that it imports,
transitively, compared as syntax trees without comments and docstrings. The shared words (settings, receipts,
errors) are left out: the settings' values are in the key themselves and the other two compute nothing.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tasks.core.store.digests import digest_bytes, digest_value

OURS = ("tasks.core", "expectations")
WORDS = {"tasks.core.settings", "tasks.core.receipts", "tasks.core.errors"}


def key_of(step: str, code: str, inputs: object, libraries: Iterable[str]) -> str:
    """Give the key of one artifact, 32 hexadecimal characters."""
    versions = {name: metadata.version(name) for name in libraries}
    return digest_value({"step": step, "code": code, "inputs": inputs, "libraries": versions})[:32]


@cache
def code_digest(*modules: str) -> str:
    """Give the digest of the code that `modules` really use; read once in a process."""
    used = {name: _tree_digest(path) for name, path in sorted(used_modules(*modules).items())}
    return digest_value(used)


def used_modules(*modules: str) -> dict[str, Path]:
    """Find the modules of ours that `modules` import, transitively, themselves included."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in found else source_of(name)
        if path is None:
            continue
        found[name] = path
        waiting += [imported for imported in _imports(path) if _is_ours(imported)]
    return found


def source_of(module: str) -> Path | None:
    """Find the source file of a module; None for a name that is not a module."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _is_ours(name: str) -> bool:
    return name not in WORDS and any(name == root or name.startswith(f"{root}.") for root in OURS)


def _imports(path: Path) -> Iterator[str]:
    """Name every module that a file imports, anywhere in it; `from a import b` may mean module `a.b`."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tree_digest(path: Path) -> str:
    """Digest a file's syntax tree without docstrings; comments and layout are not in a tree."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return digest_bytes(ast.dump(tree).encode())


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
