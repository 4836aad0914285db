"""What comes next after a job that was refused: a command with all that the job was asked for, as it can be typed."""

import shlex
from collections.abc import Mapping
from typing import Any

from provisioning.error_types import ErrorType
from provisioning.errors import InvalidPayload
from provisioning.jobs import rules
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.stage import Service

OPTIONS = {"organization_id": "--org", "owner_id": "--owner", "region": "--region", "plan_id": "--plan"}
"""What gives a field of a payload on the command line."""
EXPRESSIBLE = ("project_id", *OPTIONS, "services")
OF_EVERY_TYPE = ("--from", "--plan")
"""The options of the command of a type; the others are of the one that adds a project, and of its plan."""
OF_NO_PROJECT = (str(ErrorType.PROJECT_NOT_FOUND), str(ErrorType.INVALID_PAYLOAD))
"""The errors of a job whose project there may not be."""

WAYS_ON = {
    str(ErrorType.PROJECT_NOT_FOUND): "provision create {project} --org {organization} --owner {owner}{rest}{then}",
    str(ErrorType.PROJECT_NOT_ELIGIBLE): "provision show {project}",
    str(ErrorType.PLAN_STALE): "provision plan {project} --job-type {job_type}{planned}",
    str(ErrorType.PROJECT_PROTECTED): "provision unprotect {project}{then}",
    str(ErrorType.JOB_IN_PROGRESS): "provision show {project}",
    str(ErrorType.CLUSTER_FULL): "provision cluster add CLUSTER --secret SECRET --capacity DATABASES{then}",
    str(ErrorType.ORGANIZATION_QUOTA_EXCEEDED): "provision organization show {organization}",
}
"""What to do next after a refusal that no correction of the payload would change, by the error type."""


def next_command(
    job_type: JobType | None, project_id: str | None, error_type: str | None, blocked_by: str | None, payload: object
) -> str:
    """Return what to do next, with the condition for it. `blocked_by` is the running job that refused this one."""
    declared = DECLARATIONS[job_type] if job_type else None
    asked = {} if declared is None else given(declared, payload)
    if error_type not in OF_NO_PROJECT:
        # A project has its own.
        asked.pop("--region", None)
    takes_all = declared is PROVISION_PROJECT
    own = {name: values for name, values in asked.items() if takes_all or name in OF_EVERY_TYPE}
    project = project_id or "PROJECT"
    start = "start it" if declared is None else declared.command.replace("PROJECT", project)
    command = start + _words(own)
    if blocked_by is not None:
        return f"provision watch {shlex.quote(blocked_by)}, then {command}"
    if first := WAYS_ON.get(error_type or ""):
        # What adds the project also provisions it.
        is_said = start.split()[:2] == first.split()[:2]
        return first.format(
            project=project,
            job_type=job_type,
            organization=asked.get("--org", ["ORGANIZATION"])[0],
            owner=asked.get("--owner", ["OWNER"])[0],
            rest=_words(own, "--org", "--owner") if is_said else "",
            planned=_words(own, "--plan"),
            then="" if is_said else f", then {command}",
        )
    return f"once that is corrected, {command}"


def given(declared: Declaration, payload: object) -> dict[str, list[str]]:
    """Return the options that say what a payload says, as far as it keeps the rules, and their values.

    --from FILE stands for what no other option says.
    """
    if not isinstance(payload, dict):
        return {}
    broken = {one.field.partition(".")[0] for one in rules.problems(declared.schema, payload)}
    found = {
        option: [payload[name]]
        for name, option in OPTIONS.items()
        if isinstance(payload.get(name), str) and name not in broken
    }
    services = payload.get("services")
    if isinstance(services, dict) and (wanted := [str(one) for one in Service if services.get(str(one)) is True]):
        found["--service"] = wanted
    if _needs_file(declared, payload):
        found["--from"] = ["FILE"]
    return found


def _needs_file(declared: Declaration, payload: Mapping[str, Any]) -> bool:
    """Return whether a payload says what no option says, other than a default."""
    said = {name: payload[name] for name in EXPRESSIBLE if name in payload}
    try:
        return declared.parse(payload).as_document() != declared.parse(said).as_document()
    except InvalidPayload:
        return any(
            name not in EXPRESSIBLE for name in rules.read_schema(declared.schema)["properties"] if name in payload
        )


def _words(options: Mapping[str, list[str]], *without: str) -> str:
    """Return options as words of a command, each with a space before it."""
    return "".join(
        f" {name} {shlex.quote(value)}" for name, values in options.items() if name not in without for value in values
    )
