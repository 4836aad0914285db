"""Ask IAM's policy simulator whether the roles of a deployment may do what template.yaml grants them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cli.deployment import Deployment, Function
from cli.findings import Finding, unchecked
from cli.template_permissions import Allowed, Grants, NotInTemplate, Right, Untold
from provisioning.control_plane import Cluster

OUTSIDE = {
    "AnswerRequestFunction": "the HTTP API",
    "RefillPoolsFunction": "RefillPools",
    "ReconcileFunction": "Reconcile",
    "MigrateFunction": "Migrate",
}
"""Functions in template.yaml that no state machine invokes, and what they are called. CloudFormation finds them."""

REMEDY = "deploy template.yaml again; look for a permissions boundary or an organization policy that denies it"


def examine_permissions(iam: Any, deployment: Deployment, clusters: Sequence[Cluster]) -> Iterator[Finding]:
    """Yield a finding for each role: the state machines', their functions', those OUTSIDE. Nothing is changed."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    functions = list(deployment.functions)
    for name, called in OUTSIDE.items():
        try:
            functions.append(deployment.find_function(name))
        except (BotoCoreError, ClientError, LookupError) as error:
            yield unchecked(f"role of {called}", f"not checked, {name} cannot be read ({type(error).__name__})")
    grants = Grants(deployment, [cluster.admin_secret_id for cluster in clusters])
    untold: dict[str, None] = {}
    try:
        for who, role, rights_of in _roles(deployment, functions, grants):
            try:
                rights = rights_of()
            except NotInTemplate as unknown:
                yield unchecked(f"role of {who}", f"not checked, {unknown}")
                continue
            untold |= {right.reference: None for right in rights if isinstance(right, Untold)}
            yield _examine(iam, who, role, [right for right in rights if isinstance(right, Allowed)])
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        yield unchecked("permissions", f"the policy simulator did not answer ({type(error).__name__})")
    if untold:
        yield unchecked(
            "permissions", f"not checked where the template names {', '.join(untold)}: the value is unknown"
        )


def _roles(
    deployment: Deployment, functions: Sequence[Function], grants: Grants
) -> Iterator[tuple[str, str, Callable[[], list[Right]]]]:
    for machine in deployment.machines:
        rights = functools.partial(grants.of_state_machine, machine.job_type)
        yield f"{machine.job_type}'s state machine", machine.role, rights
    for function in functions:
        yield (
            function.handler.rpartition(".")[2],
            function.role,
            functools.partial(grants.of_function, function.handler),
        )


def _examine(iam: Any, who: str, role: str, rights: Sequence[Allowed]) -> Finding:
    answers = [answer for right in rights for arn in right.resources for answer in _simulated(iam, role, right, arn)]
    refused = [thing for thing, decision in answers if decision != "allowed"]
    subject = f"role of {who}"
    if refused:
        return Finding(subject, f"{role} may not {', nor '.join(refused)}", REMEDY)
    return Finding(subject, f"may do all {len(answers)} things that the template grants it")


def _simulated(iam: Any, role: str, right: Allowed, resource: str) -> Iterator[tuple[str, str]]:
    """Yield IAM's decision on each action for one resource: for several resources it would give only one answer."""
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in right.context.items()
    ]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=role,
        ActionNames=list(right.actions),
        ResourceArns=[resource],
        ContextEntries=context,
    )
    for result in (result for page in pages for result in page["EvaluationResults"]):
        yield f"{result['EvalActionName']} on {resource}", result["EvalDecision"]
