"""Replication slots keep a database from being dropped: the compensation drops only the tenant's own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extras import LogicalReplicationConnection

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.aws import secrets
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import StagedJob, execute, open_job


@contextmanager
def streaming(stack: Stack, job: StagedJob, slot: str) -> Iterator[LogicalReplicationConnection]:
    """Keep a slot active: a consumer streams from it with the login, to which an operator granted REPLICATION.

    Before 16 only a superuser may alter such a login, so there it has a role of its own, and the admin is its member.
    """
    document = secrets.read(job.names.secret)
    if int(stack.postgres.major_version()) >= 16:
        execute(stack, "postgres", sql.SQL("ALTER ROLE {} REPLICATION").format(sql.Identifier(job.names.login_role)))
    else:
        document = document | {"username": f"reader_{job.names.tenant_id}"}
        reader, password = sql.Identifier(document["username"]), sql.Literal(document["password"])
        execute(stack, "postgres", sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}").format(reader, password))
        let_in = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}; GRANT {} TO {}").format(
            sql.Identifier(job.names.database), reader, reader, sql.Identifier(ADMIN)
        )
        execute(stack, "postgres", let_in)
    with closing(
        psycopg2.connect(
            host=document["host"],
            port=document["port"],
            dbname=document["dbname"],
            user=document["username"],
            password=document["password"],
            connection_factory=LogicalReplicationConnection,
        )
    ) as consumer:
        with consumer.cursor() as cursor:
            cursor.create_replication_slot(slot, output_plugin="pgoutput")
            cursor.start_replication(slot, options={"proto_version": "1", "publication_names": "all"})
        yield consumer


def test_a_database_goes_though_its_slot_is_streamed_and_other_streams_go_on(
    stack: Stack, new_project: NewProject
) -> None:
    gone, kept = open_job(new_project()), open_job(new_project())
    for job in (gone, kept):
        job.run(create_database)
    slots = [f"realtime_{job.project_id.replace('-', '_')}" for job in (gone, kept)]
    active = "SELECT slot_name::text FROM pg_replication_slots WHERE active AND slot_name = ANY (%s)"
    with (
        streaming(stack, kept, slots[1]),
        streaming(stack, gone, slots[0]),
    ):
        assert len(execute(stack, "postgres", active, slots)) == 2
        assert gone.names.database in gone.run(drop_database)["removed"]
        assert execute(stack, "postgres", active, slots) == [(slots[1],)]
        assert look(stack, gone.project_id).databases == []
    assert kept.names.database in kept.run(drop_database)["removed"]
    assert execute(stack, "postgres", "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", slots[1]) == []


def test_an_idle_slot_goes_with_its_database_and_no_other_databases_does(stack: Stack, new_project: NewProject) -> None:
    job = open_job(new_project())
    job.run(create_database)
    create = "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')"
    mine, other = f"realtime_{job.project_id.replace('-', '_')}", f"realtime_{job.project_id.replace('-', '_')}_other"
    execute(stack, job.names.database, create, mine)
    execute(stack, "postgres", create, other)
    try:
        assert job.names.database in job.run(drop_database)["removed"]
        left = execute(stack, "postgres", "SELECT slot_name::text FROM pg_replication_slots")
        assert (other,) in left
        assert (mine,) not in left
    finally:
        execute(stack, "postgres", "SELECT pg_drop_replication_slot(%s)", other)
