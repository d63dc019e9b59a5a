"""Settings from recipes and the command line: defaults < recipe < `--set` < `--logs`; all mistakes at once."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import yaml
from pydantic import BaseModel, ValidationError

from tasks.core.errors import SettingsError
from tasks.core.model.loading import is_hub_id
from tasks.core.settings import Settings

TASK_FILES = (".yaml", ".yml")  # tasks of lm-eval; what has no such ending is a name
RECIPES = Path(__file__).with_name("recipes")
Tree = dict[str, Any]


def read_settings(
    recipe: str, sets: Sequence[str] = (), logs: Sequence[str] = (), workspace: str | None = None
) -> Settings:
    """Read a recipe, by name or path, and what the command line changes in it.

    Relative paths in a recipe are relative to its folder, others to the current one.
    Raises `SettingsError` that lists every mistake with its value, limit and cure.
    """
    path = find_recipe(recipe)
    tree = _absolute(_read(path), path.parent)
    given: Tree = {}
    for text in sets:
        _put(given, text)
    tree = _merge(tree, _absolute(given, Path.cwd()))
    if logs:
        tree.setdefault("logs", {})["paths"] = [_placed(one, Path.cwd()) for one in logs]
    if workspace:
        tree["workspace"] = workspace
    return _validate(tree, path)


def find_recipe(recipe: str) -> Path:
    """Find a recipe by its name in `deployments/recipes/`, or by its path."""
    path = RECIPES / f"{recipe}.yaml" if "/" not in recipe and "." not in recipe else Path(recipe)
    if not path.is_file():
        raise SettingsError(
            f"There is no recipe {recipe}.", cure=f"Give a path, or one of: {', '.join(recipe_names())}."
        )
    return path.absolute()


def recipe_names() -> list[str]:
    """Name the recipes that come with Freshtune."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


