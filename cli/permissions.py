"""Asks IAM's policy simulator whether the roles of a deployment may do what their code does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.deployment import Deployment, Function
from cli.findings import Finding, unchecked
from provisioning.control_plane import Cluster

READ = "secretsmanager:GetSecretValue"
READ_TOGETHER = "secretsmanager:BatchGetSecretValue"
DESCRIBE = "secretsmanager:DescribeSecret"
DELETE = (DESCRIBE, "secretsmanager:DeleteSecret")
MAKE = (READ, "secretsmanager:CreateSecret", "secretsmanager:TagResource", *DELETE)
"""An attempt that wakes up after its job was rolled back removes what it has just made."""

REGISTER = {"service tokens": (READ,)}
REGISTER_WITH_CREDENTIALS = {**REGISTER, "tenants": (READ,)}
"""Supabase's services are handed the tenant's credentials."""

# Handler → kind of secret → what it does with one. All of them read the control plane's.
NEEDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "stages.project.verify_project": {},
    "stages.database.create_database": {"clusters": (READ,), "tenants": MAKE},
    "stages.schema.create_schema": {"clusters": (READ,), "tenants": (READ,)},
    "stages.services.register_auth": REGISTER,
    "stages.services.register_realtime": {**REGISTER_WITH_CREDENTIALS, "Realtime's login": (READ,)},
    "stages.services.register_storage": REGISTER_WITH_CREDENTIALS,
    "stages.services.register_pooler": REGISTER_WITH_CREDENTIALS,
    "stages.api_keys.generate_api_keys": {"tenants": MAKE},
    "stages.activation.finalize": {
        "clusters": (READ,),
        "tenants": (READ,),
        "service tokens": (READ,),
        "any secret": (READ_TOGETHER,),
    },
    "stages.api_keys.revoke_api_keys": {"tenants": DELETE},
    "stages.services.deregister_services": REGISTER,
    "stages.database.drop_database": {"clusters": (READ,), "tenants": DELETE},
    "stages.failure.record_failure": {},
}


def examine_permissions(iam: Any, deployment: Deployment, clusters: Sequence[Cluster]) -> Iterator[Finding]:
    """Yield a finding for the state machine's role and for each function's. Calls nothing that changes anything."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        invoked = [("lambda:InvokeFunction", function.arn) for function in deployment.functions]
        execution = f"{deployment.state_machine_arn.replace(':stateMachine:', ':execution:')}:any"
        asked = ("states:DescribeExecution", execution)
        yield _examine(iam, "state machine", deployment.role, [*invoked, asked])
        for function in deployment.functions:
            wanted = [(action, arn) for action, arn in _wanted(function, clusters) if arn.startswith(("arn:", "*"))]
            yield _examine(iam, function.handler.rpartition(".")[2], function.role, wanted)
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        yield unchecked("permissions", f"the policy simulator did not answer ({type(error).__name__})")


def _wanted(function: Function, clusters: Sequence[Cluster]) -> Iterator[tuple[str, str]]:
    control_plane = function.settings.get("CONTROL_PLANE_SECRET_ID", "")
    # AWS ends the ARN of a secret with a hyphen and six characters.
    tenant = f"{control_plane.rpartition(':')[0]}:{function.settings.get('TENANT_SECRET_PREFIX')}/any-Abc123"
    secrets = {
        "service tokens": [function.settings.get("SERVICE_TOKENS_SECRET_ID", "")],
        "Realtime's login": [function.settings.get("REALTIME_DATABASE_SECRET_ID", "")],
        "clusters": [cluster.admin_secret_id for cluster in clusters],
        "tenants": [tenant],
        "any secret": ["*"],
    }
    yield READ, control_plane
    for kind, actions in NEEDS[function.handler].items():
        yield from ((action, arn) for arn in secrets[kind] for action in actions)


def _examine(iam: Any, who: str, role: str, wanted: Sequence[tuple[str, str]]) -> Finding:
    refused = []
    for action, arn in wanted:
        answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=[action], ResourceArns=[arn])
        if any(result["EvalDecision"] != "allowed" for result in answer["EvaluationResults"]):
            refused.append(f"{action} on {arn}")
    subject = f"role of {who}"
    if refused:
        remedy = "deploy template.yaml again; look for a permissions boundary or an organization policy that denies it"
        return Finding(subject, f"{role} may not {', nor '.join(refused)}", remedy)
    return Finding(subject, f"may do all {len(wanted)} things that its code does")
