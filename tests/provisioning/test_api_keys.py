import hashlib
import hmac
import json
import math
import re
import string
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.tenant import api_keys
from provisioning.tenant.api_keys import (
    ALPHABET,
    CHECKSUM_CHARACTERS,
    RANDOM_CHARACTERS,
    ApiKey,
    generate,
    is_well_formed,
    matches,
)

SAMPLE = 20_000
RANDOM_PART = slice(-RANDOM_CHARACTERS - CHECKSUM_CHARACTERS, -CHECKSUM_CHARACTERS)

prefixes = st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True)
kinds = st.sampled_from(api_keys.KINDS)
keys = st.builds(lambda prefix, count: generate(prefix, count)[-1], prefixes, st.integers(1, 10))


@pytest.fixture(scope="module")
def random_parts() -> list[str]:
    return [key.text[RANDOM_PART] for _ in range(SAMPLE // 10) for key in generate("p", 10)]


@given(prefixes, st.integers(1, 10))
def test_a_key_is_prefix_kind_random_part_and_checksum(prefix: str, count: int) -> None:
    for key in generate(prefix, count):
        assert re.fullmatch(rf"{prefix}_{key.kind}_[0-9A-Za-z]{{38}}", key.text)
        assert is_well_formed(key.text)


@pytest.mark.parametrize("count", range(1, 11))
def test_kinds_come_in_the_order_publishable_secret_service_role_then_secret(count: int) -> None:
    order = ["publishable", "secret", "service_role", *["secret"] * 7]
    assert [key.kind for key in generate("demo", count)] == order[:count]


def test_the_random_part_holds_at_least_160_bits() -> None:
    assert sorted(ALPHABET) == sorted(string.ascii_letters + string.digits)
    assert RANDOM_CHARACTERS * math.log2(len(ALPHABET)) >= 160


def test_no_two_keys_are_alike(random_parts: list[str]) -> None:
    assert len(set(random_parts)) == SAMPLE


def test_every_character_is_equally_likely_at_every_position(random_parts: list[str]) -> None:
    expected = SAMPLE / len(ALPHABET)
    chi_square = 0.0
    for position in range(RANDOM_CHARACTERS):
        seen = Counter(part[position] for part in random_parts)
        chi_square += sum((seen[character] - expected) ** 2 / expected for character in ALPHABET)
    freedom = RANDOM_CHARACTERS * (len(ALPHABET) - 1)
    # Eight standard deviations: chance alone gets there less than once in 10^12 runs.
    assert chi_square < freedom + 8 * math.sqrt(2 * freedom)


@settings(max_examples=10)
@given(keys)
def test_no_single_wrong_character_passes_the_checksum(key: ApiKey) -> None:
    passed = [
        (position, wrong)
        for position, right in enumerate(key.text)
        for wrong in string.printable + "é\N{CYRILLIC SMALL LETTER A}\0"
        if wrong != right and is_well_formed(key.text[:position] + wrong + key.text[position + 1 :])
    ]
    assert passed == []


@settings(max_examples=200)
@given(keys)
def test_no_swap_of_neighbours_passes_the_checksum(key: ApiKey) -> None:
    passed = [
        position
        for position, (one, other) in enumerate(pairwise(key.text))
        if one != other and is_well_formed(key.text[:position] + other + one + key.text[position + 2 :])
    ]
    assert passed == []


@given(keys, st.sampled_from(["", " ", "\n", "\0", "\ud800"]))
def test_a_key_with_something_around_it_is_not_well_formed(key: ApiKey, around: str) -> None:
    assert is_well_formed(around + key.text) == (around == "")
    assert is_well_formed(key.text + around) == (around == "")


@given(st.text(max_size=80))
def test_no_other_text_is_well_formed(text: str) -> None:
    assert not is_well_formed(text)


@given(keys, keys)
def test_a_key_matches_its_own_digest_and_no_other(key: ApiKey, other: ApiKey) -> None:
    assert matches(key.text, key.digest)
    assert not matches(other.text, key.digest)
    assert not matches("", key.digest)
    assert not matches(key.text, b"")


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.extend((one, other))
        return hmac.compare_digest(one, other)

    (key,) = generate("demo", 1)
    with monkeypatch.context() as patched:
        patched.setattr(api_keys, "hmac", type("Spy", (), {"compare_digest": staticmethod(compare)}))
        matches(key.text, key.digest)
    assert compared == [key.digest, key.digest]


@given(keys)
def test_the_hint_is_the_last_four_characters(key: ApiKey) -> None:
    assert key.hint == key.text[-4:]


@given(keys)
def test_a_key_never_shows_in_the_text_of_its_object(key: ApiKey) -> None:
    for shown in (repr(key), str(key), f"{key}", repr([key]), repr({"key": key}), json.dumps([key], default=str)):
        assert key.text not in shown
        assert key.text[RANDOM_PART] not in shown


@given(keys)
def test_what_is_stored_of_a_key_is_its_sha_256(key: ApiKey) -> None:
    assert key.digest == hashlib.sha256(key.text.encode()).digest()
