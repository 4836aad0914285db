"""The shared tables."""

import django.db.models.deletion
import django_tenants.postgresql_backend.base
from django.db import migrations, models


class Migration(migrations.Migration):
    """Project and Domain, as makemigrations writes them."""

    initial = True
    operations = (
        migrations.CreateModel(
            "Project",
            [
                ("id", models.BigAutoField(primary_key=True)),
                (
                    "schema_name",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        db_index=True,
                        validators=[django_tenants.postgresql_backend.base._check_schema_name],  # noqa: SLF001 (Django's own)
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "Domain",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("domain", models.CharField(max_length=253, unique=True, db_index=True)),
                ("is_primary", models.BooleanField(default=True, db_index=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        to="projects.project", related_name="domains", on_delete=django.db.models.deletion.CASCADE
                    ),
                ),
            ],
        ),
    )
