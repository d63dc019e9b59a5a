"""The cache key: step, code, inputs, settings and library versions; no path, date, host or run.

The code of a step is its own module and the `tasks.core` and `expectations` modules that it imports,
transitively, compared as syntax trees without comments and docstrings. The shared words (settings, receipts,
errors) are left out: the settings' values are in the key themselves and the other two compute nothing.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from tasks.core.store.digests import digest_bytes, digest_value

HOUSE = Path(__file__).parents[3]
OURS = ("tasks.core", "expectations")
WORDS = frozenset(("tasks.core.settings", "tasks.core.receipts", "tasks.core.errors"))


def key_of(step: str, code: str, inputs: object, libraries: Iterable[str]) -> str:
    """Give the key of one artifact, 32 hexadecimal characters."""
    versions = versions_of(libraries)
    return digest_value({"step": step, "code": code, "inputs": inputs, "libraries": versions})[:32]


def versions_of(libraries: Iterable[str]) -> dict[str, str]:
    """Give the installed versions of libraries."""
    return {name: metadata.version(name) for name in libraries}


@cache
def code_digest(*modules: str) -> str:
    """Give the digest of the code that `modules` really use; read once in a process."""
    return digest_code(modules, HOUSE)


def digest_code(modules: Iterable[str], house: Path) -> str:
    """Digest the modules of ours in `house` that `modules` import, transitively, themselves included."""
    return digest_value(digest_modules(modules, house))


def digest_modules(modules: Iterable[str], house: Path = HOUSE) -> dict[str, str]:
    """Digest, each by itself, the modules of ours in `house` that `modules` import, transitively, themselves included."""
    found = sources_of(modules, house, without=WORDS)
    return {name: _read(path.read_bytes()).digest for name, path in sorted(found.items())}


def sources_of(modules: Iterable[str], house: Path, without: frozenset[str] = frozenset()) -> dict[str, Path]:
    """Give the source files of `modules` and of all of ours in `house` that they import, transitively, by name."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in found else source_of(name, house)
        if path is None:
            continue
        found[name] = path
        imports = _read(path.read_bytes()).imports
        waiting += [one for one in imports if one not in without and _is_ours(one)]
    return found


def source_of(module: str, house: Path) -> Path | None:
    """Find the source file of a module without importing anything; None for a name that is not a module."""
    path = house.joinpath(*module.split("."))
    for source in (path / "__init__.py", path.with_suffix(".py")):
        if source.is_file():
            return source
    return None


@dataclass(frozen=True)
class _Source:
    """What counts of a source file."""

    digest: str
    imports: tuple[str, ...]


@cache
def _read(source: bytes) -> _Source:
    tree = ast.parse(source)
    imports = tuple(_imports(tree))
    return _Source(_digest(tree), imports)


def _is_ours(name: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in OURS)


def _imports(tree: ast.Module) -> Iterator[str]:
    """Name every module that a file imports, anywhere in it; `from a import b` may mean module `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _digest(tree: ast.Module) -> str:
    """Digest a syntax tree without docstrings; comments and layout are not in a tree."""
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
