"""The root CAs of RDS in a bundle, which scripts/certificates puts into what ships."""

import re
import sys
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

KINDS = {"RSA2048", "RSA4096", "ECC384"}
ROOT = re.compile(rf"Amazon RDS (?:(?:Beta|Preview) )?([a-z]+(?:-[a-z]+)+-\d) Root CA ({'|'.join(KINDS)}) G1")


def roots(bundle: bytes) -> list[x509.Certificate]:
    """Return the certificates of a bundle that have signed themselves.

    AWS says to trust the root CAs only, and GovCloud's bundle also has intermediate ones.
    """
    return [one for one in x509.load_pem_x509_certificates(bundle) if _signed_itself(one)]


def kinds(bundle: bytes) -> dict[str, set[str]]:
    """Return the kinds of root CA that a bundle has, by region.

    Raise ValueError for a root that is not RDS's, and for a region that lacks a kind.
    """
    found: dict[str, set[str]] = {}
    for one in roots(bundle):
        (name,) = (str(part.value) for part in one.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
        if not (root := ROOT.fullmatch(name)):
            raise ValueError(f"{name} is no root CA of RDS")
        found.setdefault(root[1], set()).add(root[2])
    if lacking := sorted(region for region, those in found.items() if those != KINDS):
        raise ValueError(f"a root CA is missing for {', '.join(lacking)}")
    return found


def replace(bundle: Path, shipped: Path) -> str:
    """Write the roots of a bundle to the file that ships, and return the line that says so.

    A bundle of roots alone is copied byte for byte, so that its checksum stays AWS's.
    """
    content = bundle.read_bytes()
    own, regions = roots(content), sorted(kinds(content))
    if not own:
        raise ValueError("the bundle has no root CA of RDS")
    if len(own) < len(x509.load_pem_x509_certificates(content)):
        content = b"".join(one.public_bytes(Encoding.PEM) for one in own)
    shipped.write_bytes(content)
    return f"{shipped} has the root CAs of RDS in {', '.join(regions)}."


def _signed_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, ValueError):
        return False
    return True


if __name__ == "__main__":
    print(replace(*map(Path, sys.argv[1:3])))
