"""A peer: django-tenants makes a tenant, in a warm process of its own on the same server.

Its tenant is a schema in a database that all tenants share, with the tables and indexes of ours and without row level
security, roles, credentials, registrations or keys.
"""

import multiprocessing
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

from psycopg2 import sql

from bench import server
from bench.environment import timed
from local.stack import Stack

DATABASE = "django_tenants"


@contextmanager
def django_tenants(stack: Stack) -> Iterator[Callable[[], float]]:
    """Make the shared database, start the process, and yield what makes a tenant in it.

    It returns the milliseconds that the tenant takes: its row, its schema, and its migrations.
    """
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    login = {name.upper(): value for name, value in server.login(stack).items()}
    log = str(stack.state_directory / "bench.log")
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver"), _start, (login, log)) as process:
        yield lambda: process.submit(_create).result()


def _start(login: dict[str, Any], log: str) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), sys.stdout.fileno())
    shared = ["django_tenants", "django.contrib.contenttypes", f"{__name__}.projects"]
    settings.configure(
        DATABASES={"default": {"ENGINE": "django_tenants.postgresql_backend", "NAME": DATABASE, **login}},
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        SHARED_APPS=shared,
        TENANT_APPS=[f"{__name__}.tenant"],
        INSTALLED_APPS=[*shared, f"{__name__}.tenant"],
        TENANT_MODEL="projects.Project",
        TENANT_DOMAIN_MODEL="projects.Domain",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate_schemas", shared=True, run_syncdb=True, verbosity=0)
    _create()


def _create() -> float:
    from bench.django_tenants_peer.projects.models import Project

    schema = f"t_{uuid.uuid4().hex}"
    return timed(lambda: Project(schema_name=schema).save(verbosity=0))
