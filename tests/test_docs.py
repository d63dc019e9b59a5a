"""What the documents say is true: commands exist, paths exist, links lead somewhere, YAML loads."""

import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from deployments.cli import cli

ROOT = Path(__file__).parents[1]
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "deployments").rglob("README.md")])
YAML = sorted(
    path for path in ROOT.rglob("*.yaml") if not {".venv", ".freshtune"} & set(path.relative_to(ROOT).parts)
)
COMMAND = re.compile(r"(?:^|`)(?:\.venv/bin/)?freshtune ([a-z]+)([^`\n]*)", re.MULTILINE)


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


def test_every_target_of_make_in_the_readme_exists() -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = set(re.findall(r"`?make ([a-z]+)`?", text_of(ROOT / "README.md")))
    assert {"demo", "test"} <= targets
    assert all(f"\n{target}:" in makefile for target in targets)


def test_every_room_in_the_map_exists() -> None:
    block = text_of(ROOT / "README.md").split("## Map", 1)[1].split("```")[1]
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
