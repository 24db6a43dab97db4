"""The gate tested by breaking things: each change is made to a copy of the real code and its released folder."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from contract_release.release import FOLDER, REPOSITORY

COPIED = ("contracts", "contract_release")
SERVICES = ("messaging", "common", "user_service", "chat_service", "gateway_ws", "bloom_service")
IGNORED = shutil.ignore_patterns("__pycache__")
Tree = Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    copy(tmp_path, COPIED)
    return tmp_path


def copy(tree: Tree, packages: Sequence[str]) -> None:
    for package in packages:
        shutil.copytree(REPOSITORY / package, tree / package, ignore=IGNORED)


def gate(tree: Tree) -> tuple[list[str], set[str]]:
    """What the gate says of the code in the tree: the faults, or else the new revisions."""
    with code_in(tree):
        release = import_module("contract_release.release")
        released = release.Released.load(tree / FOLDER)
        faults = release.faults(released, release.REGISTRY)
        paths = [] if faults else release.additions(released, release.REGISTRY)
    return faults, {path.removesuffix("/schema.json") for path in paths if path.endswith("/schema.json")}


@contextmanager
def code_in(tree: Tree) -> Iterator[None]:
    """In here, what is imported anew comes from the tree. (A process for each tree would take three times as long.)"""
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in COPIED}
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(tree)
        for name in ours:
            del sys.modules[name]
        try:
            yield
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] in COPIED]:
                del sys.modules[name]
            sys.modules.update(ours)


def change(tree: Tree, file: str, old: str, new: str) -> None:
    text = (tree / file).read_text()
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    (tree / file).write_text(text.replace(old, new))


MESSAGES, FIELDS, FRAMES, HTTP = (f"contracts/{name}.py" for name in ("messages", "fields", "frames", "internal_http"))
REGISTERED = "    email_digest_key_id: str\n    second_email_digest: EmailDigest | None = None\n"
LAST_MESSAGE = "    offline: dict[UUID, Timestamp]\n\n\nPAYLOADS: tuple[type[Payload], ...] = (\n"
SECOND_VERSION = """    offline: dict[UUID, Timestamp]


class PresenceReportNow(PresenceReport):
    type: ClassVar[str] = "presence.report.v2"

    device: str


