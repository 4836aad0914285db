"""The limits of a server in docs/operations.md, and the connections that the laptop keeps, are those of the code."""

import re

from local.postgres import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from local.template import REPOSITORY
from provisioning.examination import server
from provisioning.tenant.making import CONNECTION_LIMIT
from tests.cli.examining import FINE, NOTIFICATIONS, ORDINARY

PAGE = (REPOSITORY / "docs" / "operations.md").read_text().partition("## Limits of a server")[2].partition("\n## ")[0]
BENCHMARKS = (REPOSITORY / "docs" / "benchmarks.md").read_text()


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    rows = {
        name: cells.split(" | ")
        for name, cells in re.findall(r"^\| ([^|]+?) \| ([^|]+ \| [^|]+ \| [^|]+) \|$", PAGE, re.MULTILINE)
    }
    fleets = (100, 1000, 3000)
    megabytes = re.search(r"of ([\d.]+) MB of disk each", BENCHMARKS)
    assert megabytes is not None
    _, together, taking, disk, visited, nap, temporary, kept_wal, notifications, age = rows.values()
    assert together == [f"{CONNECTION_LIMIT * tenants:,}" for tenants in fleets]
    assert taking == [str(-(-ORDINARY // CONNECTION_LIMIT))] * 3
    assert f"{ORDINARY} ordinary connections of `max_connections = {MAX_CONNECTIONS}`" in PAGE
    assert disk == [f"{float(megabytes[1]) * tenants / 1000:.1f} GB" for tenants in fleets]
    assert visited == [f"{tenants // server.VISITS_PER_SECOND} s" for tenants in fleets]
    assert nap == [f"{server.nap_seconds(tenants)} s" for tenants in fleets]
    assert temporary == [f"{ORDINARY * int(server.TEMPORARY_FILES.removesuffix('GB'))} GB"] * 3
    assert kept_wal == [server.KEPT_WAL.replace("GB", " GB")] * 3
    pages, bytes_of_a_page = NOTIFICATIONS
    assert notifications == [f"{pages * bytes_of_a_page // 2**30} GB"] * 3
    assert age == [f"{FINE.freeze_age // 1_000_000} million"] * 3
    assert f"more than {60 * server.VISITS_PER_SECOND} databases" in " ".join(PAGE.split())


def test_the_laptop_keeps_what_a_deployment_needs() -> None:
    template = " ".join((REPOSITORY / "template.yaml").read_text().split())
    stated = re.search(r"MaximumParallelJobs: \{Type: Number, Default: (\d+).*?a cluster up to (\d+) times", template)
    assert stated is not None
    assert RESERVED_CONNECTIONS == server.WANTED == int(stated[1]) * int(stated[2])
