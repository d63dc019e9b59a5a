"""Where the services of a workspace are: kept for its owner only, and the same password from start to start."""

import socket
import stat
from pathlib import Path

import pytest

from tasks.core.errors import SettingsError
from tasks.core.operating.addresses import (
    are_up,
    control_socket,
    keep_addresses,
    read_addresses,
    services_folder,
)


def test_the_password_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    assert read_addresses(tmp_path) is None
    first = keep_addresses(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    second = keep_addresses(tmp_path, "http://127.0.0.1:3", "http://127.0.0.1:4")
    assert first.password == second.password
    assert len(first.password) >= 32
    assert read_addresses(tmp_path) == second
    folder = services_folder(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600]
    assert keep_addresses(tmp_path / "other", "", "").password != first.password


def test_damaged_addresses_are_told_with_the_cure(tmp_path: Path) -> None:
    keep_addresses(tmp_path, "", "")
    (services_folder(tmp_path) / "addresses.json").write_text('{"prefect": ')
    with pytest.raises(SettingsError, match=r"addresses\.json is damaged"):
        read_addresses(tmp_path)


def test_a_workspace_may_have_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    assert control_socket(tmp_path / "a").is_relative_to(tmp_path)
    assert not control_socket(deep).is_relative_to(tmp_path)
    assert control_socket(deep) != control_socket(tmp_path / ("deep" * 31))


def test_a_socket_that_nobody_listens_to_is_no_service(tmp_path: Path) -> None:
    assert not are_up(tmp_path)
    door = control_socket(tmp_path)
    door.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        listening.listen()
        assert are_up(tmp_path)
    assert door.exists()
    assert not are_up(tmp_path)