PAYLOADS: tuple[type[Payload], ...] = (
    PresenceReportNow,
"""
LAST_ENTRY = "    deleted: bool\n\n\nENTRIES: tuple[type[EntryData], ...] = (\n"
NEW_ENTRY = """    deleted: bool


class MemberBanned(EntryData):
    kind: ClassVar[str] = "member.banned"

    user_id: UUID


ENTRIES: tuple[type[EntryData], ...] = (
    MemberBanned,
"""

BREAKING = [
    pytest.param(
        MESSAGES,
        "registered_at: Timestamp",
        "signed_up_at: Timestamp",
        "user.registered.v1: field `registered_at` has been removed or renamed",
        id="a field renamed",
    ),
    pytest.param(
        MESSAGES,
        REGISTERED,
        REGISTERED.removeprefix("    email_digest_key_id: str\n"),
        "user.registered.v1: field `email_digest_key_id` has been removed",
        id="a field removed",
    ),
    pytest.param(
        MESSAGES,
        "as_of: Timestamp",
        "as_of: int",
        "users.watermark.v1: field `as_of` is integer instead of string",
        id="a field retyped",
    ),
    pytest.param(
        FRAMES,
        "text: str = Field(min_length=1)\n    reply_to",
        "text: str = Field(min_length=2)\n    reply_to",
        "client.send.v1: field `text` has minLength 2 instead of minLength 1",
        id="a bound tightened",
    ),
    pytest.param(
        FRAMES,
        "text: str = Field(min_length=1)\n    reply_to",
        "text: str\n    reply_to",
        "client.send.v1: field `text` has no minLength instead of minLength 1",
        id="a bound loosened",
    ),
    pytest.param(
        FIELDS,
        'r"^[0-9a-f]{64}$"',
        'r"^[0-9a-f]{32}$"',
        "user.registered.v1: field `email_digest` has pattern",
        id="a pattern changed",
    ),
    pytest.param(
        FIELDS,
        "Field(ge=0, le=2**53 - 1)",
        "Field(ge=1, le=2**53 - 1)",
        "http.catch_up.v1: field `entries.*[].seq` has minimum 1 instead of minimum 0",
        id="a shared bound tightened",
    ),
    pytest.param(
        HTTP,
        "default=None, min_length=1, max_length=1000)",
        "default=None, min_length=1, max_length=100)",
        "http.email_check.v1: field `digests` has maxItems 100 instead of maxItems 1000",
        id="a list shortened",
    ),
    pytest.param(
        MESSAGES,
        LAST_MESSAGE,
        LAST_MESSAGE.replace("]\n", "]\n    device: str\n"),
        "presence.report.v1: field `device` is new and required",
        id="a new required field",
    ),
    pytest.param(
        MESSAGES,
        "nobody: bool = False",
        "nobody: bool",
        "users.watermark.v1: field `nobody` was optional and is now required",
        id="an optional field required",
    ),
    pytest.param(
        FRAMES,
        "heartbeat_s: int",
        "heartbeat_s: int = 20",
        "server.welcome.v1: field `heartbeat_s` was required and is now optional",
        id="a required field optional",
    ),
    pytest.param(
        MESSAGES,
        "nobody: bool = False",
        "nobody: bool = True",
        "users.watermark.v1: field `nobody` means default true instead of default false if absent",
        id="a default changed",
    ),
    pytest.param(
        FRAMES,
        "default_factory=dict, max_length",
        'default_factory=lambda: {"": 0}, max_length',
        "client.hello.v1: field `resume` means default",
        id="a factory's default changed",
    ),
    pytest.param(
        MESSAGES,
        '"token_reuse", ',
        "",
        'session.revoked.v1: field `reason` can no longer be "token_reuse"',
        id="a value removed from a literal",
    ),
    pytest.param(
        MESSAGES,
        '    MUTED = "muted"\n',
        "",
        'command.refused.v1: field `code` can no longer be "muted"',
        id="a value removed from an enum",
    ),
    pytest.param(
        FIELDS,
        '"admin", "member"]',
        '"admin", "member", "guest"]',
        'server.welcome.v1: field `rooms[].role` can now be "guest"',
        id="a value added to a literal",
    ),
    pytest.param(
        FRAMES,
        '    INTERNAL = "internal"\n',
        '    INTERNAL = "internal"\n    TEAPOT = "teapot"\n',
        'server.error.v1: field `code` can now be "teapot"',
        id="a value added to an enum",
    ),
    pytest.param(
        MESSAGES,
        "session_id: UUID | None",
        "session_id: UUID",
        "session.revoked.v1: field `session_id` may no longer be null",
        id="null no longer allowed",
    ),
    pytest.param(
        HTTP,
        "member_count: int",
        "member_count: int | None",
        "server.room_added.v1: field `room.member_count` may now be null",
        id="null allowed",
    ),
    pytest.param(
        HTTP,
        "member_count: int",
        "member_count: str",
        "http.catch_up.v1: field `rooms[].member_count` is string instead of integer",
        id="a field of a nested model retyped",
    ),
    pytest.param(
        "contracts/entries.py",
        "text: str | None\n    reply_to",
        "body: str | None\n    reply_to",
        "entry.message.posted.v1: field `text` has been removed or renamed",
        id="a field of an entry renamed",
    ),
    pytest.param(
        HTTP,
        "might_exist: list[bool]",
        "might_exist: list[bool | None]",
        "http.email_answer.v1: field `might_exist[]` may now be null",
        id="an item may be null",
    ),
    pytest.param(
        HTTP,
        '    @model_validator(mode="after")\n    def _exactly_one',
        "    def _exactly_one",
        'http.email_check.v1: the body has no x-validators instead of x-validators ["_exactly_one"]',
        id="a validator removed",
    ),
    pytest.param(
        HTTP,
        "if (self.digest is None) == (self.digests is None):",
        "if self.digest is None:",
        "http.email_check.v1: the released sample http.email_check.v1/1/samples/several.json can't be read any more",
        id="a validator tightened",
    ),
    pytest.param(
        FIELDS,
        'timespec="milliseconds"',
        'timespec="seconds"',
        "full.json, read and written again, has another `data.registered_at`",
        id="times written in another form",
    ),
    pytest.param(
        "contracts/envelope.py",
        'source=f"/{envelope',
        'source=f"{envelope',
        "full.json, read and written again, has another `source`",
        id="the envelope's source changed",
    ),
    pytest.param(
        FRAMES,
        'type: Literal["hello"]',
        'type: Literal["hi"]',
        "client.hello.v1 has been released and is not in the registry",
        id="the type of a frame changed",
    ),
    pytest.param(
        MESSAGES,
        '"user.deleted.v1"',
        '"user.deleted.v2"',
        "user.deleted.v1 has been released and is not in the registry",
        id="a type replaced by its next version",
    ),
    pytest.param(
        MESSAGES,
        "    MemberAdded,\n",
        "",
        "member.added.v1 has been released and is not in the registry",
        id="a type removed",
    ),
    pytest.param(
        MESSAGES,
        LAST_MESSAGE,
        LAST_MESSAGE.replace("dict[UUID, Timestamp]", "tuple[bool, int]"),
        "presence.report.v1: the gate does not know the JSON Schema keyword 'prefixItems'",
        id="a schema that the gate can't judge",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "sentence"), BREAKING)
def test_a_breaking_change_of_the_models_is_refused(tree: Tree, file: str, old: str, new: str, sentence: str) -> None:
    change(tree, file, old, new)

    sentences, revisions = gate(tree)

    assert revisions == set()
    assert [said for said in sentences if sentence in said], sentences


@pytest.mark.parametrize(
    ("file", "old", "new", "revisions"),
    [
        pytest.param(
            MESSAGES,
            LAST_MESSAGE,
            LAST_MESSAGE.replace("]\n", "]\n    device: str | None = None\n"),
            {"presence.report.v1/2"},
            id="a new optional field",
        ),
        pytest.param(
            HTTP,
            "member_count: int\n",
            "member_count: int\n    muted: bool = False\n",
            {"http.catch_up.v1/4", "http.catch_ups.v1/3", "server.room_added.v1/2", "server.welcome.v1/3"},
            id="a new optional field of a nested model",
        ),
        pytest.param(MESSAGES, LAST_MESSAGE, SECOND_VERSION, {"presence.report.v2/1"}, id="the next version of a type"),
        pytest.param(
            "contracts/entries.py",
            LAST_ENTRY,
            NEW_ENTRY,
            {
                "entry.member.banned.v1/1",
                *(f"{name}/3" for name in ("server.event.v1", "http.catch_ups.v1")),
                *(f"{name}/4" for name in ("room.entry.v1", "http.catch_up.v1", "http.entries.v1")),
            },
            id="a new kind of entry",
        ),
        pytest.param(
            MESSAGES,
            '"""Moves the user\'s read mark in a room forward, never back."""',
            '"""Said in other words."""',
            set(),
            id="other words",
        ),
    ],
)
def test_a_change_that_everybody_can_live_with_is_a_new_revision(
    tree: Tree, file: str, old: str, new: str, revisions: set[str]
) -> None:
    change(tree, file, old, new)

    assert gate(tree) == ([], revisions)


