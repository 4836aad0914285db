"""The tables and indexes of functions/tenant_schema/, as Django makes them."""

import uuid

from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    """users and audit_log."""

    initial = True
    operations = (
        migrations.CreateModel(
            "Users",
            [
                ("user_id", models.UUIDField(primary_key=True, default=uuid.uuid4)),
                ("email", models.TextField()),
                ("profile", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "users",
                "constraints": [models.UniqueConstraint(Lower("email"), name="users_by_email")],
            },
        ),
        migrations.CreateModel(
            "AuditLog",
            [
                ("entry_id", models.BigAutoField(primary_key=True)),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
                ("user_id", models.UUIDField(null=True)),
                ("action", models.TextField()),
                ("details", models.JSONField(default=dict)),
            ],
            options={
                "db_table": "audit_log",
                "indexes": [
                    models.Index("user_id", models.F("recorded_at").desc(), name="audit_log_by_user"),
                    models.Index(models.F("recorded_at").desc(), name="audit_log_by_time"),
                ],
            },
        ),
    )
