"""The world of a project that was provisioned."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from local.bootstrap import ADMIN
from provisioning.jobs.provision_project import PROVISION_PROJECT
from tests.executions.looking import SECRETS, Row, World
from tests.executions.rolled_back import quiet_problems, waiting_problems
from tests.executions.running import SERVICES

MIGRATIONS = Path(__file__).parents[2] / "functions" / "tenant_schema"
STEPS = [str(stage) for stage in PROVISION_PROJECT.states]
KINDS = ("publishable", "secret", "service_role", *("secret",) * 7)
TABLES = ["_migrations", "audit_log", "users"]


def problems_of_provisioned(world: World, payload: Mapping[str, Any], *, revealed: bool = False) -> list[str]:
    """Return what is missing or superfluous in the world of a project that was provisioned with this payload."""
    project = world.project
    if project is None or project["status"] != "active":
        return [f"the project is {project and project['status']}"]
    jobs = [job for job in world.jobs if job["status"] == "succeeded"]
    if [job["job_id"] for job in jobs] != [project["job_id"]]:
        return [f"the jobs that succeeded are {[job['job_id'] for job in jobs]}, the project's is {project['job_id']}"]
    active = [row for row in world.tenants if row["state"] == "active"]
    if len(active) != 1:
        return [f"the tenants are {[(row['tenant_id'], row['state']) for row in world.tenants]}"]
    (job,), (tenant,) = jobs, active
    wanted = [name for name in SERVICES if payload.get("services", {}).get(name)]
    count = payload.get("api_keys", {}).get("count", 2)
    return [
        *_job_problems(world, job),
        *_ledger_problems(world, job, wanted),
        *_tenant_problems(world, job, tenant),
        *_server_problems(world, tenant),
        *_registration_problems(world, job, tenant, wanted),
        *_secret_problems(world, tenant),
        *_key_problems(world, job, tenant, 0 if revealed else count),
        *_key_record_problems(world, job, tenant, count),
        *quiet_problems(world),
    ]


def _job_problems(world: World, job: Row) -> Iterator[str]:
    yield from differ("progress", (job["progress_percent"], job["current_stage"]), (100, "completed"))
    yield from differ("error", (job["last_error_type"], job["last_error_message"]), (None, None))
    yield from differ("leftovers", (job["leftovers"], job["rollback_started_at"]), ([], None))
    if job["completed_at"] is None or not job["result"] or job["result"]["project_id"] != world.project_id:
        yield f"completed at {job['completed_at']} with the result {job['result']}"
    yield from differ("times that the job was opened", len(world.audited("job opened", job["job_id"])), 1)
    yield from differ("times that the job was closed", len(world.audited("job closed", job["job_id"])), 0)


def _ledger_problems(world: World, job: Row, wanted: list[str]) -> Iterator[str]:
    skipped = {f"registering_{service}" for service in SERVICES if service not in wanted}
    expected = [(step, "skipped" if step in skipped else "succeeded") for step in STEPS]
    steps = world.steps[job["job_id"]]
    yield from differ("ledger", [(step["stage"], step["status"]) for step in steps], expected)
    for step in steps:
        if step["error_type"] or step["error_message"] or (step["status"] == "succeeded" and not step["output"]):
            yield f"{step['stage']} has the error {step['error_type']} and the output {step['output']}"
    succeeded = sorted(row["stage"] for row in world.audited("stage succeeded", job["job_id"]))
    yield from differ("stages that succeeded once", succeeded, sorted({*STEPS[1:]} - skipped))


def _tenant_problems(world: World, job: Row, tenant: Row) -> Iterator[str]:
    """The active tenant, its row in the register, and what earlier jobs of the project have left behind."""
    held = (tenant["job_id"], tenant["project_id"], tenant["schema_version"], tenant["look_again_at"])
    yield from differ("holder and version", held, (job["job_id"], world.project_id, _versions()[-1], None))
    yield from differ("what its schema has", bool(tenant["prepared"]), True)
    registered = [row for row in world.registered if row["tenant_id"] == tenant["tenant_id"]]
    found = [(row["job_id"], row["project_id"], row["state"]) for row in registered]
    yield from differ("register", found, [(job["job_id"], world.project_id, "active")])
    others = [row for row in world.tenants if row is not tenant]
    yield from waiting_problems(others, world)
    yield from differ("tenant of the result", (job["result"] or {}).get("tenant_id"), tenant["tenant_id"])


def _server_problems(world: World, tenant: Row) -> Iterator[str]:
    name = f"tenant_{tenant['tenant_id']}"
    owned = [one["name"] for one in world.databases], [one["name"] for one in world.roles]
    if owned != ([name], [f"{name}_login", f"{name}_owner"]):
        yield f"databases and roles: {owned}"
        return
    (database,), (login, owner) = world.databases, world.roles
    yield from differ("comments", [one["comment"] for one in (database, login, owner)], [None] * 3)
    yield from differ("owner", database["owner"], owner["name"])
    granted = {owner["name"]: "CTc", login["name"]: "Tc", ADMIN: "c"}
    acl = [f"{role}={privileges}/{owner['name']}" for role, privileges in granted.items()]
    yield from differ("privileges", database["acl"], acl)
    yield from differ("connections", (database["allows_connections"], database["connection_limit"]), (True, 60))
    locale = (database["encoding"], database["provider"], database["locale"])
    # PostgreSQL has a provider of its own since 17 (tests/stages/test_case_rules.py).
    if locale not in (("UTF8", "b", "C.UTF-8"), ("UTF8", "c", None)):
        yield f"locale: {locale}"
    shared = ["anon", "authenticated", "service_role"]
    used_by = {login["name"]: [], owner["name"]: [login["name"]]}
    for role, logs_in, member_of in ((login, True, [*shared, owner["name"]]), (owner, False, [])):
        powers = (role["logs_in"], role["inherits"], role["powers"])
        yield from differ(f"powers of {role['name']}", powers, (logs_in, not logs_in, False))
        yield from differ(f"memberships of {role['name']}", role["member_of"], member_of)
        yield from differ(f"who can become {role['name']}", role["used_by"], used_by[role["name"]])
    verifiers = [str(role["verifier"]).split("$")[0] for role in (login, owner)]
    yield from differ("verifiers", verifiers, ["SCRAM-SHA-256", "None"])
    tables = [{"name": table, "owner": owner["name"], "row_security": True} for table in TABLES]
    yield from differ("tables", world.tables, tables)
    yield from differ("schema versions", world.schema_versions, _versions())


def _versions() -> list[int]:
    return sorted(int(file.name.split("_")[0]) for file in MIGRATIONS.glob("[0-9]*.sql"))


def _registration_problems(world: World, job: Row, tenant: Row, wanted: list[str]) -> Iterator[str]:
    tenant_id = tenant["tenant_id"]
    made = {service: (row["tenant_id"], row["idempotency_key"]) for service, row in world.registrations.items()}
    yield from differ(
        "registrations", made, {service: (tenant_id, _key(f"{tenant_id}/{service}")) for service in sorted(wanted)}
    )
    recorded = {
        row["service"]: (row["job_id"], row["status"], row["endpoint"])
        for row in world.service_registrations
        if row["tenant_id"] == tenant_id
    }
    endpoints = {service: row["endpoint"] for service, row in world.registrations.items()}
    expected = {service: (job["job_id"], "registered", endpoint) for service, endpoint in endpoints.items()}
    yield from differ("records of the registrations", recorded, expected)


def _secret_problems(world: World, tenant: Row) -> Iterator[str]:
    name = SECRETS + tenant["tenant_id"]
    found = [(secret["name"], secret["deleted"], len(secret["versions"])) for secret in world.credentials]
    if found != [(name, False, 1)]:
        yield f"secrets {found}"
        return
    (secret,) = world.credentials
    document = secret["current"]
    yield from differ("tags", secret["tags"], _tags(tenant))
    fields = ["dbname", "engine", "host", "jwt_secret", "password", "port", "username"]
    yield from differ("fields of the secret", sorted(document), fields)
    yield from differ("record of the secret", tenant["secret_arn"], secret["arn"])
    try:
        identity = log_in(document)
    except psycopg2.Error as error:
        yield f"the issued credentials do not log in: {type(error).__name__}"
    else:
        name = f"tenant_{tenant['tenant_id']}"
        yield from differ("identity of a login", identity, (f"{name}_login", f"{name}_owner", name))


def log_in(document: Row) -> tuple[Any, ...] | None:
    connection = psycopg2.connect(
        host=document["host"],
        port=document["port"],
        dbname=document["dbname"],
        user=document["username"],
        password=document["password"],
        sslmode="disable",
        connect_timeout=5,
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT session_user::text, current_user::text, current_database()::text")
        return cursor.fetchone()


def _key_problems(world: World, job: Row, tenant: Row, count: int) -> Iterator[str]:
    """The secret with the raw keys: exactly count of them, or no secret."""
    name = f"{SECRETS}{tenant['tenant_id']}/api-keys/{_key(job['job_id'])}"
    found = [(secret["name"], secret["deleted"], len(secret["versions"])) for secret in world.raw_keys]
    yield from differ("secrets of API keys", found, [(name, False, 1)] if count else [])
    for secret in world.raw_keys:
        yield from differ("tags of the keys' secret", secret["tags"], _tags(tenant))
        yield from differ("fields of the keys' secret", sorted(secret["current"]), ["api_keys"])
        raw = {key["key_id"]: key for key in secret["current"].get("api_keys", [])}
        yield from differ("number of raw keys", len(secret["current"].get("api_keys", [])), count)
        yield from differ("ids of the keys", sorted(raw), sorted(row["key_id"] for row in world.api_keys))
        for row in world.api_keys:
            key = raw.get(row["key_id"], {"kind": "", "key": ""})
            digest = hashlib.sha256(key["key"].encode()).digest()
            if bytes(row["key_hash"]) != digest or row["kind"] != key["kind"] or row["hint"] != key["key"][-4:]:
                yield f"the key {row['key_id']} in the secret is not the recorded one"
            if not key["key"].startswith(f"{row['prefix']}_{row['kind']}_"):
                yield f"the key {row['key_id']} does not begin with its prefix and kind"


def _key_record_problems(world: World, job: Row, tenant: Row, count: int) -> Iterator[str]:
    rows, mine = world.api_keys, (tenant["tenant_id"], job["job_id"])
    yield from differ("kinds of the keys", [row["kind"] for row in rows], list(KINDS[:count]))
    others = [row["key_id"] for row in rows if (row["tenant_id"], row["job_id"]) != mine]
    yield from differ("keys of other jobs", others, [])
    kept = [row for row in world.api_key_secrets if row["tenant_id"] == tenant["tenant_id"]]
    found = [(row["tenant_id"], row["job_id"], row["revealed_at"] is not None) for row in kept]
    yield from differ("records of the keys' secret", found, [(*mine, not world.raw_keys)])


def _tags(tenant: Row) -> dict[str, str]:
    return {"tenant_id": tenant["tenant_id"], "stack": "laptop"}


def _key(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{name}"))


def differ(what: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{what}: {found!r}, not {expected!r}"