def test_code_that_nobody_has_changed_is_as_it_was_released(tree: Tree) -> None:
    assert gate(tree) == ([], set())


SAMPLE = f"{FOLDER}/user.registered.v1/1/samples/full.json"


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"2026-01-02", b"2026-01-03"))


@pytest.mark.parametrize(
    ("path", "damage", "sentence"),
    [
        pytest.param(SAMPLE, edit, "has been released and edited since", id="a sample edited"),
        pytest.param(SAMPLE, Path.unlink, "has been released and is gone", id="a sample removed"),
        pytest.param(
            f"{FOLDER}/user.registered.v1/1/schema.json",
            lambda path: path.write_text(path.read_text().replace('"username",', "")),
            "has been released and edited since",
            id="a schema edited",
        ),
        pytest.param(
            f"{FOLDER}/user.registered.v1/1/samples/other.json",
            lambda path: path.write_text("{}"),
            "has not been released",
            id="a sample added",
        ),
    ],
)
def test_a_released_file_that_is_touched_is_named(
    tree: Tree, path: str, damage: Callable[[Path], object], sentence: str
) -> None:
    damage(tree / path)

    sentences, _ = gate(tree)

    assert [said for said in sentences if said.startswith(path) and sentence in said] == sentences != []


def make_contracts(tree: Tree) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", "-m", "contract_release"], cwd=tree, capture_output=True, text=True)


def test_make_contracts_refuses_and_writes_nothing(tree: Tree) -> None:
    copy(tree, SERVICES)
    change(tree, MESSAGES, "nobody: bool = False", "nobody: bool")
    before = {path: path.read_bytes() for path in tree.rglob("*.json")}

    run = make_contracts(tree)

    assert run.returncode == 1
    assert [
        said for said in run.stderr.splitlines() if said.startswith("users.watermark.v1: field `nobody` was optional")
    ], run.stderr
    assert {path: path.read_bytes() for path in tree.rglob("*.json")} == before


