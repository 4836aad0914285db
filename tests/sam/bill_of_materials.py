"""What ships, as a CycloneDX document, which `make build` writes beside the artefact from what is in it."""

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from tests.sam.artefact import BUILT, LAYER, PG_DUMP_LAYER

WRITTEN = BUILT.parents[1] / "provisioner.cdx.json"
CERTIFICATES = "provisioning/rds_certificates.pem"

Component = dict[str, Any]


def bill(directory: Path, revision: str, *layers: Path) -> Component:
    """Return the document: CycloneDX 1.6 in JSON, without a time, so that equal artefacts have equal documents.

    It lists each distribution once, with the shared libraries in its wheel, and the CAs that databases are verified
    against. What is in a layer too is that of the artefact, which comes first on Lambda's path.
    """
    found: dict[str, tuple[Path, Distribution]] = {}
    for place in (directory, *layers):
        for package in distributions(path=[str(place)]):
            found.setdefault(package.metadata["Name"].lower(), (place, package))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "provisioner", "version": revision}},
        "components": [
            *(_library(*found[name]) for name in sorted(found)),
            {"type": "data", "name": CERTIFICATES, "hashes": _hashes(directory / CERTIFICATES)},
        ],
    }


def _library(directory: Path, package: Distribution) -> Component:
    name, version = package.metadata["Name"], package.version
    url = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    described: Component = {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
    if "License-Expression" in package.metadata:
        described["licenses"] = [{"expression": package.metadata["License-Expression"]}]
    if inside := [
        {"type": "file", "name": str(file), "hashes": _hashes(directory / file)} for file in _shared(package)
    ]:
        described["components"] = inside
    return described


def _shared(package: Distribution) -> Iterator[Path]:
    """Yield the shared libraries that came with the package, such as psycopg2-binary's libpq and OpenSSL."""
    for file in sorted(package.files or []):
        if ".so" in file.suffixes and ".libs" in str(file):
            yield Path(str(file))


def _hashes(file: Path) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}]


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(bill(BUILT, sys.argv[1], LAYER / "python", PG_DUMP_LAYER), indent=2) + "\n")
    print(f"What ships is listed in {WRITTEN.relative_to(BUILT.parents[2])}.")
