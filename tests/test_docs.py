"""What the documents say is true: commands and settings exist, paths exist, links lead somewhere, YAML loads, pages build."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from deployments.cli import cli
from deployments.reference_pages import PLACE, pages
from deployments.settings_reading import read_settings
from expectations.suites import read_suite
from tasks.core.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deployments").rglob("README.md")]
)
YAML = sorted(
    path
    for path in ROOT.rglob("*.yaml")
    if not {".venv", ".freshtune", "build"} & set(path.relative_to(ROOT).parts)
)
COMMAND = re.compile(r"(?:^|`)(?:\.venv/bin/)?freshtune ([a-z]+)([^`\n]*)", re.MULTILINE)
OF_A_RECIPE = {"run", "check", "sweep", "deploy"}
STAND_INS = {"COMMIT": 40 * "a", "HUB_ID": "owner/name", "FOLDER": "/folder"}
OURS = ("deployments/", "tests/", "tasks/", "expectations/", "flows/", "docs/")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_in_a_document_exists_with_its_options(path: Path) -> None:
    for command, rest in COMMAND.findall(text_of(path)):
        group = cli.commands.get(command)
        inner = rest.split()[:1] if isinstance(group, click.Group) else []
        said = CliRunner().invoke(cli, [command, *inner, "--help"])
        assert said.exit_code == 0, f"freshtune {command}"
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in said.output, f"freshtune {command} {option}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", text_of(path)):
        assert (path.parent / target).exists(), target


def commands_of(text: str) -> list[list[str]]:
    """Give the commands that a document shows, in words, with stand-ins for what readers put in."""
    shown = [
        f"{command} {rest}".partition(" #")[0] for command, rest in COMMAND.findall(text) if "…" not in rest
    ]
    for name, value in STAND_INS.items():
        shown = [re.sub(rf"\b{name}\b", value, one) for one in shown]
    return [shlex.split(one) for one in shown]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_recipe_and_setting_in_a_command_is_one(path: Path) -> None:
    for command, *words in commands_of(text_of(path)):
        sets = [value for option, value in pairwise(words) if option == "--set"]
        named = words[:1] if words and not words[0].startswith("-") else ["demo"]
        if command in OF_A_RECIPE and named != ["RECIPE"]:
            assert read_settings(named[0], sets), words
        elif sets and command != "quarantine":
            assert read_settings("demo", sets), words


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_setting_that_is_named_exists(path: Path) -> None:
    for section, field in re.findall(r"`([a-z]+)\.([a-z_.]+)(?:=[^`]*)?`", text_of(path)):
        kind = Settings.model_fields.get(section)
        for name in field.split(".") if kind else ():
            assert kind is not None
            inner = kind.annotation
            kind = inner.model_fields.get(name) if hasattr(inner, "model_fields") else None  # type: ignore[union-attr]
            assert kind is not None, f"{section}.{field}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_module_and_extra_that_is_named_exists(path: Path) -> None:
    text = text_of(path)
    for named in re.findall(r"`([\w./*-]+/[\w./*-]*)`", text):
        if named.startswith(OURS):
            assert list(ROOT.glob(named.rstrip("/"))), named
    for module in re.findall(r"python -m (deployments[\w.]*)", text):
        assert find_spec(module), module
    for script in re.findall(r"python (tests/[\w/]+\.py)", text):
        assert (ROOT / script).is_file(), script
    extras = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    assert {*re.findall(r"freshtune\[([\w-]+)\]", text)} <= {*extras}


def test_every_target_of_make_in_a_document_exists() -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = {target for path in DOCS for target in re.findall(r"`?make ([a-z]+)`?", text_of(path))}
    assert {"demo", "test", "docs"} <= targets
    assert [target for target in sorted(targets) if f"\n{target}:" not in makefile] == []


@pytest.mark.parametrize("name", pages())
def test_a_reference_page_says_what_the_code_says_now(name: str) -> None:
    assert text_of(PLACE / name) == pages()[name], "run: python -m deployments.reference_pages"


def test_the_settings_page_has_every_setting_and_the_expectations_page_every_rule() -> None:
    def leaves(tree: dict[str, object], prefix: str = "") -> list[str]:
        return [
            name
            for key, value in tree.items()
            for name in (
                leaves(value, f"{prefix}{key}.")
                if isinstance(value, dict) and not prefix.startswith("sweep")
                else [f"{prefix}{key}"]
            )
        ]

    page = pages()["settings.md"]
    assert [name for name in leaves(Settings().model_dump()) if f"| `{name}` |" not in page] == []
    rules = [
        one["rule"]
        for name in ("raw_logs", "predictions")
        for one in yaml.safe_load(read_suite(name))["expectations"]
    ]
    assert [rule for rule in rules if f"| {rule} |" not in pages()["expectations.md"]] == []


def test_the_pages_build_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = {path.relative_to(tmp_path).as_posix(): text_of(path) for path in tmp_path.rglob("*.html")}
    shown = {
        path.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert shown <= set(built)
    loading = r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*?\b(?:src|href)=\"?(?:https?:)?//[^\s>]+"
    assert {name: re.findall(loading, page) for name, page in built.items() if re.search(loading, page)} == {}
    styles = "".join(text_of(path) for path in tmp_path.rglob("*.css"))
    assert re.findall(r"url\(\"?(?:https?:)?//[^)]+", styles) == []


def test_every_room_in_the_map_exists() -> None:
    block = text_of(ROOT / "docs" / "design.md").split("## The rooms", 1)[1].split("```")[1]
    rooms = re.findall(r"^\s*([\w./]+)\s", block, re.MULTILINE)
    assert len(rooms) >= 8
    assert [
        room
        for room in rooms
        if not any((place / room).exists() for place in (ROOT, ROOT / "tasks", ROOT / "tasks/core"))
    ] == []


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_shipped_yaml_loads(path: Path) -> None:
    assert isinstance(yaml.safe_load(text_of(path)), dict)


def test_nothing_tracked_names_a_machine_or_a_registry() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in tracked:
        invented = name.startswith("tests/data/personal_data/")  # paths there are bait for redaction
        if name.endswith((".py", ".md", ".toml", ".yaml", ".txt", "Makefile")) and not invented:
            found = re.search(r"--index-url|--find-links|@ (?:file|https?)://|/home/\w", text_of(ROOT / name))
            assert not found or name == "tests/test_docs.py", name
