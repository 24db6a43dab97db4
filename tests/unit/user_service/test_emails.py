import re

import pytest

from user_service.services.emails import EmailDigests, normalized_email
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


def test_a_digest_depends_on_the_address_and_the_key_alone() -> None:
    digest = EmailDigests("key one").of("alice@example.com")

    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert EmailDigests("key one").of("alice@example.com") == digest
    assert EmailDigests("key one").of("bob@example.com") != digest
    assert EmailDigests("key two").of("alice@example.com") != digest


def test_a_key_id_names_the_key_and_is_no_part_of_a_digest() -> None:
    digests = EmailDigests("key one")

    assert re.fullmatch("[0-9a-f]{8}", digests.key_id)
    assert EmailDigests("key one").key_id == digests.key_id
    assert EmailDigests("key two").key_id != digests.key_id
