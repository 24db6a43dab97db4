import itertools
from pathlib import Path
from typing import get_args
from uuid import uuid4

import pytest

from chat_service.rules import (
    MUTED_MAY_NOT,
    Action,
    direct_key,
    joining_role,
    refusal,
    refusal_against,
    refusal_of_deletion,
    refusal_of_emoji,
    refusal_of_role,
    refusal_of_text,
)
from contracts.fields import Role, RoomKind
from contracts.messages import Refusal

FORBIDDEN, NOT_A_MEMBER = Refusal.FORBIDDEN, Refusal.NOT_A_MEMBER
KINDS: tuple[RoomKind, ...] = get_args(RoomKind)
ROLES: tuple[Role, ...] = get_args(Role)


def allowed(action: Action) -> set[tuple[str, str | None]]:
    return {(kind, role) for kind in KINDS for role in (*ROLES, None) if refusal(action, kind, role) is None}


def lowest(action: Action, kind: RoomKind) -> str:
    """The lowest role that may, as the document calls it."""
    ranks: list[tuple[str, Role | None]] = [
        ("anybody", None),
        ("members", "member"),
        ("admins", "admin"),
        ("owner", "owner"),
    ]
    return next((name for name, role in ranks if refusal(action, kind, role) is None), "nobody")


def pairs(kinds: str, roles: str) -> set[tuple[str, str | None]]:
    named = itertools.product(kinds.split(), roles.split())
    return {(kind, None if role == "outsider" else role) for kind, role in named}


EVERY_KIND, GROUPS = "public private direct", "public private"


class TestActions:
    @pytest.mark.parametrize(
        ("action", "expected"),
        [
            (Action.SEE, pairs(EVERY_KIND, "owner admin member") | pairs("public", "outsider")),
            (Action.READ, pairs(EVERY_KIND, "owner admin member")),
            (Action.POST, pairs(EVERY_KIND, "owner admin member")),
            (Action.EDIT, pairs(EVERY_KIND, "owner admin member")),
            (Action.DELETE_OWN, pairs(EVERY_KIND, "owner admin member")),
            (Action.DELETE_ANY, pairs(GROUPS, "owner admin")),
            (Action.REACT, pairs(EVERY_KIND, "owner admin member")),
            (Action.JOIN, pairs("public", "owner admin member outsider")),
            (Action.LEAVE, pairs(GROUPS, "owner admin member")),
            (Action.UPDATE, pairs(GROUPS, "owner admin")),
            (Action.DELETE, pairs(GROUPS, "owner")),
            (Action.ADD_MEMBER, pairs(GROUPS, "owner admin")),
            (Action.REMOVE_MEMBER, pairs(GROUPS, "owner admin")),
            (Action.APPOINT, pairs(GROUPS, "owner")),
            (Action.BAN, pairs(GROUPS, "owner admin")),
            (Action.MUTE, pairs(GROUPS, "owner admin")),
        ],
    )
    def test_are_for_these_roles_in_these_kinds_of_room(
        self, action: Action, expected: set[tuple[str, str | None]]
    ) -> None:
        assert allowed(action) == expected

    def test_all_stand_in_the_documents_table_as_they_are(self) -> None:
        document = (Path(__file__).parents[3] / "docs/moderation.md").read_text()
        rows = [line.strip("| ").split(" | ") for line in document.splitlines() if line.count("|") == 6]
        heading, _, *documented = rows

        assert heading == ["may", *KINDS, "while muted"]
        assert documented == [
            [action.value, *(lowest(action, kind) for kind in KINDS), "no" if action in MUTED_MAY_NOT else "yes"]
            for action in Action
        ]

    def test_of_saying_something_are_not_for_the_muted(self) -> None:
        assert {Action.POST, Action.EDIT, Action.REACT} == MUTED_MAY_NOT

    @pytest.mark.parametrize(
        "action",
        [
            *(Action.READ, Action.POST, Action.EDIT, Action.DELETE_OWN, Action.DELETE_ANY, Action.REACT),
            *(Action.LEAVE, Action.ADD_MEMBER, Action.BAN, Action.MUTE),
        ],
    )
    def test_of_members_are_refused_to_outsiders_as_such(self, action: Action) -> None:
        assert refusal(action, "private", None) is NOT_A_MEMBER

    @pytest.mark.parametrize("action", [Action.SEE, Action.JOIN, Action.UPDATE, Action.DELETE])
    def test_on_the_room_itself_are_forbidden_to_outsiders(self, action: Action) -> None:
        assert refusal(action, "private", None) is FORBIDDEN


