"""The list of what ships, of a small artefact that pip has installed."""

import hashlib
from pathlib import Path

import pytest

from tests.sam.bill_of_materials import CERTIFICATES, bill

RECORD = "{name}/__init__.py,,\n{name}.libs/libpq-1.so.5,,\n{name}-{version}.dist-info/METADATA,,\n"


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """Two packages, of which one brings a library, and the CAs."""
    for name, version, more in (("psycopg2_binary", "2.9.13", ""), ("Zipp", "4.1.2", "License-Expression: MIT\n")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
    library = tmp_path / "psycopg2_binary.libs" / "libpq-1.so.5"
    library.parent.mkdir()
    library.write_bytes(b"libpq")
    record = RECORD.format(name="psycopg2_binary", version="2.9.13")
    (tmp_path / "psycopg2_binary-2.9.13.dist-info" / "RECORD").write_text(record)
    certificates = tmp_path / CERTIFICATES
    certificates.parent.mkdir()
    certificates.write_text("CAs")
    return tmp_path


def test_every_package_is_listed_with_its_version_and_licence(artefact: Path) -> None:
    """CycloneDX 1.6, JSON: `components`, and a purl of the type pypi, whose names are in lower case with dashes."""
    written = bill(artefact, "abc1234")
    assert (written["bomFormat"], written["specVersion"]) == ("CycloneDX", "1.6")
    assert written["metadata"]["component"]["version"] == "abc1234"
    psycopg2, zipp, _ = written["components"]
    assert psycopg2["purl"] == "pkg:pypi/psycopg2-binary@2.9.13"
    assert (zipp["purl"], zipp["licenses"]) == ("pkg:pypi/zipp@4.1.2", [{"expression": "MIT"}])


def test_what_is_in_a_layer_is_listed_too_and_once(artefact: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    for name, version in (("pydantic", "2.14.3"), ("zipp", "4.1.2")):
        info = layer / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    purls = [one.get("purl") for one in bill(artefact, "abc1234", layer)["components"]]
    assert purls == ["pkg:pypi/psycopg2-binary@2.9.13", "pkg:pypi/pydantic@2.14.3", "pkg:pypi/zipp@4.1.2", None]


def test_what_a_wheel_brings_along_is_listed_with_its_hash(artefact: Path) -> None:
    (library,) = bill(artefact, "abc1234")["components"][0]["components"]
    assert library["name"] == "psycopg2_binary.libs/libpq-1.so.5"
    assert library["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"libpq").hexdigest()}]


def test_the_certificates_are_listed_and_equal_artefacts_have_equal_lists(artefact: Path) -> None:
    written = bill(artefact, "abc1234")
    assert written["components"][-1]["name"] == CERTIFICATES
    assert written == bill(artefact, "abc1234")
