"""A refill takes out of the pool what no job could use, makes others in its place, and reports what was wrong."""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.aws import secrets_manager
from provisioning.cluster.session import REGISTER
from provisioning.errors import (
    InsufficientPermissions,
    ProvisioningError,
    StatementRejected,
)
from provisioning.identity import TenantNames
from provisioning.tenant import inspection
from tests.conftest import NewProject
from tests.provisioning.failing_secrets_manager import answering
from tests.stages.jobs import StagedJob, execute, lambda_environment, open_job
from tests.stages.test_pool import emptied, on_cluster, ready, refill, unfinished

__all__ = ["emptied"]

pytestmark = pytest.mark.slow

STATE = "SELECT state FROM control_plane.tenants WHERE tenant_id = %s"
SECRETS = "provisioner/tenants/"


def on_server(*statements: str, dbname: str = "postgres") -> Callable[[Stack, str], None]:
    """A change by the superuser; in it, {d}, {o} and {l} are the tenant's database and roles, {t} its id."""

    def change(stack: Stack, tenant_id: str) -> None:
        names = TenantNames(tenant_id)
        known = {"d": names.database, "o": names.owner_role, "l": names.login_role}
        composed = {key: sql.Identifier(name) for key, name in known.items()} | {"t": sql.Literal(tenant_id)}
        for statement in statements:
            execute(stack, dbname or names.database, sql.SQL(statement).format(**composed))

    return change


def in_secrets(operation: str, **arguments: Any) -> Callable[[Stack, str], None]:
    """A change of the tenant's secret, long after it was created."""

    def change(stack: Stack, tenant_id: str) -> None:
        age(stack, tenant_id)
        getattr(stack.client("secretsmanager"), operation)(SecretId=SECRETS + tenant_id, **arguments)

    return change


def age(stack: Stack, tenant_id: str) -> None:
    made_before = "UPDATE control_plane.tenants SET created_at = now() - interval '1 hour' WHERE tenant_id = %s"
    execute(stack, "control_plane", made_before, tenant_id)


DROP, FORGET = "DROP DATABASE {d} WITH (FORCE)", "DELETE FROM register.tenants WHERE tenant_id = {t}"
DISOWN = "DROP OWNED BY {l}"
LOSSES = {
    "the database": (on_server(DROP), "no database"),
    "the database and the owner role": (on_server(DROP, "DROP ROLE {o}"), "no database, no owner role"),
    "the database and the login role": (on_server(DROP, "DROP ROLE {l}"), "no database, no login role"),
    "everything on the server": (on_server(DROP, "DROP ROLE {l}, {o}"), "no database, no owner role, no login role"),
    "half of the database": (
        on_server("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'tenant_' || {t}"),
        "no database",
    ),
    "connections": (on_server("ALTER DATABASE {d} ALLOW_CONNECTIONS false"), "the database allows no connections"),
    "places": (on_server("ALTER DATABASE {d} CONNECTION LIMIT 0"), "the database's connection limit is 0"),
    "the login": (on_server("ALTER ROLE {l} NOLOGIN"), "its login cannot log in"),
    "the login's time": (on_server("ALTER ROLE {l} VALID UNTIL '2020-01-01'"), "its login cannot log in"),
    "the login's places": (on_server("ALTER ROLE {l} CONNECTION LIMIT 0"), "its login cannot log in"),
    "the privilege to connect": (
        on_server("SET ROLE {o}; REVOKE CONNECT ON DATABASE {d} FROM {l}"),
        "its login may not connect",
    ),
    "the register's row": (on_server(FORGET, dbname=REGISTER), "no row in the register"),
    "the register's row, which is of a removal": (
        on_server("UPDATE register.tenants SET state = 'removing' WHERE tenant_id = {t}", dbname=REGISTER),
        "removing in the register",
    ),
    "the secret": (in_secrets("delete_secret", ForceDeleteWithoutRecovery=True), "no secret"),
    "the secret in a week": (in_secrets("delete_secret"), "its secret is scheduled for deletion"),
    "the secret's form": (in_secrets("put_secret_value", SecretString="x"), "its secret is of another form"),
    "the secret's text": (in_secrets("put_secret_value", SecretBinary=b"x"), "its secret is of another form"),
    "the password": (
        in_secrets("put_secret_value", SecretString='{"username": "x", "password": "y"}'),
        "its secret does not have its credentials",
    ),
}


@pytest.mark.parametrize(("lose", "why"), LOSSES.values(), ids=LOSSES)
def test_a_tenant_that_has_lost_something_is_replaced_and_reported(stack: Stack, lose: Any, why: str) -> None:
    lost, kept = refill()["made"]
    lose(stack, lost)
    done = refill()
    assert done["lost"] == {lost: why}
    assert (done["removed"], done["failed"], len(done["made"])) == ([lost], {}, 1)
    assert ready(stack) == {kept, *done["made"]}
    assert on_cluster(stack, lost) == []
    assert refill() == {"made": [], "removed": [], "lost": {}, "failed": {}, "busy": []}


