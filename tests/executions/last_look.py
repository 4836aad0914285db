"""The last look at what was removed, made now instead of when it is due."""

import threading

from psycopg2 import sql

from local.stack import Stack
from tests.executions.running import execute

ADVANCE = sql.SQL("""
    UPDATE control_plane.tenants SET look_again_at = now()
    WHERE state = 'removing' AND project_id IS NOT DISTINCT FROM {project};
    UPDATE control_plane.api_key_secrets SET look_again_at = now()
    FROM control_plane.tenants
    WHERE api_key_secrets.look_again_at IS NOT NULL AND tenants.tenant_id = api_key_secrets.tenant_id
        AND tenants.project_id = {project}
""")
REMOVED = sql.SQL("""
    SELECT tenant_id, (SELECT coalesce(max(id), 0) FROM control_plane.audit_log) FROM control_plane.tenants
    WHERE state = 'removing' AND removed_at IS NOT NULL AND project_id IS NOT DISTINCT FROM {project}
""")
FOUND = sql.SQL("""
    SELECT tenant_id, details -> 'removed', details ->> 'error_message'
    FROM control_plane.audit_log
    WHERE action = 'tenant looked at again' AND id > {since} AND tenant_id = ANY ({tenants})
""")
_one_at_a_time = threading.Lock()
"""Upkeep has one environment (ReservedConcurrentExecutions)."""


def look_last(stack: Stack, project_id: str | None) -> list[str]:
    """Run upkeep with the clock past the last look at a project's removed tenants; return what it found.

    Without a project, look at the tenants that refills of the pools have removed.
    """
    project = sql.Literal(project_id)
    with _one_at_a_time:
        looked_at = execute(stack, REMOVED.format(project=project), "control_plane")
        execute(stack, ADVANCE.format(project=project), "control_plane")
        stack.runtime.invoke("ReconcileFunction", "{}")
    if not looked_at:
        return []
    tenants = [tenant_id for tenant_id, _ in looked_at]
    asked = FOUND.format(since=sql.Literal(looked_at[0][1]), tenants=sql.Literal(tenants))
    return [str(row) for row in execute(stack, asked, "control_plane")]
