"""Where the services of a workspace are: kept for its owner only, and the same password from start to start."""

import socket
import stat
from pathlib import Path

import pytest

from tasks.core.errors import SettingsError
from tasks.core.operating.addresses import (
    Addresses,
    are_up,
    control_socket,
    door_of,
    keep_addresses,
    read_addresses,
    services_folder,
    told_addresses,
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


TOLD = Addresses("https://prefect.example.org", "http://mlflow:5000", "ann", "a:b/c")


def test_what_clients_are_told_is_what_a_service_on_its_own_reads() -> None:
    assert told_addresses(TOLD.environment()) == TOLD
    asked = {"PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_URI"}
    few = {name: value for name, value in TOLD.environment().items() if name in asked}
    assert told_addresses(few) == TOLD
    assert told_addresses(few | {"PREFECT_API_URL": "https://prefect.example.org/api/"}) == TOLD


def test_everything_that_is_missing_or_means_nothing_is_told_at_once_without_its_value() -> None:
    wrong = {"PREFECT_API_URL": "prefect:4200", "PREFECT_API_AUTH_STRING": "hushword"}
    with pytest.raises(SettingsError) as told:
        told_addresses(wrong)
    assert (
        "PREFECT_API_URL means nothing, PREFECT_API_AUTH_STRING means nothing, MLFLOW_TRACKING_URI is missing"
        in (told.value.message)
    )
    assert "hushword" not in str(told.value)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"])
def test_other_credentials_for_mlflow_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="differ"):
        told_addresses(TOLD.environment() | {name: "other"})


@pytest.mark.parametrize(
    ("address", "door"),
    [
        ("http://prefect:4200", ("prefect", 4200)),
        ("https://prefect.example.org", ("prefect.example.org", 443)),
        ("http://[::1]", ("::1", 80)),
    ],
)
def test_a_server_listens_at_the_port_of_its_address(address: str, door: tuple[str, int]) -> None:
    assert door_of(address) == door
