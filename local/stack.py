"""The whole stack in one process: PostgreSQL, the registration services, and Step Functions with the handlers."""

import gc
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

import provisioning.jobs.executions  # noqa: F401 (registers the handlers)
from local import bootstrap, http_api, state
from local.aws_client import aws_environment, use_environment
from local.end_rules import EndRules
from local.external_services import Change, Given
from local.lambda_output import LambdaOutput
from local.postgres import LOOPBACK, PostgresServer
from local.settings import Settings
from local.starting import start_execution
from local.template import REPOSITORY, read_template
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import StepFunctions, validate_required_handlers
from provisioning.stage import Service

if TYPE_CHECKING:
    from local.aws import LocalAws
    from local.clock import Clock
    from local.lambda_runtime import LambdaRuntime
    from local.services import RegistrationServices

DEFAULT_TEMPLATE = REPOSITORY / "template.yaml"


class Stack:
    """A running stack whose state is in a directory: what users have made still exists at the next start.

    The first start creates the control plane, a cluster (this same server) and the project of the sample event. Waits
    between attempts are multiplied by time_scale and timeouts by timeout_scale. `services` names external services,
    used at the next start too. One stack at a time per process and per directory: while it runs, os.environ holds the
    functions' environment.
    """

    postgres: PostgresServer
    aws: "LocalAws"
    services: "RegistrationServices"
    runtime: "LambdaRuntime"
    clock: "Clock"

    def __init__(  # noqa: PLR0913 (each is a setting, by name)
        self,
        state_directory: Path,
        *,
        time_scale: float = 1.0,
        timeout_scale: float = 1.0,
        fsync: bool = True,
        bind: str = LOOPBACK,
        port: int = 0,
        template: Path = DEFAULT_TEMPLATE,
        services: Mapping[Service, Given] | None = None,
    ) -> None:
        self.state_directory = state_directory.resolve()
        self._time_scale = time_scale
        self._timeout_scale = timeout_scale
        self._fsync = fsync
        self._bind = bind
        self._port = port
        self._template_path = template
        self._given = services or {}
        self._changing = threading.Lock()
        self._undo = ExitStack()

    def start(self) -> None:
        """Return when StartExecution works. Raise HumanError, for example if a port is taken."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Abort running executions, let events in flight end, and stop everything. Data and secrets are kept."""
        self._undo.close()

    @property
    def endpoint_url(self) -> str:
        """The address for --endpoint-url."""
        return self.aws.endpoint_url

    @property
    def state_machine_arn(self) -> str:
        """The state machine that provisions a project; the registry finds those of other job types from it."""
        return self.aws.state_machine_arn

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service of this stack."""
        return self.aws.client(service)

    def start_execution(
        self, payload: object, name: str | None = None, job_type: JobType = PROVISION_PROJECT.job_type
    ) -> str:
        """Start an execution of a job type, with any payload, and return its ARN. Raise ClientError."""
        return start_execution(StepFunctions(self._client, self.state_machine_arn), payload, name, job_type)

    def wait(self, execution_arn: str, *, timeout: float = 60.0) -> dict[str, Any]:
        """Return DescribeExecution's answer once the execution has ended. Raise TimeoutError (real seconds)."""
        if not self.aws.wait(execution_arn, timeout):
            raise TimeoutError(f"{execution_arn} still runs after {timeout:g} s")
        answer: dict[str, Any] = self._client.describe_execution(executionArn=execution_arn)
        return answer

    def run(
        self,
        payload: object,
        name: str | None = None,
        *,
        timeout: float = 60.0,
        job_type: JobType = PROVISION_PROJECT.job_type,
    ) -> dict[str, Any]:
        """Start an execution, wait for its end and return DescribeExecution's answer."""
        return self.wait(self.start_execution(payload, name, job_type), timeout=timeout)

    def change_service(self, service: Service, change: Change) -> None:
        """Use an external service, or the stack's own again, in every event from now on. Requests in flight end."""
        with self._changing:
            self._settings.change({service: change})
            os.environ.update(self._settings.environment)
            self.runtime.renew()
            self._record()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        validate_required_handlers()
        state.prepare(self.state_directory)
        self._undo.enter_context(state.hold(self.state_directory))
        self._settings = Settings(self.state_directory, self._given)
        self._undo.enter_context(patch.dict(os.environ))
        use_environment(aws_environment())
        recorded = state.read(self.state_directory)
        ports: Mapping[str, int] = recorded["ports"] if recorded else {}
        addresses = () if self._bind == LOOPBACK else (self._bind,)
        self.postgres = PostgresServer(
            self.state_directory / state.DATABASE,
            port=ports.get("postgres", 0),
            fsync=self._fsync,
            extra_addresses=addresses,
        )
        self._undo.callback(self.postgres.stop)
        with ThreadPoolExecutor(1) as pool:
            # initdb uses one core while the import of moto uses the other.
            database = pool.submit(self.postgres.start)
            self._start_aws(ports)
            database.result()
        self._prepare()
        # On AWS executions outlive the process that runs the handlers. Here they are started again under their own
        # names, which the ledger sees as another delivery of the same job.
        for job in bootstrap.unfinished_jobs():
            self.start_execution(job.payload, job.job_id, job.job_type)
        self._record()
        # What exists by now lives as long as the stack: searching it for garbage would stop every thread for a long
        # time.
        gc.freeze()
        self._undo.callback(gc.unfreeze)

    def _start_aws(self, ports: Mapping[str, int]) -> None:
        from local.aws import LocalAws
        from local.clock import Clock
        from local.lambda_runtime import LambdaRuntime
        from local.services import RegistrationServices

        template = self._template = read_template(self._template_path)
        output = LambdaOutput(self.state_directory / "lambda.log")
        self._undo.callback(output.close)
        output.install()
        self.runtime = LambdaRuntime(template.functions, output, timeout_scale=self._timeout_scale)
        self.aws = LocalAws(
            template,
            self.state_directory,
            address=self._bind,
            port=self._port or ports.get("aws", 0),
            fsync=self._fsync,
            output=output,
            on_end=EndRules(self.runtime.invoke).deliver,
        )
        self.aws.on_service = self.change_service
        self._undo.callback(self.aws.stop)
        self.aws.start()
        self._secrets = bootstrap.Secrets(self.aws.client("secretsmanager"))
        self.services = RegistrationServices(
            self.state_directory / "registrations.sqlite3",
            self._secrets.service_tokens(),
            address=self._bind,
            port=ports.get("services", 0),
        )
        self._undo.callback(self.services.stop)
        self.services.start()
        self.aws.on_event = lambda event: self.runtime.invoke(http_api.FUNCTION, event)
        self._undo.callback(self.runtime.close)
        self.runtime.install()
        self.clock = Clock(self._time_scale, timeout_scale=self._timeout_scale)
        self._undo.callback(self.clock.uninstall)
        self.clock.install()
        self.aws.on_skip = self.clock.skip
        self._undo.callback(self.aws.stop_executions)

    def _prepare(self) -> None:
        host = LOOPBACK if self._bind in {LOOPBACK, "0.0.0.0"} else self._bind  # noqa: S104 (compared, not bound)
        control_plane = self._secrets.control_plane(host, self.postgres.port)
        admin = self._secrets.cluster_admin(host, self.postgres.port)
        self._settings.begin(self._template, self.aws, self.services, self._secrets, control_plane.arn)
        use_environment({**self._settings.environment, **self.aws.key.environment()})
        if str(self._template.code) not in sys.path:
            sys.path.insert(0, str(self._template.code))
        bootstrap.prepare_server(self.postgres, control_plane, admin)
        event = self._template.directory / "events" / "provision_project.json"
        bootstrap.seed(self.postgres, control_plane, admin, event)

    def _record(self) -> None:
        state.write(
            self.state_directory,
            endpoint_url=self.endpoint_url,
            state_machine_arn=self.state_machine_arn,
            time_scale=self._time_scale,
            ports={"aws": self.aws.port, "postgres": self.postgres.port, "services": self.services.port},
            environment=self._settings.environment,
        )

    @cached_property
    def _client(self) -> Any:
        return self.client("stepfunctions")
