"""The connection string of a tenant's database, as libpq and most drivers take it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

ROOT_CERTIFICATES = Path(__file__).resolve().parent.parent / "functions" / "provisioning" / "rds_certificates.pem"


def tls(*, is_local: bool) -> dict[str, str]:
    """Return how a client has to speak to the database: the laptop's has no certificate, RDS's is verified."""
    if is_local:
        return {"sslmode": "disable"}
    return {"sslmode": "verify-full", "sslrootcert": os.environ.get("PGSSLROOTCERT", str(ROOT_CERTIFICATES))}


def connection_string(
    hosts: Sequence[tuple[str, int]], user: str, dbname: str, parameters: Mapping[str, str], password: str | None = None
) -> str:
    """Return the address of a database, without a password if none is given; of several hosts, one is the primary."""
    secret = f":{quote(password, safe='')}" if password is not None else ""
    places = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)
    return f"postgresql://{quote(user, safe='')}{secret}@{places}/{quote(dbname, safe='')}?{urlencode(parameters)}"