def test_a_login_that_was_dropped_does_not_keep_the_rest_from_being_removed(stack: Stack) -> None:
    lost, _ = refill()["made"]
    on_server(DISOWN, dbname="")(stack, lost)
    on_server(DISOWN, "DROP ROLE {l}")(stack, lost)
    assert refill()["lost"] == {lost: "no login role"}
    assert on_cluster(stack, lost) == []


def test_what_cannot_be_removed_is_replaced_and_raised_at_the_end(stack: Stack) -> None:
    lost, kept = refill()["made"]
    on_server("ALTER DATABASE {d} OWNER TO postgres", "ALTER DATABASE {d} CONNECTION LIMIT 0")(stack, lost)
    with pytest.raises((InsufficientPermissions, StatementRejected)):
        refill()
    assert len(ready(stack) - {lost, kept}) == 1
    assert unfinished(stack) == [lost]
    on_server("ALTER DATABASE {d} OWNER TO {o}")(stack, lost)
    assert refill()["removed"] == [lost]


def test_a_tenant_that_the_register_gives_to_somebody_is_replaced_and_left_to_it(stack: Stack) -> None:
    given, kept = refill()["made"]
    on_server("UPDATE register.tenants SET job_id = 'of-another' WHERE tenant_id = {t}", dbname=REGISTER)(stack, given)
    done = refill()
    assert done["lost"] == {given: "the register gives it to somebody else"}
    assert (done["removed"], execute(stack, "control_plane", STATE, given)) == ([], [("disputed",)])
    assert (len(on_cluster(stack, given)), ready(stack)) == (3, {kept, *done["made"]})
    execute(stack, "control_plane", "UPDATE control_plane.tenants SET state = 'ready' WHERE tenant_id = %s", given)
    on_server("UPDATE register.tenants SET job_id = NULL WHERE tenant_id = {t}", dbname=REGISTER)(stack, given)


def test_a_tenant_that_a_job_claims_meanwhile_is_left_to_the_job(stack: Stack, new_project: NewProject) -> None:
    with patch.dict(os.environ, {"POOL_SIZE": "1"}):
        (lost,) = refill()["made"]
        on_server("ALTER ROLE {l} NOLOGIN")(stack, lost)
        real, jobs = inspection.inspect, list[StagedJob]()

        def inspect(*arguments: Any) -> inspection.Inspection:
            found = real(*arguments)
            with lambda_environment():
                jobs.append(open_job(new_project()))
            return found

        with patch.object(inspection, "inspect", inspect):
            done = refill()
    assert (jobs[0].tenant_id, done["lost"], done["removed"]) == (lost, {}, [])
    assert len(on_cluster(stack, lost)) == 3


def test_a_secret_that_is_not_found_right_after_its_creation_is_not_lost(stack: Stack) -> None:
    made = set(refill()["made"])
    with answered(made, answering("ResourceNotFoundException")):
        assert refill()["lost"] == {}
    assert ready(stack) == made


def test_one_secret_that_may_not_be_read_is_replaced(stack: Stack) -> None:
    lost, kept = refill()["made"]
    with answered({lost}, answering("AccessDeniedException")):
        done = refill()
    assert done["lost"] == {lost: "its secret cannot be read"}
    assert ready(stack) == {kept, *done["made"]}


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServiceError"])
def test_if_no_secret_can_be_read_no_tenant_is_at_fault(
    stack: Stack, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    made = set(refill()["made"])
    with answered(made, answering(code)), pytest.raises(ProvisioningError, match="Secrets Manager"):
        refill()
    assert ready(stack) == made
    told = vars(caplog.records[-1])
    assert (told["msg"], told["levelname"], set(told["failed"])) == ("pools refilled", "WARNING", made)


def test_what_was_lost_is_a_metric_and_a_line_of_the_log(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    lost, _ = refill()["made"]
    on_server(DROP)(stack, lost)
    with redirect_stdout(io.StringIO()) as output:
        refill()
    written = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [one["LostPoolEntries"] for one in written if "LostPoolEntries" in one] == [[1]]
    told = vars(caplog.records[-1])
    assert (told["msg"], told["levelname"], told["lost"]) == ("pools refilled", "WARNING", {lost: "no database"})


@contextmanager
def answered(tenant_ids: set[str], error: BaseException) -> Iterator[None]:
    """Let Secrets Manager answer a read of these tenants' secrets with an error."""

    def fail(params: dict[str, Any], **_: object) -> None:
        if any(tenant_id in str(params["body"]) for tenant_id in tenant_ids):
            raise error

    events, name = secrets_manager.client().meta.events, "before-call.secrets-manager.GetSecretValue"
    events.register_first(name, fail)
    try:
        yield
    finally:
        events.unregister(name, fail)