def test_make_contracts_says_what_it_writes(tree: Tree) -> None:
    copy(tree, SERVICES)
    change(tree, MESSAGES, LAST_MESSAGE, LAST_MESSAGE.replace("]\n", "]\n    device: str | None = None\n"))

    run = make_contracts(tree)

    assert run.returncode == 0, run.stderr
    assert f"wrote {FOLDER}/presence.report.v1/2/schema.json\n" in run.stdout
    assert f"wrote {FOLDER}/index.json\n" in run.stdout
    assert "wrote contracts/asyncapi.yaml\n" in run.stdout
    assert "contracts/openapi" not in run.stdout
    assert gate(tree) == ([], set())


ROUTING, TOPOLOGY, AT_BROKERS = "contracts/routing.py", "contracts/topology.py", "messaging/rabbitmq/topology.py"

ANSWERS_ROUTE = "REPLIES\n    key: ClassVar[Key] = Key.GATEWAY\n    durable"

ROUTES = {
    "a routing key": (
        (MESSAGES, "Key.PARTITION", "Key.SHARD"),
        'message chat.send.v1: key is "SHARD" instead of "PARTITION"',
    ),
    "the exchange of messages": (
        (
            MESSAGES,
            "REPLIES\n    key: ClassVar[Key] = Key.GATEWAY\n    durable",
            "ROOMS\n    key: ClassVar[Key] = Key.GATEWAY\n    durable",
        ),
        'message command.accepted.v1: exchange is "chat.rooms" instead of "chat.replies"',
    ),
    "messages no longer durable": (
        (MESSAGES, "Key.TYPE\n    durable: ClassVar[bool] = True", "Key.TYPE\n    durable: ClassVar[bool] = False"),
        "message user.registered.v1: durable is false instead of true",
    ),
    "an exchange renamed": (
        (ROUTING, 'MEMBERS = "chat.members"', 'MEMBERS = "chat.memberships"'),
        "exchange chat.members is gone",
    ),
    "the number of shards": (
        (ROUTING, "SHARDS = 64", "SHARDS = 65"),
        "routing by shards: number is 65 instead of 64",
    ),
    "the partition of a room": (
        (ROUTING, "crc32(room_id.bytes) % PARTITIONS", "adler32(room_id.bytes) % PARTITIONS"),
        "routing by room 0192f0c1-8a00-7abc-8def-000000000000: partition is",
    ),
    "a binding removed": (
        (TOPOLOGY, "        (EVENTS, UserProfileChanged.type),\n", ""),
        "binding of chat_service.user_events to parley.events user.profile_changed.v1 is gone",
    ),
    "a queue renamed": (
        (TOPOLOGY, '"bloom_service.user_events"', '"bloom_service.events"'),
        "queue bloom_service.user_events is gone",
    ),
    "an argument of a queue": (
        (AT_BROKERS, "\nDELIVERY_LIMIT = 50", "\nDELIVERY_LIMIT = 51"),
        "queue chat_service.user_events: x-delivery-limit is 51 instead of 50",
    ),
    "an argument of the queue of dead letters": (
        (AT_BROKERS, "DEAD_LETTER_DELIVERY_LIMIT = 1_000_000", "DEAD_LETTER_DELIVERY_LIMIT = 1_000"),
        "queue chat_service.user_events.dead: x-delivery-limit is 1000 instead of 1000000",
    ),
    "the type of an exchange": (
        (AT_BROKERS, 'Exchange(name, "direct", durable=True)', 'Exchange(name, "topic", durable=True)'),
        'exchange parley.events: type is "topic" instead of "direct"',
    ),
}


@pytest.fixture(scope="module")
def refused_routes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `make contracts` says of all these changes, none of which is the cause of another's sentence."""
    tree = tmp_path_factory.mktemp("tree")
    copy(tree, (*COPIED, *SERVICES))
    for mutation, _ in ROUTES.values():
        change(tree, *mutation)
    return make_contracts(tree).stderr.splitlines()


@pytest.mark.parametrize("sentence", [pytest.param(sentence, id=name) for name, (_, sentence) in ROUTES.items()])
def test_a_breaking_change_of_a_route_is_refused(refused_routes: list[str], sentence: str) -> None:
    assert [said for said in refused_routes if said.startswith(sentence)], refused_routes
