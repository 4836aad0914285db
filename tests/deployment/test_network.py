"""The functions' network: out to databases, services and Secrets Manager, and what else in the VPC it changes."""

import re

from tests import shipped

PARAMETERS = shipped.template()["Parameters"]


def test_the_functions_reach_databases_services_and_secrets_and_nothing_else() -> None:
    (inline,) = (
        found for name, found in shipped.made("AWS::EC2::SecurityGroup").items() if name.startswith("Function")
    )
    targets = [(rule.get("CidrIp") or rule["DestinationSecurityGroupId"]) for rule in inline["SecurityGroupEgress"]]
    assert targets == [{"Ref": "DatabaseSecurityGroupId"}, {"Ref": "ServicesCidr"}]
    rules = shipped.made("AWS::EC2::SecurityGroupEgress")
    of_all = {name for name, one in rules.items() if one["GroupId"] == {"Ref": "FunctionSecurityGroup"}}
    assert of_all == {"FunctionsToSecretsManager"}
    assert {(one["FromPort"], one["ToPort"]) for one in rules.values()} == {(443, 443)}
    assert "SecurityGroupIngress" not in inline


def test_secrets_manager_is_reached_through_either_endpoint_or_a_nat() -> None:
    rule = shipped.made("AWS::EC2::SecurityGroupEgress")["FunctionsToSecretsManager"]
    nothing = {"Ref": "AWS::NoValue"}
    theirs = {"Fn::If": ["UsesExistingEndpoint", {"Ref": "EndpointSecurityGroupId"}, nothing]}
    through_nat = {"Fn::If": ["UsesExistingEndpoint", nothing, "0.0.0.0/0"]}
    assert rule["DestinationSecurityGroupId"] == {"Fn::If": ["MakesEndpoint", {"Ref": "EndpointSecurityGroup"}, theirs]}
    assert rule["CidrIp"] == {"Fn::If": ["MakesEndpoint", nothing, through_nat]}


def test_an_endpoint_of_the_vpc_gets_a_rule_that_lets_the_functions_in() -> None:
    resource = shipped.transformed()["Resources"]["FunctionsIntoEndpoint"]
    assert resource["Condition"] == "UsesExistingEndpoint"
    rule = resource["Properties"]
    assert rule["GroupId"] == {"Ref": "EndpointSecurityGroupId"}
    assert rule["SourceSecurityGroupId"] == {"Ref": "FunctionSecurityGroup"}
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)


def test_a_vpc_with_an_endpoint_gets_no_second_one_whose_private_name_would_conflict() -> None:
    rule = shipped.transformed()["Rules"]["OneEndpoint"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "EndpointSecurityGroupId"}, ""]}]}
    assert [one["Assert"] for one in rule["Assertions"]] == [{"Fn::Equals": [{"Ref": "EndpointClientsCidr"}, ""]}]


def test_the_functions_get_no_rule_twice() -> None:
    """EC2's API reference, AuthorizeSecurityGroupEgress: a rule that exists is InvalidPermission.Duplicate.

    Without an endpoint the functions get a rule for every address on port 443, and another for the services.
    """
    rule = shipped.transformed()["Rules"]["NoSecondRuleForEverything"]
    without = [{"Fn::Equals": [{"Ref": one}, ""]} for one in ("EndpointClientsCidr", "EndpointSecurityGroupId")]
    assert rule["RuleCondition"] == {"Fn::And": without}
    assert [one["Assert"] for one in rule["Assertions"]] == [
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "ServicesCidr"}, "0.0.0.0/0"]}]}
    ]


def test_the_endpoint_lets_in_whoever_its_private_name_takes_from_the_public_address() -> None:
    """A private DNS name answers in the whole VPC: "Access an AWS service using an interface VPC endpoint".

    So the group and the policy let in what the operator names, the bastion of docs/operations.md among it, and every
    action of this account's principals: ListSecrets, for example, names no secret.
    """
    ingress = shipped.made("AWS::EC2::SecurityGroup")["EndpointSecurityGroup"]["SecurityGroupIngress"]
    assert [rule.get("CidrIp") or rule["SourceSecurityGroupId"] for rule in ingress] == [
        {"Ref": "FunctionSecurityGroup"},
        {"Ref": "EndpointClientsCidr"},
    ]
    endpoint = shipped.made("AWS::EC2::VPCEndpoint")["SecretsManagerEndpoint"]
    assert endpoint["PrivateDnsEnabled"] is True
    (statement,) = shipped.statements(endpoint["PolicyDocument"])
    assert (statement["Action"], statement["Resource"]) == ("secretsmanager:*", "*")
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}


def test_no_shipped_code_calls_kms_and_no_endpoint_is_there_for_it() -> None:
    code = "".join(file.read_text() for file in shipped.FUNCTIONS.rglob("*.py"))
    clients = set(re.findall(r"""(?:client|create_client|read_client)\(\s*["'](\w+)["']""", code))
    assert clients, "the pattern finds no client at all"
    assert "kms" not in clients
    named = {one["ServiceName"]["Fn::Sub"].rpartition(".")[2] for one in shipped.made("AWS::EC2::VPCEndpoint").values()}
    assert named == {"secretsmanager", "states", "events"}


def test_the_range_of_the_services_has_to_be_given() -> None:
    assert "Default" not in PARAMETERS["ServicesCidr"]


def test_the_vpc_is_asked_for_the_dns_that_a_private_name_needs() -> None:
    """Both attributes have to be true: "Access an AWS service using an interface VPC endpoint", Private DNS names."""
    assert "DNS resolution and DNS hostnames" in PARAMETERS["VpcId"]["Description"]
