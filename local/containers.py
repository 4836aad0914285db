"""For SAM's containers: the built template with a laptop stack's settings, and the stack's address for them."""

import ipaddress
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from local import state
from local.errors import HumanError, Unavailable
from local.template import REPOSITORY, read_document

BUILT_TEMPLATE = REPOSITORY / ".aws-sam" / "build" / "template.yaml"
OF_A_LAYER = ("PG_DUMP", "PG_DUMP_LIBRARIES")
"""Settings that name files of a layer, which a container has, and not those of this machine."""


def bridge_gateway() -> str:
    """Return this machine's address in Docker's bridge network. Raise HumanError if Docker does not answer."""
    docker = shutil.which("docker")
    if docker is None:
        raise Unavailable("there is no Docker on this machine")
    asked = [docker, "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 (nothing of a user's in it)
    if answer.returncode != 0:
        raise Unavailable("Docker does not answer: start it first")
    (network, *_) = json.loads(answer.stdout)
    # Older engines do not report it, and use the first address.
    return str(network.get("Gateway") or next(ipaddress.ip_network(network["Subnet"]).hosts()))


def write_container_template(environment: Mapping[str, str], built: Path = BUILT_TEMPLATE) -> Path:
    """Write laptop.json beside the template that `sam build` made: the same functions with these settings.

    SAM passes to a container only the variables that its template declares, and the shipped template does not have
    AWS_ENDPOINT_URL. Only its owner can read the file: the stack's access key is among the settings. Raise HumanError
    if nothing is built.
    """
    if not built.exists():
        raise HumanError("nothing is built: run make build first")
    document = read_document(built)
    declared = document["Globals"]["Function"]["Environment"]["Variables"]
    of_layers = {name: declared[name] for name in OF_A_LAYER if name in declared}
    document["Globals"]["Function"]["Environment"]["Variables"] = {**environment, **of_layers}
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # It would take precedence over the stack's settings.
            resource["Properties"].pop("Environment", None)
    path = built.with_name("laptop.json")
    with state.create(path) as file:
        file.write(json.dumps(document, indent=2) + "\n")
    return path
