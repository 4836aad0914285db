"""How the delivery of events reaches its bus: by an endpoint of the stack, by the VPC's own, or by a NAT."""

from typing import Any

import pytest

from tests import shipped
from tests.grants import RESOURCES, granted

NOTHING = {"Ref": "AWS::NoValue"}
GROUP = {"Ref": "DeliverEventsSecurityGroup"}


def test_eventbridge_is_reached_through_either_endpoint_or_a_nat() -> None:
    rule = shipped.made("AWS::EC2::SecurityGroupEgress")["DeliverEventsToEventBridge"]
    own = {"Ref": "EventBridgeEndpointSecurityGroup"}
    theirs = {"Fn::If": ["UsesExistingEventBridgeEndpoint", {"Ref": "EventBridgeSecurityGroupId"}, NOTHING]}
    through_nat = {"Fn::If": ["UsesExistingEventBridgeEndpoint", NOTHING, "0.0.0.0/0"]}
    assert rule["DestinationSecurityGroupId"] == {"Fn::If": ["MakesEventBridgeEndpoint", own, theirs]}
    assert rule["CidrIp"] == {"Fn::If": ["MakesEventBridgeEndpoint", NOTHING, through_nat]}
    assert rule["GroupId"] == GROUP


def test_no_other_function_is_in_the_group_that_reaches_eventbridge() -> None:
    """A network interface has the rules of all of its groups: EC2's guide, "Security group rules"."""
    made = shipped.made("AWS::Lambda::Function")
    inside = {name for name, one in made.items() if GROUP in one["VpcConfig"].get("SecurityGroupIds", [])}
    assert inside == {"DeliverEventsFunction"}


def test_an_endpoint_of_the_vpc_gets_a_rule_that_lets_the_function_in() -> None:
    resource = shipped.transformed()["Resources"]["DeliverEventsIntoEndpoint"]
    assert resource["Condition"] == "UsesExistingEventBridgeEndpoint"
    rule = resource["Properties"]
    assert rule["GroupId"] == {"Ref": "EventBridgeSecurityGroupId"}
    assert (rule["SourceSecurityGroupId"], rule["FromPort"], rule["ToPort"]) == (GROUP, 443, 443)


def test_a_vpc_with_an_endpoint_for_eventbridge_gets_no_second_one() -> None:
    """Its private name would conflict: "Access an AWS service using an interface VPC endpoint"."""
    rule = shipped.transformed()["Rules"]["OneEventBridgeEndpoint"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "EventBridgeSecurityGroupId"}, ""]}]}
    assert [one["Assert"] for one in rule["Assertions"]] == [{"Fn::Equals": [{"Ref": "EventBridgeClientsCidr"}, ""]}]


def test_the_endpoint_is_that_of_buses_with_rules_and_serves_whom_its_name_takes_in() -> None:
    """`events` and not `eventsv2`, which serves another kind of bus:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-related-service-vpc.html
    """
    endpoint = shipped.made("AWS::EC2::VPCEndpoint")["EventBridgeEndpoint"]
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.events"}
    assert endpoint["PrivateDnsEnabled"] is True
    (statement,) = shipped.statements(endpoint["PolicyDocument"])
    assert (statement["Action"], statement["Resource"]) == ("events:*", "*")
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    ingress = shipped.made("AWS::EC2::SecurityGroup")["EventBridgeEndpointSecurityGroup"]["SecurityGroupIngress"]
    assert [rule.get("CidrIp") or rule["SourceSecurityGroupId"] for rule in ingress] == [
        GROUP,
        {"Ref": "EventBridgeClientsCidr"},
    ]


@pytest.mark.parametrize(("branch", "name"), [(1, "AWS::StackName"), (2, "EventBusName")])
def test_only_the_delivery_puts_events_and_only_on_that_bus(branch: int, name: str) -> None:
    """provisioning/aws/event_bus.py has the same choice: the setting, or else the stack's name."""
    assert {who for who, action, _ in granted() if action == "events:PutEvents"} == {"DeliverEventsRole"}
    (policy,) = RESOURCES["DeliverEventsRole"]["Properties"]["Policies"]
    (choice,) = policy["PolicyDocument"]["Statement"]
    condition, *statements = choice["Fn::If"]
    assert condition == "MakesEventBus"
    statement: Any = statements[branch - 1]
    arn = f"arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:event-bus/${{{name}}}"
    assert statement["Action"] == ["events:PutEvents", "events:DescribeEventBus"]
    assert statement["Resource"] == {"Fn::Sub": arn}


def test_the_way_is_there_before_the_delivery_is_probed_and_the_stack_is_protected() -> None:
    way = {"EventBridgeEndpoint", "DeliverEventsIntoEndpoint", "EventBus"}
    for name in ("NewVersions", "StackProtection"):
        resource = RESOURCES[name]
        assert "DeliverEventsToEventBridge" in resource["DependsOn"]
        assert way <= {one["Fn::If"][1]["Ref"] for one in resource["Properties"]["After"]}


def test_the_stacks_own_bus_has_its_name_and_is_made_unless_another_is_named() -> None:
    bus = shipped.transformed()["Resources"]["EventBus"]
    assert bus["Condition"] == "MakesEventBus"
    assert bus["Properties"]["Name"] == {"Ref": "AWS::StackName"}
    assert shipped.template()["Conditions"]["MakesEventBus"] == {"Fn::Equals": [{"Ref": "EventBusName"}, ""]}
    variables = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert (variables["EVENT_BUS_NAME"], variables["STACK_NAME"]) == (
        {"Ref": "EventBusName"},
        {"Ref": "AWS::StackName"},
    )


def test_events_are_delivered_every_minute_and_when_an_execution_has_ended() -> None:
    rules = [rule for rule in shipped.made("AWS::Events::Rule").values() if "DeliverEvents" in str(rule["Targets"])]
    assert [rule["ScheduleExpression"] for rule in rules if "EventPattern" not in rule] == ["rate(1 minute)"]
    (nudge,) = (rule["EventPattern"] for rule in rules if "EventPattern" in rule)
    assert nudge == shipped.made("AWS::Events::Rule")["ExecutionEnded"]["EventPattern"]
