"""CloudWatch Logs on a laptop: what handlers wrote, in moto, under the names of groups that Lambda itself gives."""

from moto.logs.models import LogsBackend

from local.lambda_output import LambdaOutput

LINES_PER_STREAM = 20_000


def log_group(function_name: str) -> str:
    """Return the log group of a function that is told no other."""
    return f"/aws/lambda/{function_name}"


def deliver(output: LambdaOutput, backend: LogsBackend) -> None:
    """Move the lines that were written since the last time into CloudWatch Logs, the newest 20,000 of a stream.

    Called when somebody asks for logs: executions that nobody looks at do not pay for them.
    """
    for line in output.take():
        group, stream = log_group(line.function), line.environment
        if group not in backend.groups:
            backend.create_log_group(group, {})
        if stream not in backend.groups[group].streams:
            backend.create_log_stream(group, stream)
        backend.put_log_events(group, stream, [{"timestamp": line.milliseconds, "message": line.text}])
        events = backend.groups[group].streams[stream].events
        del events[:-LINES_PER_STREAM]
