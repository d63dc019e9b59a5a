"""Reading YAML that a user wrote: no tags, no aliases, no repeated keys, bounded in size."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 1 << 20
DEEPEST = 16  # levels of nesting; a suite has five


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader that also refuses aliases, which can grow without end, and repeated keys, which hide one."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias, and nesting without end."""
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "an alias (*)", mark)
        if self.depth == DEEPEST:
            raise yaml.constructor.ConstructorError(None, None, "nesting without end", mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that is there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{name}' twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """Read a file of at most a mebibyte; raises `ValueError` for one that cannot be read."""
    if not path.is_file():
        raise ValueError(f"{path} is not a file.")
    try:
        data = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
        if data is None:
            raise ValueError(f"{path} is larger than a mebibyte, which no such file needs.")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as UTF-8 text: {type(error).__name__}.") from error


def parse(text: str, where: str) -> Any:
    """Parse one YAML document; raises `ValueError` that names the line."""
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a safe loader, and narrower
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ValueError(f"{where}{line}: cannot be read: {problem}.") from error
