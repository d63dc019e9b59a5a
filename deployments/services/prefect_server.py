"""The Prefect server of a workspace, with its pages, behind the guard."""

import os
import sys
from pathlib import Path

from deployments.services.starting import enter
from tasks.core.operating.addresses import Addresses, door_of

# In memory, as by default, a restart would take the places of every run that waits in a limit.
LEASES = "prefect.server.concurrency.lease_storage.filesystem"


def serve(workspace: Path, addresses: Addresses, door: tuple[str, int]) -> None:
    """Serve at `door`, a host of this machine and a port, until a signal ends it."""
    os.environ |= {
        "PREFECT_HOME": f"{workspace}/prefect",
        "PREFECT_UI_STATIC_DIRECTORY": f"{workspace}/prefect/pages",
        "PREFECT_UI_API_URL": "/api",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",  # of which runs after 90 days
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
    }
    if addresses.prefect_database:
        os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = addresses.prefect_database
    import uvicorn
    from prefect.server.api.server import create_app

    from tasks.core.operating.guard import Guard

    uvicorn.run(Guard(create_app(), addresses.credentials), host=door[0], port=door[1], log_level="warning")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    known = enter(place)
    serve(place, known, door_of(known.prefect))
