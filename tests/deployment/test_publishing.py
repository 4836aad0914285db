"""Only the services and roles that publish to the topic and send to the queue may do so."""

from tests import shipped
from tests.grants import FUNCTIONS, granted, role_of

EVENTS = {"Service": "events.amazonaws.com"}


def test_no_condition_stands_between_eventbridge_and_the_topic() -> None:
    """EventBridge's guide forbids Condition blocks in the policies of topics that it publishes to.

    "Using resource-based policies": awsdocs/amazon-eventbridge-user-guide at 896fdda,
    doc_source/eb-use-resource-based.md, line 111. The key that encrypts the topic is used in the same call.
    """
    (topic,) = shipped.made("AWS::SNS::TopicPolicy").values()
    (key,) = shipped.made("AWS::KMS::Key").values()
    for document in (topic["PolicyDocument"], key["KeyPolicy"]):
        (statement,) = (one for one in shipped.statements(document) if one["Principal"] == EVENTS)
        assert "Condition" not in statement


def test_only_alarms_and_rules_publish_to_the_topic() -> None:
    (policy,) = shipped.made("AWS::SNS::TopicPolicy").values()
    publishers = [one["Principal"]["Service"] for one in shipped.statements(policy["PolicyDocument"])]
    targets = [target["Arn"] for rule in shipped.made("AWS::Events::Rule").values() for target in rule["Targets"]]
    assert {"Ref": "Notifications"} in targets
    assert sorted(publishers) == ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    assert {action for _, action, _ in granted() if action.startswith("sns:")} == {"sns:Publish"}


def test_a_role_may_send_to_the_queue_if_its_function_has_it() -> None:
    """Lambda sends with the function's role: its guide, "Adding a dead-letter queue"."""
    made = shipped.made("AWS::Lambda::Function")
    sending = {who for who, action, _ in granted() if action == "sqs:SendMessage"} - {"UndeliveredPolicy"}
    assert sending == {role_of(one) for name, one in FUNCTIONS.items() if "DeadLetterConfig" in made[name]}
