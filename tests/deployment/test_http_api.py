"""The HTTP API as template.yaml deploys it: its routes, who may call them, and what its function may do and reach."""

import json
import re
from fnmatch import fnmatchcase

import pytest

from api.jobs import LONGEST_WAIT_SECONDS, SECONDS_TO_ASK
from api.routes import PARAMETER, ROUTES, Right
from local import http_api
from local.template import REPOSITORY, read_template
from provisioning.jobs import executions
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.grants import FUNCTIONS, RESOURCES

API = {"Ref": "HttpApi"}
PAGE = (REPOSITORY / "docs" / "api.md").read_text()
POLICIES = {
    right: json.loads(policy)
    for right, policy in re.findall(r"^\*\*(\w+)\*\*.*?^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
"""The example policies of docs/api.md, by the right that each gives."""

NO_SECRET = {
    *("requestId", "requestTime", "routeKey", "status", "identity.userArn", "identity.sourceIp"),
    *("responseLatency", "integrationStatus", "integrationErrorMessage", "error.responseType"),
}


def routes() -> dict[str, dict[str, object]]:
    """The routes of the template, by their keys."""
    return {one["RouteKey"]: one for one in shipped.made("AWS::ApiGatewayV2::Route").values()}


def invoked(method: str, path: str) -> str:
    """The resource that IAM decides on for a request: the API's stage, the method and the path as it was sent."""
    return f"arn:aws:execute-api:us-east-1:123456789012:abc123/$default/{method}{path}"


def allowing(resource: str) -> set[str]:
    """The rights whose example policy allows to invoke it."""
    return {
        right
        for right, policy in POLICIES.items()
        for statement in policy["Statement"]
        if (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")
        if any(fnmatchcase(resource, pattern) for pattern in shipped.listed(statement["Resource"]))
    }


def test_the_template_has_the_routes_of_the_handler_and_one_for_all_other_requests() -> None:
    """A request that no route matches goes to $default: API Gateway's guide, "Create routes for HTTP APIs".

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    assert set(routes()) == {*(route.key for route in ROUTES), http_api.DEFAULT_ROUTE}


def test_iam_decides_about_every_route_and_no_other_site_may_call_one() -> None:
    """Each route has an authorization type of its own, and an API without CorsConfiguration answers no preflight.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
    """
    assert {key: one["AuthorizationType"] for key, one in routes().items()} == dict.fromkeys(routes(), "AWS_IAM")
    (api,) = shipped.made("AWS::ApiGatewayV2::Api").values()
    assert set(api) == {"Name", "Description", "ProtocolType"}
    assert api["ProtocolType"] == "HTTP"


def test_every_route_leads_to_the_live_version_of_the_function_in_payload_format_2() -> None:
    """The target's form is "integrations/" and its id: CloudFormation's reference, AWS::ApiGatewayV2::Route.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    assert {str(one["Target"]) for one in routes().values()} == {"{'Fn::Sub': 'integrations/${HttpApiIntegration}'}"}
    integration = shipped.made("AWS::ApiGatewayV2::Integration")["HttpApiIntegration"]
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert "functions/${AnswerRequestFunction.Arn}:live/invocations" in integration["IntegrationUri"]["Fn::Sub"]
    (permission,) = (
        one
        for one in shipped.made("AWS::Lambda::Permission").values()
        if one["Principal"] == "apigateway.amazonaws.com"
    )
    alias = RESOURCES[permission["FunctionName"]["Ref"]]
    assert alias["Properties"]["FunctionName"] == {"Ref": "AnswerRequestFunction"}
    assert alias["Properties"]["Name"] == "live"
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/*")


def test_the_function_ends_before_api_gateway_stops_waiting() -> None:
    """An integration has 30 seconds at most:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    """
    (function,) = (one for one in read_template().functions if one.resource == http_api.FUNCTION)
    integration = shipped.made("AWS::ApiGatewayV2::Integration")["HttpApiIntegration"]
    assert function.timeout_seconds * 1000 < integration["TimeoutInMillis"] == 30_000
    assert function.handler == "api.requests.answer_request"


@pytest.mark.parametrize("subnets", [2, 3])
def test_a_wait_and_a_call_without_an_answer_fit_into_the_functions_time(subnets: int) -> None:
    """An interface endpoint has an address in each subnet, and urllib3 tries all of them, each with its own timeout.

    botocore's standard mode waits up to a second before the second attempt
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
    """
    unreachable = executions.CALL_ATTEMPTS * subnets * executions.CONNECT_SECONDS + 1
    silent = executions.CALL_ATTEMPTS * executions.READ_SECONDS + 1
    waited = LONGEST_WAIT_SECONDS - SECONDS_TO_ASK
    assert waited + max(unreachable, silent) < FUNCTIONS[http_api.FUNCTION]["Timeout"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_route_is_allowed_by_the_example_policy_of_its_right_and_by_no_other(route: object) -> None:
    """A policy's resource is arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH, and * stands for anything.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
    """
    (one,) = (known for known in ROUTES if known is route)
    for name in ("a-project", "stop", "a%2Fb"):
        assert allowing(invoked(one.method, PARAMETER.sub(name, one.path))) == {str(one.right)}


def test_every_right_that_a_route_needs_has_an_example_policy() -> None:
    assert set(POLICIES) == {str(route.right) for route in ROUTES} <= {str(right) for right in Right}
    assert allowing(invoked("DELETE", "/v1/projects/a")) == set()


def test_the_stage_limits_the_rate_of_all_callers_together() -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html"""
    (stage,) = shipped.made("AWS::ApiGatewayV2::Stage").values()
    assert (stage["StageName"], stage["AutoDeploy"], stage["ApiId"]) == ("$default", True, API)
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "RequestsPerSecond"},
        "ThrottlingBurstLimit": {"Ref": "RequestsAtOnce"},
    }
    assert "RouteSettings" not in stage


def test_the_stage_is_made_after_every_route() -> None:
    """One that deploys automatically may otherwise be deployed before a route exists."""
    assert sorted(RESOURCES["HttpApiStage"]["DependsOn"]) == sorted(shipped.made("AWS::ApiGatewayV2::Route"))


def test_the_access_log_says_who_asked_for_what_kind_and_has_no_secret() -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html

    A path has ids and a query may have anything. A group whose name begins with /aws/vendedlogs/ takes no room in the
    resource policy of the account's logs: CloudWatch Logs' guide, "Enable logging from AWS services".
    """
    (stage,) = shipped.made("AWS::ApiGatewayV2::Stage").values()
    settings = stage["AccessLogSettings"]
    assert settings["DestinationArn"] == {"Fn::GetAtt": ["RequestLogs", "Arn"]}
    assert set(re.findall(r"\$context\.([\w.]+)", settings["Format"])) == NO_SECRET
    assert set(json.loads(settings["Format"])) >= {"requestId", "routeKey", "status", "principal"}
    group = shipped.made("AWS::Logs::LogGroup")["RequestLogs"]
    assert group["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


def test_the_function_may_start_describe_and_stop_executions_of_every_job_type_and_no_more() -> None:
    """StartExecution's resource is the alias that is started, the others' an execution:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html and
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html
    """
    role = RESOURCES["AnswerRequestRole"]["Properties"]
    assert role["ManagedPolicyArns"] == [{"Ref": "EveryStagePolicy"}]
    (policy,) = role["Policies"]
    starting, asking, key = shipped.statements(policy["PolicyDocument"])
    stems = [shipped.resource_stem(job_type) for job_type in DECLARATIONS]
    assert starting["Action"] == "states:StartExecution"
    assert [one["Fn::Sub"] for one in starting["Resource"]] == [f"${{{stem}StateMachine}}:live" for stem in stems]
    assert asking["Action"] == ["states:DescribeExecution", "states:StopExecution"]
    names = [shipped.state_machine(job_type)["StateMachineName"]["Fn::Sub"] for job_type in DECLARATIONS]
    assert [one["Fn::Sub"].partition(":execution:")[2] for one in asking["Resource"]] == [f"{one}:*" for one in names]
    contexts = key["Condition"]["StringEquals"]["kms:EncryptionContext:aws:states:stateMachineArn"]
    assert contexts == [{"Ref": f"{stem}StateMachine"} for stem in stems]


def test_only_the_function_of_the_http_api_knows_a_state_machine() -> None:
    """Its alias, which exists once the alarms do: one of them watches this function, so the text cannot refer to it."""
    made = shipped.made("AWS::Lambda::Function")
    knowing = {name for name, one in made.items() if "STATE_MACHINE_ARN" in one["Environment"]["Variables"]}
    assert knowing == {http_api.FUNCTION}
    arn = made[http_api.FUNCTION]["Environment"]["Variables"]["STATE_MACHINE_ARN"]
    assert arn == {"Fn::Sub": "${ProvisionProjectStateMachine}:live"}
    assert shipped.made("AWS::StepFunctions::StateMachineAlias")["ProvisionProjectAlias"]["Name"] == "live"


def test_a_deleted_version_of_the_layer_leaves_the_functions_versions_as_they_are() -> None:
    """ "you can no longer configure a function to use it. However, any function that already uses the version continues
    to have access to it": Lambda's guide, "Deleting a layer version".

    https://docs.aws.amazon.com/lambda/latest/dg/creating-deleting-layers.html
    """
    layers = {http_api.FUNCTION: "ValidationLayer", "ExportDatabaseFunction": "PgDumpLayer"}
    declared, made = shipped.resources("AWS::Serverless::LayerVersion"), shipped.made("AWS::Lambda::Function")
    assert {one for one, function in made.items() if function.get("Layers")} == set(layers)
    for function, name in layers.items():
        assert declared[name]["RetentionPolicy"] == "Delete"
        (used,) = made[function]["Layers"]
        assert used["Ref"].startswith(name)
        architectures = shipped.template()["Globals"]["Function"]["Architectures"]
        assert set(declared[name]["CompatibleArchitectures"]) == set(architectures)


def test_faults_and_throttles_of_the_http_api_are_alarms() -> None:
    """The metrics of an HTTP API are 4xx, 5xx, Count, Latency, ..., by ApiId:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    """
    alarms = shipped.made("AWS::CloudWatch::Alarm")
    watched = {
        name: (alarms[name]["Namespace"], alarms[name]["MetricName"], alarms[name]["Dimensions"])
        for name in ("RequestFaultsAlarm", "RequestThrottlesAlarm")
    }
    assert watched == {
        "RequestFaultsAlarm": ("AWS/ApiGateway", "5xx", [{"Name": "ApiId", "Value": API}]),
        "RequestThrottlesAlarm": (
            *("AWS/Lambda", "Throttles"),
            [{"Name": "FunctionName", "Value": {"Ref": http_api.FUNCTION}}],
        ),
    }


def test_the_address_of_the_http_api_is_an_output() -> None:
    outputs = shipped.template()["Outputs"]
    assert outputs["HttpApiAddress"]["Value"] == {"Fn::GetAtt": ["HttpApi", "ApiEndpoint"]}
    assert "`HttpApiAddress`" in PAGE
