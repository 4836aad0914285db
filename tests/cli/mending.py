"""Run what a finding of doctor prints: its statements, as whom and where it says."""

import json
import re
import shlex
from collections.abc import Callable
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli.administration import add_cluster
from cli.findings import Finding
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from tests.cli.examining import ADMIN

AS_ADMIN = f"in the cluster's database {REGISTER}, as its admin: "
AS_SUPERUSER = "on the cluster, as a superuser: "
AS_OWNER = "as its owner: "
ADD = "run provision cluster add "


def mend(stack: Stack, finding: Finding) -> None:
    """Send the statements of a finding's remedy to the stack's cluster, or prepare it as the remedy says."""
    if finding.remedy.startswith(ADD):
        cluster_id, *options = shlex.split(finding.remedy.removeprefix(ADD).partition(", which")[0])
        asked = dict(zip(options[::2], options[1::2], strict=True))
        capacity, size, region = int(asked["--capacity"]), asked["--size"], asked["--region"]
        add_cluster(cluster_id, asked["--secret"], capacity, size=size, region=region)
        return

    def admin() -> Connection:
        secret = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=ADMIN)["SecretString"])
        names = {"host": "host", "port": "port", "username": "user", "password": "password"}
        opened: Connection = psycopg2.connect(**{name: secret[key] for key, name in names.items()}, dbname=REGISTER)
        return opened

    send(finding, admin=admin, superuser=stack.postgres.connect)


def send(finding: Finding, *, admin: Callable[[], Connection], superuser: Callable[[], Connection]) -> None:
    """Send the statements of a finding's remedy, as psql does: each is a transaction of its own."""
    (who,) = [one for one in (AS_ADMIN, AS_SUPERUSER, AS_OWNER) if one in finding.remedy]
    opened = admin() if who == AS_ADMIN else superuser()
    opened.autocommit = True
    with closing(opened) as session, session.cursor() as cursor:
        for statement in re.split(r"(?<=;)\s", finding.remedy.partition(who)[2]):
            cursor.execute(statement)
