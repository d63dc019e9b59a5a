"""Reference pages of the documents: settings from their schema, expectations from the suites, recipes from their files.

`python -m deployments.reference_pages` writes them into `docs/reference/`; a test holds them to what they are made from.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deployments.settings_reading import RECIPES, recipe_names
from expectations.suites import SUITES, read_suite
from expectations.vocabulary import COLUMNS
from tasks.core.settings import Range, Settings

PLACE = Path(__file__).parents[1] / "docs" / "reference"
SHIPPED = ("demo", "guide", "mistral-7b-qlora")  # what newcomers look for, before the others
HEADER = re.compile(r"# ([A-Z]\w+): +(.*)")
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def pages() -> dict[str, str]:
    """Give every page by its file's name."""
    return {
        "settings.md": settings_page(),
        "expectations.md": expectations_page(),
        "recipes.md": recipes_page(),
    }


def settings_page() -> str:
    """List every setting with what it takes, its default, and what it does, section by section."""
    lines = [
        "# Settings",
        "",
        "Every setting, as the schema has it. In a recipe a section is a key with its fields below it; on the command line it is",
        "`--set section.field=value`, where the value is read as YAML. What is said last counts: defaults, then the recipe, then",
        "`--set`. A field that does not exist, and a value beyond its limits, are told before anything runs, all at once.",
        "",
        *_table(Settings, "", [name for name, one in Settings.model_fields.items() if not _section(one)]),
    ]
    for name, field in Settings.model_fields.items():
        if section := _section(field):
            lines += ["", f"## {name}", "", *_section_lines(section, name)]
    return "\n".join(lines) + "\n"


def expectations_page() -> str:
    """List every expectation of every suite, with the traits that a suite of one's own may use."""
    lines = [
        "# Expectations",
        "",
        "What is expected of the data at each of its five doors, as the suites in `expectations/` say. `critical` stops the run,",
        "`warning` sends the row to quarantine, `info` only reports. An expectation looks at traits of a row, never at its text.",
        "A suite of your own has the same name in a folder that `quality.suites` names.",
    ]
    for name in SUITES:
        suite = yaml.safe_load(read_suite(name))
        lines += ["", f"## {name}", "", suite["purpose"], ""]
        lines += ["| rule | severity | expectation | why |", "|---|---|---|---|"]
        lines += [_expectation(entry) for entry in suite["expectations"]]
        traits = ", ".join(f"`{trait}` ({kind})" for trait, kind in COLUMNS[name].items())
        lines += ["", f"Traits: {traits}."]
    return "\n".join(lines) + "\n"


def recipes_page() -> str:
    """Give every recipe with its purpose, needs and command, and its file."""
    lines = [
        "# Recipes",
        "",
        "Whole run configurations in `deployments/recipes/`. Copy one, change it, and give its path in place of a name. What a GPU",
        "needs is foreseen by the [memory planner](../numbers.md#memory-foreseen), in GB of 10⁹ bytes, for one row of the longest",
        "length at once and for a whole batch, with activations computed twice; it was not measured on such a machine.",
    ]
    names = [*SHIPPED, *(name for name in recipe_names() if name not in SHIPPED)]
    for name in names:
        text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
        told = {one[1]: one[2] for line in text.splitlines() if (one := HEADER.fullmatch(line))}
        lines += ["", f"## {name}", "", _sentence(told["Purpose"]), "", f"Needs {told['Needs']}"]
        lines += ["", f"Base: {told['Base']}"] if "Base" in told else []
        body = [line for line in text.splitlines() if not HEADER.fullmatch(line)]
        lines += ["", "```sh", told["Command"], "```", "", "```yaml", *body, "```"]
    return "\n".join(lines) + "\n"


def _section_lines(section: type[BaseModel], name: str) -> Iterator[str]:
    yield _cell(section.__doc__ or "")
    yield ""
    yield from _table(section, f"{name}.", list(section.model_fields))


def _table(section: type[BaseModel], prefix: str, names: list[str]) -> Iterator[str]:
    yield "| setting | takes | default | |"
    yield "|---|---|---|---|"
    for name, field in _leaves(section, prefix, names):
        default = _default(field.get_default(call_default_factory=True))
        yield f"| `{name}` | {_cell(_takes(field.annotation, field.metadata))} | {default} | {_cell(field.description or '')} |"


def _leaves(section: type[BaseModel], prefix: str, names: list[str]) -> Iterator[tuple[str, FieldInfo]]:
    """Give the fields of a section, and those of the sections within it."""
    for name in names:
        field = section.model_fields[name]
        if inner := _section(field):
            yield from _leaves(inner, f"{prefix}{name}.", list(inner.model_fields))
        else:
            yield f"{prefix}{name}", field


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _takes(kind: Any, metadata: list[Any]) -> str:
    """Say what a field takes, with its limits."""
    return ", ".join([_kind(kind), *filter(None, map(_limit, metadata))])


def _kind(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " · ".join(f"`{one}`" for one in inner)
    if origin in {Union, UnionType}:
        return " or ".join(_kind(one) for one in inner)
    if origin is tuple:
        return f"list of {_plural(inner[0])}"
    if hasattr(kind, "__metadata__"):
        return _takes(kind.__origin__, list(kind.__metadata__))
    if isinstance(kind, type) and issubclass(kind, Range):
        return "range `{low: …, high: …}`"
    return "nothing" if kind is type(None) else WORDS[kind]


def _plural(kind: Any) -> str:
    words, comma, limits = _kind(kind).partition(", ")
    plural = words.replace("list ", "lists ") if words.startswith("list") else f"{words}s"
    return f"{plural} ({limits})" if comma else plural


def _limit(one: Any) -> str:
    """Give the limits that an annotation of pydantic's holds, in words."""
    if isinstance(one, FieldInfo):
        return ", ".join(filter(None, map(_limit, one.metadata)))
    found = {sign: getattr(one, name, None) for name, sign in LIMITS.items()}
    limits = [f"{sign}\u00a0{_number(limit)}" for sign, limit in found.items() if limit is not None]
    return "not empty" if getattr(one, "min_length", None) else ", ".join(limits)


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _default(value: Any) -> str:
    if isinstance(value, Path):
        return f"`{value.name}`"
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, str) and value:
        return f"`{value}`"
    if value in ("", None, ()):
        return "empty" if value != () else "`[]`"
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000).strip()
    return f"`{_cell(text.removesuffix('...').strip())}`"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _expectation(entry: dict[str, Any]) -> str:
    """Give one expectation as a row of a table; one that a setting switches off names it."""
    only = f", with `{str(entry['enforce_if']).removeprefix('$')}`" if "enforce_if" in entry else ""
    limits = " ".join(f"`{name}: {_value(value)}`" for name, value in entry.get("with", {}).items())
    what = f"`{entry['expect']}`" + (f" `{entry['column']}`" if "column" in entry else "")
    return f"| {entry['rule']} | {entry['severity']}{only} | {f'{what} {limits}'.strip()} | {_cell(entry['why'])} |"


def _value(value: Any) -> str:
    """Write a limit as its suite does; one that is a setting's value is named as there."""
    return _cell(yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n"))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _cell(text: str) -> str:
    """Make a text fit into one cell of a table."""
    return re.sub(r"[ \n]+", " ", text.strip()).replace("|", "\\|")


def main() -> None:
    """Write the pages."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (PLACE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
