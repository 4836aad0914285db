import json
import uuid

from local.stack import Stack
from tests.executions.running import keep_logs


def test_cloudwatch_logs_have_what_the_handlers_wrote(stack: Stack, project_id: str) -> None:
    keep_logs(stack)
    job = f"logs-{uuid.uuid4().hex[:8]}"
    stack.run({"project_id": project_id, "region": "us-east-1"}, job)
    logs = stack.client("logs")
    found = logs.filter_log_events(logGroupName="/aws/lambda/CreateDatabaseFunction", filterPattern=f'"{job}"')[
        "events"
    ]
    assert [json.loads(event["message"])["message"] for event in found] == ["attempt started", "attempt succeeded"]
    again = logs.filter_log_events(logGroupName="/aws/lambda/CreateDatabaseFunction", filterPattern=f'"{job}"')[
        "events"
    ]
    assert again == found
