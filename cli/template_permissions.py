"""What template.yaml allows the roles of a deployment, with the deployment's own values filled in."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from cli.deployment import Deployment
from local.template import PLACEHOLDER, REPOSITORY, TemplateError, read_document
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import state_machine_of

NO_VALUE = {"Ref": "AWS::NoValue"}


class NotTold(Exception):
    """The template refers to a value that the deployment does not reveal."""


class NotInTemplate(Exception):
    """The template lacks a function or state machine of the deployment."""


class Allowed(NamedTuple):
    """What a statement allows: actions, resources, and the context keys that a request needs."""

    actions: Sequence[str]
    resources: Sequence[str]
    context: Mapping[str, str]


class Untold(NamedTuple):
    """What is missing to fill in a statement: a parameter, or a resource and its attribute."""

    reference: str


Right = Allowed | Untold


@dataclass(frozen=True)
class Values:
    """The deployment's values by their names in the template, and the template's conditions."""

    known: Mapping[str, str]
    conditions: Mapping[str, Any]

    def text(self, value: Any) -> str:
        """Return the text of a value. Raise NotTold, and TemplateError for an unknown intrinsic function."""
        match value:
            case {"Ref": str(name)}:
                return self._told(name)
            case {"Fn::GetAtt": [str(resource), str(attribute)]}:
                return self._told(f"{resource}.{attribute}")
            case {"Fn::Sub": str(text)}:
                return PLACEHOLDER.sub(lambda found: self._told(found[1]), text)
            case str():
                return value
        raise TemplateError(f"no text can be made of {value}")

    def chosen(self, value: Any) -> Any:
        """Return the value that an Fn::If selects, and any other value as it is. Raise what text raises."""
        match value:
            case {"Fn::If": [str(name), then, otherwise]}:
                return then if self._holds(self.conditions[name]) else otherwise
        return value

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Fn::Not": [negated]}:
                return not self._holds(negated)
            case {"Fn::Equals": [one, other]}:
                return self.text(one) == self.text(other)
        raise TemplateError(f"a condition cannot be decided by {condition}")

    def _told(self, name: str) -> str:
        if name not in self.known:
            raise NotTold(name)
        return self.known[name]


class Grants:
    """What the template grants in one deployment."""

    def __init__(self, deployment: Deployment, cluster_secrets: Sequence[str]) -> None:
        document = read_document(REPOSITORY / "template.yaml")
        self._resources: Mapping[str, Any] = document["Resources"]
        self._values = Values(_values(document, deployment), document["Conditions"])
        self._functions = [function.arn for function in deployment.functions]
        # A cluster's secret is chosen when the cluster is added, and the roles may not be allowed to read it.
        self._instead_of_prefix = {"ClusterSecretPrefix": cluster_secrets}

    def of_function(self, handler: str) -> list[Right]:
        """Return the rights of a function's role. Raise NotInTemplate."""
        return self._rights("AWS::Serverless::Function", "Role", lambda declared: declared["Handler"] == handler)

    def of_state_machine(self, job_type: JobType) -> list[Right]:
        """Return the rights of a state machine's role. Raise NotInTemplate."""
        location = _definition_of(job_type)
        kind = "AWS::StepFunctions::StateMachine"
        return self._rights(kind, "RoleArn", lambda declared: declared["DefinitionS3Location"] == location)

    def _rights(self, kind: str, role: str, is_meant: Callable[[Any], bool]) -> list[Right]:
        declared = [found["Properties"] for found in self._resources.values() if found["Type"] == kind]
        for properties in filter(is_meant, declared):
            return list(self._of_role(self._resources[properties[role]["Fn::GetAtt"][0]]["Properties"]))
        raise NotInTemplate(f"template.yaml has no such {kind}")

    def _of_role(self, role: Mapping[str, Any]) -> Iterator[Right]:
        for attached in role.get("ManagedPolicyArns", []):
            try:
                policy = self._values.chosen(attached)
            except NotTold as missing:
                yield Untold(str(missing))
            else:
                if policy != NO_VALUE:
                    yield from self._of_policy(self._resources[policy["Ref"]]["Properties"])
        try:
            inline = self._values.chosen(role.get("Policies", []))
        except NotTold as missing:
            yield Untold(str(missing))
        else:
            for policy in inline if inline != NO_VALUE else []:
                yield from self._of_policy(policy)

    def _of_policy(self, policy: Mapping[str, Any]) -> Iterator[Right]:
        for written in policy["PolicyDocument"]["Statement"]:
            try:
                statement = self._values.chosen(written)
                if statement != NO_VALUE and statement["Effect"] == "Allow":
                    resources = [arn for one in _listed(statement["Resource"]) for arn in self._existing(one)]
                    for context in self._contexts(statement):
                        yield Allowed(_listed(statement["Action"]), resources, context)
            except NotTold as missing:
                yield Untold(str(missing))

    def _existing(self, resource: Any) -> Sequence[str]:
        """Return the deployment's ARNs for a resource; for a pattern that matches none, an ARN that it would match."""
        names = PLACEHOLDER.findall(resource["Fn::Sub"]) if "Fn::Sub" in resource else []
        for name in self._instead_of_prefix.keys() & set(names):
            return self._instead_of_prefix[name]
        pattern = self._values.text(resource)
        if pattern == "*":
            return [pattern]
        return [arn for arn in self._functions if fnmatchcase(arn, pattern)] or [pattern.replace("*", "any")]

    def _contexts(self, statement: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """Yield the context of a request for each value that the statement's conditions allow."""
        condition = statement.get("Condition", {})
        if other := sorted(set(condition) - {"StringEquals"}):
            raise TemplateError(f"no request can be made that meets {other[0]}")
        allowed = condition.get("StringEquals", {})
        for values in itertools.product(*map(_listed, allowed.values())):
            yield {key: self._values.text(value) for key, value in zip(allowed, values, strict=True)}


def _values(document: Mapping[str, Any], deployment: Deployment) -> dict[str, str]:
    _, partition, _, region, account, *_ = deployment.state_machine_arn.split(":")
    known = {
        **deployment.parameters(),
        **_of_settings(document, deployment.functions[0].settings),
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::AccountId": account,
        "AWS::URLSuffix": _url_suffix(partition),
    }
    arn_of = {function.handler: ":".join(function.arn.split(":")[:7]) for function in deployment.functions}
    machines = {
        _definition_of(machine.job_type): state_machine_of(deployment.state_machine_arn, machine.job_type)
        for machine in deployment.machines
    }
    for name, resource in document["Resources"].items():
        match resource:
            case {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionS3Location": location}}:
                known |= {name: machines[location]} if location in machines else {}
            case {"Type": "AWS::Serverless::Function", "Properties": {"Handler": handler}} if handler in arn_of:
                known[f"{name}.Arn"] = arn_of[handler]
            case {"Type": "AWS::KMS::Key"} if name in known:
                known[f"{name}.Arn"] = f"arn:{partition}:kms:{region}:{account}:key/{known[name]}"
            case {"Type": "AWS::S3::Bucket"} if name in known:
                known[f"{name}.Arn"] = f"arn:{partition}:s3:::{known[name]}"
            case {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": called}} if "AWS::StackName" in known:
                group = Values(known, {}).text(called)
                known[f"{name}.Arn"] = f"arn:{partition}:logs:{region}:{account}:log-group:{group}:*"
    return known


def _of_settings(document: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a function's environment reveals: each variable is a reference or a text."""
    variables = document["Globals"]["Function"]["Environment"]["Variables"].items()
    return {value["Ref"]: settings[name] for name, value in variables if "Ref" in value and name in settings}


def _url_suffix(partition: str) -> str:
    from botocore.session import get_session

    partitions = get_session().get_data("endpoints")["partitions"]
    return str(next(one["dnsSuffix"] for one in partitions if one["partition"] == partition))


def _definition_of(job_type: JobType) -> str:
    """Return where template.yaml says that the state machine of a job type is written."""
    return f"statemachine/{job_type}.asl.yaml"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
