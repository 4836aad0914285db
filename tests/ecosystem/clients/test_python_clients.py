"""Clients in Python, each a small program in programs/, on a fresh tenant of a whole job."""

from pathlib import Path

import pytest

from tests.ecosystem.clients.running import PYTHON, Run, run_client

pytestmark = pytest.mark.ecosystem

DJANGO_SETTINGS = """
import os
from urllib.parse import urlsplit

url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password,
    "HOST": url.hostname, "PORT": url.port, "TEST": {"NAME": url.path[1:]},
}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "notes"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "of-a-test"
USE_TZ = True
"""
DJANGO_MODELS = """
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models

class Note(models.Model):
    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    body = models.JSONField(default=dict)
    tags = ArrayField(models.TextField(), default=list)
"""
DJANGO_TESTS = """
from django.contrib.auth.models import User
from django.test import TestCase, TransactionTestCase
from notes.models import Note

class InTransaction(TestCase):
    def test_a_note_is_kept(self):
        Note.objects.create(owner=User.objects.create_user("ada"), body={"a": 1}, tags=["b"])
        self.assertEqual(Note.objects.get(body__a=1).tags, ["b"])

class Flushing(TransactionTestCase):
    def test_nothing_is_left_of_another(self):
        User.objects.create_user("ada")
        self.assertEqual(Note.objects.count(), 0)
"""
KEEPDB = "--keepdb"


@pytest.mark.parametrize("client", ["psycopg", "asyncpg", "pg8000", "sqlalchemy"])
def test_a_client_makes_writes_and_reads_its_tables(url: str, run_python: Run, client: str) -> None:
    run_python(f"with_{client}.py", url)


def test_alembic_proposes_to_drop_nothing_and_comes_and_goes(url: str, run_python: Run) -> None:
    run_python("with_alembic.py", url)


@pytest.fixture
def django(run_python: Run, tmp_path: Path) -> Path:
    """A project of Django with an application of its own, whose migrations were made by makemigrations."""
    application = tmp_path / "notes"
    application.mkdir()
    (application / "__init__.py").touch()
    (tmp_path / "settings_of_a_test.py").write_text(DJANGO_SETTINGS)
    (application / "models.py").write_text(DJANGO_MODELS)
    (application / "tests.py").write_text(DJANGO_TESTS)
    return tmp_path


def manage(directory: Path, url: str, *words: str, succeeds: bool = True) -> str:
    """Run `manage.py` with these words, and return all that it said."""
    settings = {"DJANGO_SETTINGS_MODULE": "settings_of_a_test", "PYTHONPATH": str(directory)}
    done = run_client([PYTHON, "-m", "django", *words], url, directory, settings, succeeds=succeeds)
    return done.stdout + done.stderr


def test_django_migrates_forward_and_back(url: str, django: Path) -> None:
    manage(django, url, "makemigrations", "notes")
    manage(django, url, "migrate", "--no-input")
    assert "No changes detected" in manage(django, url, "makemigrations", "--check", "--dry-run")
    assert "class Note" in manage(django, url, "inspectdb", "notes_note").replace("NotesNote", "Note")
    manage(django, url, "migrate", "notes", "zero")
    manage(django, url, "migrate", "--no-input")


def test_djangos_tests_run_in_a_second_project(url: str, second_url: str, django: Path) -> None:
    """The database of the tests is one that exists: --keepdb, and DATABASE_URL of the second project."""
    manage(django, url, "makemigrations", "notes")
    manage(django, url, "migrate", "--no-input")
    for _ in range(2):
        assert "Ran 2 tests" in manage(django, second_url, "test", KEEPDB, "--no-input")


def test_djangos_tests_without_keepdb_are_told_why_not(url: str, django: Path) -> None:
    settings = django / "settings_of_a_test.py"
    settings.write_text(settings.read_text().replace(', "TEST": {"NAME": url.path[1:]}', ""))
    manage(django, url, "makemigrations", "notes")
    assert "permission denied to create database" in manage(django, url, "test", "--no-input", succeeds=False)
