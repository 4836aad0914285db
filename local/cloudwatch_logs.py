"""CloudWatch Logs on a laptop: the handlers' output in moto, in log groups named as Lambda names them."""

from moto.logs.models import LogsBackend

from local.lambda_output import LambdaOutput

LINES_PER_STREAM = 20_000


def log_group(function_name: str) -> str:
    """Return a function's default log group."""
    return f"/aws/lambda/{function_name}"


def deliver(output: LambdaOutput, backend: LogsBackend) -> None:
    """Move the lines written since the last call into CloudWatch Logs, the newest 20,000 of a stream.

    Called when logs are requested, so that other executions do not pay for it.
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
