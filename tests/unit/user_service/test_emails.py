import hashlib
import hmac
import re

import pytest

from user_service.services.emails import DigestKey, EmailDigests, normalized_email
from user_service.services.names import canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice@example.com", "aLICE@EXAMPLE.COM"),
        ("zo\u00eb@example.com", "zoe\u0308@example.com"),
        ("alice@b\u00fccher.example.com", "alice@xn--bcher-kva.example.com"),
        ("STRASSE@example.com", "stra\u00dfe@example.com"),
    ],
)
def test_addresses_that_differ_in_case_or_encoding_are_the_same(one: str, other: str) -> None:
    assert canonical(normalized_email(one)) == canonical(normalized_email(other))


@pytest.mark.parametrize("other", ["a.lice@example.com", "alice+x@example.com", "alice@mail.example.com"])
def test_addresses_that_differ_in_dots_tags_or_domain_are_not_the_same(other: str) -> None:
    assert canonical(normalized_email("alice@example.com")) != canonical(normalized_email(other))


def test_a_digest_is_the_hmac_of_the_address() -> None:
    for key in ("key one", "k" * 100):
        expected = hmac.new(key.encode(), b"alice@example.com", hashlib.sha256)
        assert DigestKey(key).digest("alice@example.com") == expected.digest()


def test_a_digest_depends_on_the_address_and_the_key_alone() -> None:
    key = DigestKey("key one")
    digest = key.digest("alice@example.com")

    assert key.digest("bob@example.com") != digest
    assert key.digest("alice@example.com") == digest
    assert DigestKey("key two").digest("alice@example.com") != digest


def test_a_key_id_names_the_key_and_is_no_part_of_a_digest() -> None:
    key = DigestKey("key one")

    assert re.fullmatch("[0-9a-f]{8}", key.id)
    assert DigestKey("key one").id == key.id
    assert DigestKey("key two").id != key.id
    assert key.id not in key.digest("alice@example.com").hex()


def test_keys_are_found_by_their_ids_of_which_the_first_key_has_the_first() -> None:
    alone, both = EmailDigests("key one"), EmailDigests("key one", "key two")

    assert alone.key_ids == [DigestKey("key one").id]
    assert alone.second is None
    assert both.key_ids == [DigestKey("key one").id, DigestKey("key two").id]
    assert [both.key(key_id) for key_id in both.key_ids] == [both.first, both.second]
    assert alone.key(both.key_ids[1]) is None
