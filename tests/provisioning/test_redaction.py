import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import observability
from provisioning.redaction import DEEPEST, REDACTED, redact, redact_text
from provisioning.tenant import api_keys
from provisioning.tenant.scram import scram_verifier

SECRET = "c0rrect-horse-battery"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "db_password", "dbPassword", "PASSWORD", "token", "access_token", "accessToken", "secret"),
        *("client-secret", "authorization", "Authorization", "api_key", "apiKey", "apikey", "stripe_key", "dsn"),
        *("private_key", "jwt", "jwt_secret", "credentials", "tokens", "database_url", "verifier", "cookie"),
        *("x-api-key", "Service-Role-Key", "service_role_key", "connectionString", "pwd\n"),
    ],
)
def test_what_a_secrets_name_stands_for_is_hidden(name: str) -> None:
    assert redact({"outer": [{name: SECRET}]}) == {"outer": [{name: REDACTED}]}


@pytest.mark.parametrize(
    "document",
    [
        {"secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/x"},
        {"key_id": "b8f0d6ee", "kind": "secret", "hint": "abcd", "prefix": "demo"},
        {"api_keys": {"count": 2, "prefix": "demo"}},
        {"services": {"auth": True}, "idempotency": 3, "password": None, "token": ""},
        {"message": "password: is not a known field", "error": "InvalidPayload"},
        {"endpoint": "http://127.0.0.1:8080/auth/tenants/demo"},
    ],
)
def test_what_only_refers_to_a_secret_stays(document: dict[str, Any]) -> None:
    assert redact(document) == document


def test_what_is_below_a_secrets_name_is_hidden_to_its_leaves() -> None:
    hidden = redact({"credentials": {"user": SECRET, "more": [SECRET, 7, True, None]}})
    assert hidden == {"credentials": {"user": REDACTED, "more": [REDACTED, REDACTED, True, None]}}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"postgresql://app:{SECRET}@db:5432/x", f"postgresql://app:{REDACTED}@db:5432/x"),
        (f"host=db password={SECRET} user=app", f"host=db password={REDACTED} user=app"),
        (f"it said 'token': '{SECRET}'", f"it said 'token': {REDACTED}"),
        (f"Authorization: Bearer {SECRET}", f"Authorization: Bearer {REDACTED}"),
        (f"got {JWT}.", f"got {REDACTED}."),
        ("-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", REDACTED),
        ("key AKIAIOSFODNN7EXAMPLE", f"key {REDACTED}"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(text: str, left: str) -> None:
    assert redact_text(text) == left


def test_every_api_key_is_hidden_wherever_it_stands() -> None:
    for key in api_keys.generate("demo", 10):
        assert redact({"note": f"use {key.text}, please"}) == {"note": f"use {REDACTED}, please"}


def test_a_scram_verifier_is_hidden_wherever_it_stands() -> None:
    assert redact_text(f"PASSWORD {scram_verifier(SECRET)!r}") == f"PASSWORD '{REDACTED}'"


def test_json_inside_text_stays_json() -> None:
    inside = json.dumps({"a": 1, "cause": json.dumps({"password": SECRET})})
    assert json.loads(json.loads(redact({"input": inside})["input"])["cause"]) == {"password": REDACTED}


def test_a_secret_as_a_name_is_hidden_too() -> None:
    assert redact({JWT: 1}) == {REDACTED: 1}
    assert redact({"credentials": {JWT: 1}}) == {"credentials": {REDACTED: REDACTED}}


def test_depth_cannot_exhaust_the_stack() -> None:
    document: Any = SECRET
    for _ in range(100_000):
        document = [document]
    assert SECRET not in json.dumps(redact(document))
    text = "[" * 100_000 + f'"password={SECRET}"' + "]" * 100_000
    assert SECRET not in redact_text(text)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@given(DOCUMENTS, st.sampled_from(["password", "db_token", "jwtSecret"]))
def test_redacting_twice_changes_nothing_more(document: Any, name: str) -> None:
    once = redact({"kept": document, name: SECRET})
    assert SECRET not in json.dumps(once)
    assert redact(once) == once


@given(st.integers(0, DEEPEST - 2))
def test_a_secret_is_found_at_every_depth(depth: int) -> None:
    document: Any = {"password": SECRET}
    for _ in range(depth):
        document = {"below": document}
    assert SECRET not in json.dumps(redact(document))


def test_the_log_hides_what_the_rules_hide(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    log = observability.logger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.registered_formatter)
    log.addHandler(handler)
    try:
        log.info("connected to postgresql://app:%s@db/x", SECRET, stage="finalizing", token=SECRET)
    finally:
        log.handlers.remove(handler)
    capsys.readouterr()
    written = json.loads(stream.getvalue())
    assert SECRET not in stream.getvalue()
    assert (written["stage"], written["token"]) == ("finalizing", REDACTED)