class TestRoles:
    @pytest.mark.parametrize(
        ("actor", "current", "wanted", "refused"),
        [
            ("owner", None, "member", None),
            ("owner", None, "admin", None),
            ("owner", "member", "admin", None),
            ("owner", "admin", "member", None),
            ("owner", "owner", "admin", FORBIDDEN),
            ("owner", "owner", "member", FORBIDDEN),
            ("admin", None, "member", None),
            ("admin", None, "admin", FORBIDDEN),
            ("admin", "member", "member", None),
            ("admin", "member", "admin", FORBIDDEN),
            ("admin", "admin", "member", FORBIDDEN),
            ("admin", "admin", "admin", None),
            ("admin", "owner", "member", FORBIDDEN),
            ("member", None, "member", FORBIDDEN),
            ("member", "member", "member", FORBIDDEN),
            ("member", "member", "admin", FORBIDDEN),
            (None, None, "member", NOT_A_MEMBER),
        ],
    )
    def test_are_given_by_owners_and_membership_by_admins_too(
        self, actor: Role | None, current: Role | None, wanted: Role, refused: Refusal | None
    ) -> None:
        assert refusal_of_role("private", actor, current, wanted) is refused

    @pytest.mark.parametrize("actor", ROLES)
    def test_are_not_given_in_direct_rooms(self, actor: Role) -> None:
        assert refusal_of_role("direct", actor, None, "member") is FORBIDDEN

    def test_of_somebody_who_joins_is_owner_in_an_empty_room_only(self) -> None:
        assert (joining_role(0), joining_role(1), joining_role(7)) == ("owner", "member", "member")


class TestRemovalBansAndMutes:
    @pytest.mark.parametrize("action", [Action.REMOVE_MEMBER, Action.BAN, Action.MUTE])
    @pytest.mark.parametrize(
        ("actor", "target", "refused"),
        [
            ("owner", "admin", None),
            ("owner", "member", None),
            ("owner", "owner", FORBIDDEN),
            ("admin", "member", None),
            ("admin", "admin", FORBIDDEN),
            ("admin", "owner", FORBIDDEN),
            ("member", "member", FORBIDDEN),
            ("owner", None, None),
            ("admin", None, None),
            ("member", None, FORBIDDEN),
            (None, "member", NOT_A_MEMBER),
        ],
    )
    def test_are_of_lower_ranks_only(
        self, action: Action, actor: Role | None, target: Role | None, refused: Refusal | None
    ) -> None:
        assert refusal_against(action, "public", actor, target) is refused

    @pytest.mark.parametrize("action", [Action.REMOVE_MEMBER, Action.BAN, Action.MUTE])
    def test_are_not_for_direct_rooms(self, action: Action) -> None:
        assert refusal_against(action, "direct", "member", "member") is FORBIDDEN


class TestDeletion:
    @pytest.mark.parametrize(
        ("kind", "actor", "own", "refused"),
        [
            ("public", "member", True, None),
            ("private", "member", True, None),
            ("direct", "member", True, None),
            ("public", "member", False, FORBIDDEN),
            ("private", "member", False, FORBIDDEN),
            ("direct", "member", False, FORBIDDEN),
            ("public", "admin", False, None),
            ("private", "owner", False, None),
            ("direct", "owner", False, FORBIDDEN),
            ("public", None, True, NOT_A_MEMBER),
            ("private", None, False, NOT_A_MEMBER),
        ],
    )
    def test_is_of_ones_own_or_in_rooms_of_many_by_those_who_run_them(
        self, kind: RoomKind, actor: Role | None, own: bool, refused: Refusal | None
    ) -> None:
        assert refusal_of_deletion(kind, actor, own=own) is refused


class TestTexts:
    @pytest.mark.parametrize("text", ["a", " ", "\u200b", "\n", "x" * 8000, "🎈" * 8000])
    def test_of_up_to_8000_characters_are_taken_as_they_are(self, text: str) -> None:
        assert refusal_of_text(text) is None

    @pytest.mark.parametrize(
        ("text", "refused"), [("x" * 8001, Refusal.TOO_LONG), ("", Refusal.INVALID), ("a\x00b", Refusal.INVALID)]
    )
    def test_of_other_forms_are_not(self, text: str, refused: Refusal) -> None:
        assert refusal_of_text(text) is refused


class TestEmojis:
    def test_are_of_the_form_of_one(self) -> None:
        assert refusal_of_emoji("👍") is None
        assert refusal_of_emoji("thumbs up") is Refusal.INVALID


def test_a_direct_room_has_one_key_whoever_opens_it() -> None:
    one, other, third = uuid4(), uuid4(), uuid4()

    assert direct_key(one, other) == direct_key(other, one)
    assert len({direct_key(one, other), direct_key(one, third), direct_key(other, third)}) == 3
