"""A principal is its account and its unique id; the name of a session is no part of it."""

import pytest

from provisioning.requests.caller import Caller, caller_of
from provisioning.requests.refusals import CallerUnknown
from provisioning.requests.remembering import digest, ids
from tests.requests.sending import ACCOUNT, request

ROLE = f"{ACCOUNT}/AROAEXAMPLE"


@pytest.mark.parametrize(
    ("user", "caller"),
    [
        ("AROAEXAMPLE:ann", Caller(ROLE, "ann")),
        ("AROAEXAMPLE:a:b", Caller(ROLE, "a:b")),
        ("AROAEXAMPLE:", Caller(ROLE, "")),
        ("AIDAEXAMPLE", Caller(f"{ACCOUNT}/AIDAEXAMPLE")),
        (ACCOUNT, Caller(f"{ACCOUNT}/{ACCOUNT}")),
        (f"{ACCOUNT}:bob", Caller(f"{ACCOUNT}/{ACCOUNT}:bob")),
    ],
    ids=["role", "a session with a colon", "a session without a name", "user", "root", "federated user"],
)
def test_the_caller_is_read_from_the_event(user: str, caller: Caller) -> None:
    assert caller_of({"accountId": ACCOUNT, "userId": user, "callerId": user}) == caller


@pytest.mark.parametrize(
    "iam", [{}, {"accountId": ACCOUNT}, {"userId": "AIDA"}, {"accountId": ACCOUNT, "userId": None}, {"accountId": 1}]
)
def test_who_is_not_identified_is_refused(iam: dict[str, object]) -> None:
    with pytest.raises(CallerUnknown):
        caller_of(iam)


def test_a_jobs_id_tells_callers_routes_and_keys_apart_however_they_are_joined() -> None:
    asked = [
        request("key", Caller("1/A")),
        request("key", Caller("1/B")),
        request("key", Caller("1/A"), "POST /v1/projects"),
        request('key", "x', Caller("1/A")),
        request("x", Caller("1/A"), 'POST", "key'),
    ]
    first = [next(ids(one)) for one in asked]
    assert len(set(first)) == len(asked)
    assert first == [next(ids(one)) for one in asked], "the same in every process"


def test_the_ids_after_the_first_are_the_same_for_everybody_too() -> None:
    asked = request("key")
    one, other = ids(asked), ids(asked)
    found = [next(one) for _ in range(3)]
    assert found == [next(other) for _ in range(3)]
    assert len(set(found)) == 3


def test_a_digest_depends_on_the_values_and_not_on_the_order_of_fields() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": "é"}}) == digest({"b": {"d": "é", "c": 2}, "a": 1})
    different = [{"a": 1}, {"a": "1"}, {"a": [1]}, {"b": 1}, {"a": True}, {"a": None}, {}, [1, 2], [2, 1], "\ud800"]
    assert len({digest(one) for one in different}) == len(different)
