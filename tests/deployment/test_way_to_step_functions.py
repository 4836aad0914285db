"""How the HTTP API's function reaches Step Functions: by an endpoint of the stack, by the VPC's own, or by a NAT."""

from tests import shipped

NOTHING = {"Ref": "AWS::NoValue"}
GROUP = {"Ref": "AnswerRequestSecurityGroup"}


def test_step_functions_is_reached_through_either_endpoint_or_a_nat() -> None:
    rule = shipped.made("AWS::EC2::SecurityGroupEgress")["AnswerRequestToStepFunctions"]
    own = {"Ref": "StepFunctionsEndpointSecurityGroup"}
    theirs = {"Fn::If": ["UsesExistingStepFunctionsEndpoint", {"Ref": "StepFunctionsSecurityGroupId"}, NOTHING]}
    through_nat = {"Fn::If": ["UsesExistingStepFunctionsEndpoint", NOTHING, "0.0.0.0/0"]}
    assert rule["DestinationSecurityGroupId"] == {"Fn::If": ["MakesStepFunctionsEndpoint", own, theirs]}
    assert rule["CidrIp"] == {"Fn::If": ["MakesStepFunctionsEndpoint", NOTHING, through_nat]}
    assert rule["GroupId"] == GROUP


def test_no_other_function_is_in_the_group_that_reaches_step_functions() -> None:
    """A network interface has the rules of all of its groups: EC2's guide, "Security group rules"."""
    made = shipped.made("AWS::Lambda::Function")
    inside = {name for name, one in made.items() if GROUP in one["VpcConfig"].get("SecurityGroupIds", [])}
    assert inside == {"AnswerRequestFunction"}


def test_an_endpoint_of_the_vpc_gets_a_rule_that_lets_the_function_in() -> None:
    resource = shipped.transformed()["Resources"]["AnswerRequestIntoEndpoint"]
    assert resource["Condition"] == "UsesExistingStepFunctionsEndpoint"
    rule = resource["Properties"]
    assert rule["GroupId"] == {"Ref": "StepFunctionsSecurityGroupId"}
    assert (rule["SourceSecurityGroupId"], rule["FromPort"], rule["ToPort"]) == (GROUP, 443, 443)


def test_the_way_is_there_before_the_api_is_probed_and_the_stack_is_protected() -> None:
    way = {"StepFunctionsEndpoint", "AnswerRequestIntoEndpoint"}
    for name in ("NewVersions", "StackProtection"):
        resource = shipped.transformed()["Resources"][name]
        assert "AnswerRequestToStepFunctions" in resource["DependsOn"]
        assert way <= {one["Fn::If"][1]["Ref"] for one in resource["Properties"]["After"]}


def test_a_vpc_with_an_endpoint_for_step_functions_gets_no_second_one() -> None:
    """Its private name would conflict: "Access an AWS service using an interface VPC endpoint"."""
    rule = shipped.transformed()["Rules"]["OneStepFunctionsEndpoint"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "StepFunctionsSecurityGroupId"}, ""]}]}
    assert [one["Assert"] for one in rule["Assertions"]] == [{"Fn::Equals": [{"Ref": "StepFunctionsClientsCidr"}, ""]}]


def test_the_endpoint_serves_the_function_and_whoever_its_private_name_takes_in() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/vpc-endpoints.html"""
    endpoint = shipped.made("AWS::EC2::VPCEndpoint")["StepFunctionsEndpoint"]
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.states"}
    assert endpoint["PrivateDnsEnabled"] is True
    (statement,) = shipped.statements(endpoint["PolicyDocument"])
    assert (statement["Action"], statement["Resource"]) == ("states:*", "*")
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    ingress = shipped.made("AWS::EC2::SecurityGroup")["StepFunctionsEndpointSecurityGroup"]["SecurityGroupIngress"]
    assert [rule.get("CidrIp") or rule["SourceSecurityGroupId"] for rule in ingress] == [
        GROUP,
        {"Ref": "StepFunctionsClientsCidr"},
    ]
