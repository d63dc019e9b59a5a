"""The Prefect server of a workspace, with its pages, behind the guard."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from deployments.services.starting import enter

LEASES = (
    "prefect.server.concurrency.lease_storage.filesystem"  # in memory, a restart would end every deployed run
)


def serve(workspace: Path) -> None:
    """Serve until a signal ends it."""
    addresses = enter(workspace)
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

    place = urlsplit(addresses.prefect)
    uvicorn.run(
        Guard(create_app(), addresses.credentials),
        host=place.hostname or "",
        port=place.port or 0,
        log_level="warning",
    )


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
