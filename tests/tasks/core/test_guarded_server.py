"""MLflow behind the guard answers to the name that clients use."""

import pytest

from tasks.core.registry.guarded_server import answering_to


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:5000", "http://localhost:5000", "http://192.168.1.7:5000", "http://0.0.0.0:1"],
)
def test_mlflow_knows_local_and_private_addresses_by_itself(address: str) -> None:
    assert answering_to(address) == {}


@pytest.mark.parametrize("place", ["mlflow:5000", "mlflow.example.org", "8.8.8.8:5000"])
def test_a_name_is_known_beside_the_local_ones(place: str) -> None:
    told = answering_to(f"https://{place}/")
    hosts = told["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {place, "localhost:*", "127.0.0.1:*"} <= set(hosts)
    assert "*" not in hosts
    assert told["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == f"https://{place}"