class _Strict(yaml.SafeLoader):
    """YAML without repeated keys: the second would win in silence."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Tree:
    keys = [loader.construct_object(key) for key, _ in node.value]
    repeated = {str(key) for key in keys if keys.count(key) > 1}
    if repeated:
        raise yaml.constructor.ConstructorError(
            None, None, f"{', '.join(sorted(repeated))} appears twice", node.start_mark
        )
    return {str(name): value for name, value in loader.construct_mapping(node, deep=True).items()}


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> Tree:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Strict) or {}  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = getattr(error, "problem", None) or type(error).__name__
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}{where}: {problem}.", cure="Mend the YAML.") from error
    if not isinstance(tree, dict):
        raise SettingsError(
            f"{path} is not a mapping of sections.", cure="See deployments/recipes/demo.yaml."
        )
    return tree


def _put(tree: Tree, text: str) -> None:
    """Put `section.field=value` into a tree; the value is read as YAML."""
    name, is_set, value = text.partition("=")
    if not is_set or not name:
        raise SettingsError(
            f"--set {text} is not of the form section.field=value.",
            cure="For example: --set training.epochs=2",
        )
    try:
        parsed = yaml.safe_load(value) if value else ""
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {name}: the value cannot be read.", cure="Quote it.") from error
    *sections, field = name.split(".")
    for section in sections:
        inner = tree.setdefault(section, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"--set {name}: {section} is set twice.", cure="Set its fields one by one.")
        tree = inner
    tree[field] = parsed


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _placed(path: str, folder: Path) -> str:
    """Make a path absolute; a URL stays as it is."""
    return path if "://" in path else str((folder / Path(path).expanduser()).absolute())


def _absolute(tree: Tree, folder: Path) -> Tree:
    """Make the paths of a tree absolute; a base is a path when it looks like one or is one."""
    tree = {name: dict(value) if isinstance(value, dict) else value for name, value in tree.items()}
    logs, model, evaluation = tree.get("logs"), tree.get("model"), tree.get("evaluation")
    if isinstance(logs, dict) and isinstance(logs.get("paths"), (str, list)):
        paths = [logs["paths"]] if isinstance(logs["paths"], str) else logs["paths"]
        logs["paths"] = [_placed(str(one), folder) for one in paths]
    golden = evaluation.get("golden") if isinstance(evaluation, dict) else None
    if isinstance(evaluation, dict) and isinstance(golden, str) and golden:
        evaluation["golden"] = str((folder / Path(golden).expanduser()).absolute())
    harness = evaluation.get("harness") if isinstance(evaluation, dict) else None
    if isinstance(evaluation, dict) and isinstance(harness, (str, list)):
        asked = [str(one) for one in ([harness] if isinstance(harness, str) else harness)]
        evaluation["harness"] = [
            str((folder / Path(one).expanduser()).absolute()) if one.endswith(TASK_FILES) else one
            for one in asked
        ]
    base = model.get("base") if isinstance(model, dict) else None
    if isinstance(model, dict) and isinstance(base, str) and base:
        place = folder / Path(base).expanduser()
        if base.startswith((".", "/", "~")) or place.is_dir():
            model["base"] = str(place.resolve())
    return tree


def _validate(tree: Tree, path: Path) -> Settings:
    mistakes = []
    settings = None
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        mistakes = [_sentence(one) for one in error.errors(include_url=False)]
    model = tree.get("model")
    if isinstance(model, dict) and (problem := _hub_mistake(model)):
        mistakes.append(problem)
    if mistakes or settings is None:
        count = f"{len(mistakes)} settings are wrong" if len(mistakes) > 1 else "A setting is wrong"
        lines = "".join(f"\n  - {line}" for line in mistakes)
        raise SettingsError(
            f"{count}:{lines}\n", cure=f"Change them in {path} or with --set; nothing has run."
        )
    return settings


def _hub_mistake(model: Tree) -> str:
    base, revision = model.get("base"), model.get("revision")
    if not isinstance(base, str) or not base:
        return ""
    if base.startswith("/"):
        return (
            f"model.base is the path {base}, but model.revision is set too: leave one out."
            if revision
            else ""
        )
    if not is_hub_id(base):
        return f"model.base is {base}, neither a folder nor a hub id (OWNER/NAME)."
    if not revision:
        return f"model.base is {base}, a hub id without model.revision (and not a folder): pin its commit, or give a folder."
    return ""


def _sentence(error: Mapping[str, Any]) -> str:
    """Say one mistake: which field, what was given, what is allowed."""
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name} is not a setting{_meant(error['loc'])}"
    given = (
        repr(error["input"])
        if isinstance(error["input"], (str, int, float, bool, type(None)))
        else type(error["input"]).__name__
    )
    message = str(error["msg"]).removeprefix("Value error, ")
    if not name:
        return f"{message}."
    return f"{name} is {given[:60]}: {message[0].lower()}{message[1:]}."


def _meant(loc: Sequence[Any]) -> str:
    """Say which setting was meant: one of that name elsewhere, or the nearest there; else, which ones there are."""
    names, asked = _fields_at(loc[:-1]), str(loc[-1])
    elsewhere = [path for path in _every_field(Settings) if path.rpartition(".")[2] == asked]
    near = difflib.get_close_matches(asked, names, n=1) or _near_elsewhere(asked, loc)
    if meant := [*elsewhere[:1], *near]:
        return f"; did you mean {meant[0]}?"
    return f"; there are: {', '.join(names)}." if names else "."


def _near_elsewhere(asked: str, loc: Sequence[Any]) -> list[str]:
    """Find a field of a section that a name without one is nearly that of."""
    if len(loc) > 1:
        return []
    paths = {path.rpartition(".")[2]: path for path in reversed(_every_field(Settings))}
    return [paths[name] for name in difflib.get_close_matches(asked, paths, n=1)]


def _fields_at(sections: Sequence[Any]) -> list[str]:
    kind: Any = Settings
    for part in sections:
        field = kind.model_fields.get(str(part)) if _is_section(kind) else None
        kind = field.annotation if field else None
    return list(kind.model_fields) if _is_section(kind) else []


def _every_field(section: type[BaseModel]) -> list[str]:
    """Name every setting of a section and of those within it, as `--set` does."""
    paths = []
    for name, field in section.model_fields.items():
        inner = _every_field(field.annotation) if _is_section(field.annotation) else []
        paths += [f"{name}.{path}" for path in inner] or [name]
    return paths


def _is_section(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
