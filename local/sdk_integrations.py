"""Let moto's interpreter run AWS SDK integrations (`arn:aws:states:::aws-sdk:SERVICE:ACTION`) as Step Functions does.

moto 5.2.5 lacks three things for them, and each is repaired here: - It calls its own client, with another endpoint. The
repair calls the laptop stack's client. - It leaves names unchanged. Step Functions uses PascalCase in requests and
answers, whatever the API uses:
  https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html. moto has both conversions,
  _to_boto_request and _from_boto_response, and never calls them; the repair does.
- It leaves Python datetimes. In a state's output they are JSON: ISO 8601 in UTC, with milliseconds.

moto's own error names are correct: service and error, each in PascalCase, the error always ending in "Exception"
(Sfn.ExecutionDoesNotExistException).
"""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)

ClientFor = Callable[..., Any]
"""Return the boto3 client of a service, which is passed by name; the other arguments do not matter here."""


def install(client_for: ClientFor) -> ExitStack:
    """Repair the interpreter's SDK integrations until the result is closed."""
    moto, undo = vars(StateTaskService), ExitStack()

    def operation(task: Any) -> Any:
        meta = client_for(service=moto["_get_boto_service_name"](task)).meta
        action = moto["_get_boto_service_action"](task)
        return meta.service_model.operation_model(meta.method_to_api_mapping[action])

    def convert_request(task: Any, parameters: dict[str, Any], *_: Any, **__: Any) -> None:
        if shape := operation(task).input_shape:
            moto["_to_boto_request"](task, parameters, shape)

    def convert_response(task: Any, response: Any, *_: Any, **__: Any) -> None:
        if shape := operation(task).output_shape:
            moto["_from_boto_response"](task, response, shape)
        _write_datetimes_as_text(response)

    undo.enter_context(patch.object(state_task_service_aws_sdk, "boto_client_for", client_for))
    undo.enter_context(patch.object(StateTaskServiceAwsSdk, "_normalise_parameters", convert_request))
    undo.enter_context(patch.object(StateTaskServiceAwsSdk, "_normalise_response", convert_response))
    return undo


def _write_datetimes_as_text(value: Any) -> None:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in list(members):
        if isinstance(member, datetime):
            value[key] = member.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        else:
            _write_datetimes_as_text(member)
