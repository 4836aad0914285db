"""What a world must look like: that of a provisioned project, and that of one which was rolled back.

Whoever ran a job looks with look(), and then asks for the problems: an empty list means that the world holds.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from local.bootstrap import ADMIN
from tests.executions.looking import SERVICES, STEPS, Row, World, look

__all__ = ["World", "look", "problems_of_provisioned", "problems_of_rolled_back"]

MIGRATIONS = Path(__file__).parents[2] / "functions" / "provisioning" / "tenant_migrations"
KINDS = ("publishable", "secret", "service_role", *("secret",) * 7)
TABLES = ["_migrations", "audit_log", "users"]


def problems_of_provisioned(world: World, payload: Mapping[str, Any]) -> list[str]:
    """Says what is missing, or too much, in the world of a project that was provisioned with this payload."""
    project = world.project
    if project is None or project["status"] != "active":
        return [f"the project is {project and project['status']}"]
    jobs = [job for job in world.jobs if job["status"] == "succeeded"]
    if [job["job_id"] for job in jobs] != [project["job_id"]]:
        return [f"the jobs that succeeded are {[job['job_id'] for job in jobs]}, the project's is {project['job_id']}"]
    (job,) = jobs
    wanted = [name for name in SERVICES if payload.get("services", {}).get(name)]
    count = payload.get("api_keys", {}).get("count", 2)
    return [
        *_job_problems(world, job),
        *_ledger_problems(world, job, wanted),
        *_server_problems(world, job),
        *_registration_problems(world, job, wanted),
        *_secret_problems(world, job, count),
        *_key_problems(world, job, count),
        *_quiet_problems(world),
    ]


def problems_of_rolled_back(world: World) -> list[str]:
    """Says what is left, or not recorded, in the world of a project whose latest job failed."""
    return [*_left_over(world), *_close_problems(world), *_quiet_problems(world)]


def _left_over(world: World) -> Iterator[str]:
    for kind in ("databases", "roles", "secrets", "tenant_databases", "service_registrations", "api_keys"):
        if rows := getattr(world, kind):
            yield f"{kind} left: {[row.get('name') or row.get('service') or row.get('key_id') for row in rows]}"
    if world.registrations:
        yield f"registrations left with {', '.join(world.registrations)}"


def _close_problems(world: World) -> Iterator[str]:
    job, project = world.job, world.project
    if job is None:
        yield "no job was recorded"
        return
    opened = bool(world.audited("job opened", job["job_id"]))
    if job["status"] not in (("rolled_back", "failed") if opened else ("failed",)):
        yield f"the job is {job['status']}"
    if project is not None and project["status"] not in (("failed",) if opened else ("created", "failed")):
        yield f"the project is {project['status']}"
    if not job["last_error_type"] or not job["last_error_message"] or "\n" in job["last_error_message"]:
        yield f"the cause is {job['last_error_type']}: {job['last_error_message']!r}"
    if job["completed_at"] is None or job["leftovers"] != [] or job["result"] is not None:
        yield f"completed at {job['completed_at']}, leftovers {job['leftovers']}, result {job['result']}"
    if job["progress_percent"] == 100 or job["current_stage"] not in ("rolled_back", "failed"):
        yield f"the progress is {job['progress_percent']} % at {job['current_stage']}"
    if not world.audited("job closed", job["job_id"]):
        yield "the audit log does not say that the job was closed"
    for step in world.steps[job["job_id"]]:
        allowed = {"initializing": ("succeeded",), "finalizing": ("pending", "failed")}
        if step["status"] not in allowed.get(step["stage"], ("pending", "skipped", "compensated")):
            yield f"the ledger has {step['stage']} as {step['status']}"


def _differ(what: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{what}: {found!r}, not {expected!r}"


def _quiet_problems(world: World) -> Iterator[str]:
    yield from (f"{one['job_id']} is {one['status']}" for one in world.jobs if one["status"] in ("pending", "running"))
    yield from (f"lock held: {lock}" for lock in world.locks)
    yield from (f"dangling: {what}" for what in world.dangling)


def _job_problems(world: World, job: Row) -> Iterator[str]:
    yield from _differ("progress", (job["progress_percent"], job["current_stage"]), (100, "completed"))
    yield from _differ("error", (job["last_error_type"], job["last_error_message"]), (None, None))
    yield from _differ("leftovers", (job["leftovers"], job["rollback_started_at"]), ([], None))
    if job["completed_at"] is None or not job["result"] or job["result"]["project_id"] != world.project_id:
        yield f"completed at {job['completed_at']} with the result {job['result']}"
    yield from _differ("times that the job was opened", len(world.audited("job opened", job["job_id"])), 1)
    yield from _differ("times that the job was closed", len(world.audited("job closed", job["job_id"])), 0)


def _ledger_problems(world: World, job: Row, wanted: list[str]) -> Iterator[str]:
    skipped = {f"registering_{service}" for service in SERVICES if service not in wanted}
    expected = [(step, "skipped" if step in skipped else "succeeded") for step in STEPS]
    steps = world.steps[job["job_id"]]
    yield from _differ("ledger", [(step["stage"], step["status"]) for step in steps], expected)
    for step in steps:
        if step["error_type"] or step["error_message"] or (step["status"] == "succeeded" and not step["output"]):
            yield f"{step['stage']} has the error {step['error_type']} and the output {step['output']}"
    succeeded = sorted(row["stage"] for row in world.audited("stage succeeded", job["job_id"]))
    yield from _differ("stages that succeeded once", succeeded, sorted({*STEPS[1:]} - skipped))


def _server_problems(world: World, job: Row) -> Iterator[str]:
    mark = f"provisioner project={world.project_id} job={job['job_id']}"
    if len(world.databases) != 1 or len(world.roles) != 2:
        yield f"databases {[one['name'] for one in world.databases]}, roles {[one['name'] for one in world.roles]}"
        return
    (database,) = world.databases
    login, owner = world.roles
    name = database["name"]
    yield from _differ("roles", (login["name"], owner["name"]), (f"{name}_login", f"{name}_owner"))
    yield from _differ("marks", [one["mark"] for one in (database, login, owner)], [mark] * 3)
    yield from _differ("owner", database["owner"], owner["name"])
    granted = {owner["name"]: "CTc", login["name"]: "Tc", ADMIN: "c"}
    acl = [f"{role}={privileges}/{owner['name']}" for role, privileges in granted.items()]
    yield from _differ("privileges", database["acl"], acl)
    yield from _differ("connections", (database["allows_connections"], database["connection_limit"]), (True, 60))
    locale = (database["encoding"], database["provider"], database["locale"])
    yield from _differ("locale", locale, ("UTF8", "b", "C.UTF-8"))
    shared = ["anon", "authenticated", "service_role"]
    for role, logs_in, member_of in ((login, True, [*shared, owner["name"]]), (owner, False, [])):
        powers = (role["logs_in"], role["inherits"], role["powers"])
        yield from _differ(f"powers of {role['name']}", powers, (logs_in, False, False))
        yield from _differ(f"memberships of {role['name']}", role["member_of"], member_of)
    verifiers = [str(role["verifier"]).split("$")[0] for role in (login, owner)]
    yield from _differ("verifiers", verifiers, ["SCRAM-SHA-256", "None"])
    tables = [{"name": table, "owner": owner["name"], "forced": True} for table in TABLES]
    yield from _differ("tables", world.tables, tables)
    versions = sorted(int(file.name.split("_")[0]) for file in MIGRATIONS.glob("[0-9]*.sql"))
    yield from _differ("schema versions", world.schema_versions, versions)
    recorded = [
        (
            row["job_id"],
            row["database_name"],
            row["login_role"],
            row["owner_role"],
            row["schema_version"],
            row["status"],
        )
        for row in world.tenant_databases
    ]
    expected = [(job["job_id"], name, login["name"], owner["name"], versions[-1], "created")]
    yield from _differ("record of the database", recorded, expected)


def _registration_problems(world: World, job: Row, wanted: list[str]) -> Iterator[str]:
    yield from _differ("services that have a registration", sorted(world.registrations), sorted(wanted))
    names = ("idempotency_key", "external_id", "endpoint")
    recorded = {
        row["service"]: (row["job_id"], row["status"], *(row[name] for name in names))
        for row in world.service_registrations
    }
    expected = {
        service: (job["job_id"], "registered", *(row[name] for name in names))
        for service, row in world.registrations.items()
    }
    yield from _differ("records of the registrations", recorded, expected)


def _secret_problems(world: World, job: Row, count: int) -> Iterator[str]:
    if len(world.secrets) != 1 or world.secrets[0]["deleted"]:
        yield f"secrets {[(secret['name'], secret['deleted']) for secret in world.secrets]}"
        return
    secret, document = world.secrets[0], world.secrets[0]["current"]
    yield from _differ("tags", secret["tags"], {"project_id": world.project_id, "job_id": job["job_id"]})
    fields = ["api_keys", "dbname", "engine", "host", "jwt_secret", "password", "port", "username"]
    yield from _differ("fields of the secret", sorted(document), fields)
    yield from _differ("keys in the secret", len(document.get("api_keys", [])), count)
    recorded = [(row["secret_arn"], row["secret_name"]) for row in world.tenant_databases]
    yield from _differ("record of the secret", recorded, [(secret["arn"], secret["name"])])
    try:
        identity = _log_in(document)
    except psycopg2.Error as error:
        yield f"the issued credentials do not log in: {type(error).__name__}"
    else:
        name = document["dbname"]
        yield from _differ("identity of a login", identity, (f"{name}_login", f"{name}_owner", name))
        yield from _differ("database of the secret", [database["name"] for database in world.databases], [name])


def _log_in(document: Row) -> tuple[Any, ...] | None:
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


def _key_problems(world: World, job: Row, count: int) -> Iterator[str]:
    raw = {key["key_id"]: key for secret in world.secrets for key in secret["current"].get("api_keys", [])}
    rows = world.api_keys
    yield from _differ("kinds of the keys", [row["kind"] for row in rows], list(KINDS[:count]))
    yield from _differ("keys of other jobs", [row["key_id"] for row in rows if row["job_id"] != job["job_id"]], [])
    yield from _differ("ids of the keys", sorted(raw), sorted(row["key_id"] for row in rows))
    for row in rows:
        key = raw.get(row["key_id"], {"kind": "", "key": ""})
        digest = hashlib.sha256(key["key"].encode()).digest()
        if bytes(row["key_hash"]) != digest or row["kind"] != key["kind"] or row["hint"] != key["key"][-4:]:
            yield f"the key {row['key_id']} in the secret is not the recorded one"
        if not key["key"].startswith(f"{row['prefix']}_{row['kind']}_"):
            yield f"the key {row['key_id']} does not begin with its prefix and kind"


def _idempotency_key(job: Row, service: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{job['job_id']}/{service}"))
