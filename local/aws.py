"""Step Functions, Lambda, its logs and Secrets Manager on loopback: moto with the shipped definitions and handlers."""

import functools
import io
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from moto import backends
from moto.core import responses
from moto.core.config import default_user_config
from moto.logs.models import logs_backends
from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from werkzeug.wsgi import get_input_stream

from local import (
    access_key,
    clock_control,
    cloudwatch_logs,
    definition_cache,
    http_api,
    moto_state,
    sdk_integrations,
    service_control,
    signature,
)
from local.aws_client import REGION, make_client
from local.executions import Executions
from local.exports import make_bucket
from local.http_server import HttpServer, listen
from local.lambda_environment import Invocation
from local.lambda_output import LambdaOutput
from local.moto_log import log_to
from local.secret_store import DIRECTORY, SecretStore, changes_secrets, named_secret
from local.template import PSEUDO_PARAMETERS, Template
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import job_type_of

ACCOUNT = "123456789012"
MOTO_API = "/moto-api"
INTERPRETER_CONNECTIONS = 200
LONGEST_INVOCATION_SECONDS = 24 * 3600
FRAMES = 10_000
"""moto uses several for every level of a document, and an execution that hits the limit ends without our error."""


class LocalAws:
    """Serve one template's functions and state machines from start() to stop(); one at a time per process.

    Every change of a secret is in its file before the caller gets the answer. `on_end` gets Step Functions' event about
    the end of each execution.
    """

    def __init__(
        self,
        template: Template,
        state: Path,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        fsync: bool = True,
        output: LambdaOutput | None = None,
        on_end: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self._template = template
        self._output = output
        self.key = access_key.ensure(state)
        """Every request has to be signed with it."""
        self._secrets = SecretStore(state / DIRECTORY, fsync=fsync)
        self._log = state / "moto.log"
        self.on_skip: clock_control.Skip = lambda _execution: False
        self.on_service: service_control.Apply = lambda _service, _change: None
        """Does what another process asks to change about a service."""
        self.on_event: http_api.Invoke = lambda _: Invocation("{}", failed=True)
        """Invokes the function of the HTTP API."""
        self._address = address
        self._requested_port = port
        self._executions = Executions(stepfunctions_parser_backends[ACCOUNT][REGION], on_end)
        self._application = DomainDispatcherApplication(_backend)
        self._secrets_lock = threading.Lock()
        self._logs_lock = threading.Lock()
        self._patches = ExitStack()
        self._server: HttpServer | None = None
        arns = [f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{one.name}" for one in template.state_machines]
        self.state_machine_arn = next((arn for arn in arns if job_type_of(arn) == PROVISION_PROJECT.job_type), arns[0])
        """The state machine that provisions, or else the template's first."""

    @property
    def port(self) -> int:
        """The TCP port in use. Raise RuntimeError before start()."""
        return self._started().port

    @property
    def endpoint_url(self) -> str:
        """The address for --endpoint-url. Raise RuntimeError before start()."""
        return self._started().url

    def start(self) -> None:
        """Restore the secrets and serve. Raise HumanError when the port is taken."""
        self._server = HttpServer(self._serve, listen(self._address, self._requested_port), MotoRequestHandler)
        try:
            self._patches.callback(log_to(self._log))
            self._patches.enter_context(
                patch.dict(
                    default_user_config,
                    {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}},
                )
            )
            self._patches.enter_context(patch.object(werkzeug_app, "DISABLE_GLOBAL_CORS", new=True))
            self._patches.enter_context(self._executions.install())
            self._patches.enter_context(definition_cache.install())
            # moto searches its own directory for every request, and the class that answers it.
            modules = list(backends.list_of_moto_modules())
            self._patches.enter_context(patch.object(backends, "list_of_moto_modules", lambda: modules))
            methods = functools.cache(vars(responses)["method_names_from_class"])
            self._patches.enter_context(patch.object(responses, "method_names_from_class", methods))
            client_for = functools.cache(self._interpreter_client)
            self._patches.enter_context(
                patch.object(lambda_eval_utils, "boto_client_for", lambda service, **_: client_for(service))
            )
            self._patches.enter_context(sdk_integrations.install(lambda service, **_: client_for(service)))
            self._patches.callback(sys.setrecursionlimit, sys.getrecursionlimit())
            sys.setrecursionlimit(FRAMES)
            moto_state.reset(ACCOUNT)
            self._secrets.restore(secretsmanager_backends[ACCOUNT][REGION])
            self._server.start()
            self._register()
            make_bucket(self.client("s3"))
        except BaseException:
            self.stop()
            raise

    def stop_executions(self) -> None:
        """Abort the running executions, each of which ends after its present attempt, without an event."""
        self._executions.stop()

    def stop(self) -> None:
        """Stop serving and forget everything but the secrets in their files."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._patches.close()
        moto_state.reset(ACCOUNT)

    def ended(self, execution_arn: str) -> bool:
        """Return whether an execution has ended, without the cost of a request."""
        return self._executions.ended(execution_arn)

    def wait(self, execution_arn: str, seconds: float) -> bool:
        """Wait at most that many seconds for an execution to end. Return whether it has ended."""
        return self._executions.wait(execution_arn, seconds)

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service at this endpoint, ignoring the user's own AWS settings."""
        return make_client(service, self.endpoint_url, self.key)

    def _started(self) -> HttpServer:
        if self._server is None:
            raise RuntimeError("the stack is not running")
        return self._server

    def _register(self) -> None:
        functions = self.client("lambda")
        role = moto_state.make_role(ACCOUNT)
        moto_state.make_event_bus(ACCOUNT, PSEUDO_PARAMETERS["AWS::StackName"])
        arns = {
            function.resource: functions.create_function(
                FunctionName=function.resource,
                Runtime="python3.13",
                Role=role,
                Handler=function.handler,
                Code={"ZipFile": b"runs in the stack's process"},
                Timeout=function.timeout_seconds,
                MemorySize=function.memory_megabytes,
            )["FunctionArn"]
            for function in self._template.functions
        }
        step_functions = self.client("stepfunctions")
        for machine in self._template.state_machines:
            step_functions.create_state_machine(name=machine.name, definition=machine.definition(arns), roleArn=role)

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = get_input_stream(environ).read()
        environ["wsgi.input"] = io.BytesIO(body)
        try:
            signature.check(environ, body, self.key)
        except signature.Refused as refused:
            headers, answer = refused.answer()
            start_response(signature.REFUSED_STATUS, headers)
            return [answer]
        status, headers, answer = "404 Not Found", list[tuple[str, str]](), b""
        if environ["PATH_INFO"].startswith(service_control.PATH):
            status, answer = service_control.answer(environ, body, self.on_service)
        elif environ["PATH_INFO"] == clock_control.PATH:
            status, answer = clock_control.answer(environ, body, self.on_skip)
        elif http_api.is_asked(environ):
            status, headers, answer = http_api.answer(environ, body, ACCOUNT, self.on_event)
        elif not environ["PATH_INFO"].startswith(MOTO_API):
            return self._answer(environ, start_response, body)
        # moto's own API reads, resets and seeds everything; nothing of the stack uses it.
        start_response(status, [*headers, ("Content-Length", str(len(answer)))])
        return [answer]

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any], body: bytes) -> Iterable[bytes]:
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service.startswith("Logs_") and self._output is not None:
            with self._logs_lock:
                cloudwatch_logs.deliver(self._output, logs_backends[ACCOUNT][REGION])
        if service != "secretsmanager":
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        backend = secretsmanager_backends[ACCOUNT][REGION]
        # moto checks first and changes afterwards: two concurrent creations of one name would both succeed.
        with self._secrets_lock:
            name = named_secret(backend, body)
            answer = list(self._application(environ, start_response))
            if changes_secrets(action):
                self._secrets.save(backend, name)
            return answer

    def _interpreter_client(self, service: str) -> Any:
        # Created once per service: moto creates a client per invocation, which costs more than the invocation.
        return make_client(
            service,
            self.endpoint_url,
            self.key,
            parameter_validation=False,
            max_pool_connections=INTERPRETER_CONNECTIONS,
            retries={"max_attempts": 0},
            read_timeout=LONGEST_INVOCATION_SECONDS,
        )


def _backend(service: Any) -> Any:
    """Create moto's application for one service. In debug mode Flask creates a class per request, and moto's errors go
    to the terminal.
    """
    application = create_backend_app(service)
    application.debug = False
    return application
