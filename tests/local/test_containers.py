import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from local import state
from local.containers import bridge_gateway, write_container_template
from local.errors import HumanError
from local.stack import Stack
from local.template import REPOSITORY

EVENT = json.loads((REPOSITORY / "events" / "provision_project.json").read_text())
BUILT = """
Globals: {Function: {Environment: {Variables: {URL: !Ref Url}}}}
Resources: {OneFunction: {Type: AWS::Serverless::Function, Properties: {
  CodeUri: OneFunction, Environment: {Variables: {AWS_ENDPOINT_URL: !Ref Url}}}}}
"""


def answering(stdout: str, code: int = 0) -> Any:
    return lambda *_, **__: subprocess.CompletedProcess([], code, stdout, "")


@pytest.mark.parametrize(
    "networks", ['[{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"}]', '[{"Subnet":"172.18.0.0/16"}]']
)
def test_the_bridges_gateway_is_what_docker_says_or_its_first_address(
    monkeypatch: pytest.MonkeyPatch, networks: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/docker")
    monkeypatch.setattr("subprocess.run", answering(networks))
    assert bridge_gateway() == "172.18.0.1"


@pytest.mark.parametrize(("where", "message"), [(None, "no Docker on this machine"), ("docker", "does not answer")])
def test_a_missing_or_silent_docker_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, where: str | None, message: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: where)
    monkeypatch.setattr("subprocess.run", answering("", 1))
    with pytest.raises(HumanError, match=message):
        bridge_gateway()


def test_the_containers_template_is_the_built_one_with_the_stacks_settings(tmp_path: Path) -> None:
    built = tmp_path / "template.yaml"
    built.write_text(BUILT)
    path = write_container_template({"AWS_ENDPOINT_URL": "http://172.17.0.1:1"}, built)
    document = json.loads(path.read_text())
    assert document["Globals"]["Function"]["Environment"]["Variables"] == {"AWS_ENDPOINT_URL": "http://172.17.0.1:1"}
    assert document["Resources"]["OneFunction"]["Properties"] == {"CodeUri": "OneFunction"}


def test_a_container_has_the_program_of_its_layer_and_not_this_machines(tmp_path: Path) -> None:
    built = tmp_path / "template.yaml"
    built.write_text(BUILT.replace("URL: !Ref Url", "PG_DUMP: /opt/bin/pg_dump", 1))
    document = json.loads(write_container_template({"PG_DUMP": "/usr/bin/pg_dump"}, built).read_text())
    assert document["Globals"]["Function"]["Environment"]["Variables"] == {"PG_DUMP": "/opt/bin/pg_dump"}


def test_without_a_build_there_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(HumanError, match="make build"):
        write_container_template({}, tmp_path / "template.yaml")


@pytest.mark.slow
def test_a_stack_can_listen_elsewhere_at_its_next_start(tmp_path: Path) -> None:
    with Stack(tmp_path, fsync=False):
        pass
    with Stack(tmp_path, fsync=False, bind="127.0.0.2") as stack:
        outcome = stack.run(EVENT)
        assert outcome["status"] == "SUCCEEDED"
        assert json.loads(outcome["output"])["database"]["host"] == "127.0.0.2"
        settings = (state.read(tmp_path) or {})["environment"]
        assert all("127.0.0.2" in settings[name] for name in ("AWS_ENDPOINT_URL", "AUTH_SERVICE_URL"))


@pytest.mark.slow
def test_only_who_is_on_the_same_network_reaches_the_database(tmp_path: Path) -> None:
    with Stack(tmp_path, fsync=False) as stack, pytest.raises(psycopg2.OperationalError, match="Connection refused"):
        psycopg2.connect(host="127.0.0.2", port=stack.postgres.port, user="postgres", connect_timeout=2)
