"""The operator's command, at a real broker, while services run."""

import asyncio
import fcntl
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import pytest
import structlog.testing
from aio_pika.abc import AbstractIncomingMessage
from yarl import URL

from messaging.bus import Delivery, Message
from messaging.rabbitmq.dead_letter_command import run
from tests.support.bus import Recorder
from tests.support.eventually import eventually
from tests.support.rabbitmq import RabbitMQLab, channel_to, everything_declared
from tests.support.servers.server import free_port
from tests.support.shapes import assert_time
from tests.support.tcp_proxy import Observer, TcpProxy

REPOSITORY = Path(__file__).parents[3]


@dataclass
class Done:
    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        assert "Traceback" not in self.err


Operator = Callable[..., Awaitable[Done]]


class Beginner(Recorder):
    """A handler that rejects what is bad, until it has learned."""

    def __init__(self) -> None:
        super().__init__()
        self.has_learned = False

    @property
    def handled(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries if delivery.rejection is None]

    async def __call__(self, batch: Sequence[Delivery]) -> None:
        await super().__call__(batch)
        for delivery in batch:
            if delivery.body.startswith(b"bad") and not self.has_learned:
                delivery.reject("this is no command")


class Site(RabbitMQLab):
    """A service runs that consumes `first`. Another one, which would consume `second`, does not."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.handler = Beginner()
        self.service = self.bus()
        self.service.consume(self.first, self.handler)

    async def put_away(self, *messages: Message) -> None:
        """Have the service reject messages; returns when all of them are dead letters."""
        await self.service.publish(messages)
        await self.has_dead_letters(len(messages))

    async def has_dead_letters(self, number: int) -> None:
        async def there_are() -> bool:
            return await self.depth(f"{self.first}.dead") == number

        await eventually(there_are)

    async def dead_letters(self, number: int) -> list[bytes]:
        """Wait until there are so many; what they say, in their order."""
        await self.has_dead_letters(number)
        bodies = await self.dead_letters_now()
        await self.has_dead_letters(number)
        return bodies

    async def dead_letters_now(self) -> list[bytes]:
        bodies: list[bytes] = []
        async with channel_to(self.url) as channel:
            queue = await channel.get_queue(f"{self.first}.dead")
            while message := await queue.get(fail=False):
                bodies.append(message.body)
        return bodies

    async def depth(self, queue: str) -> int:
        async with channel_to(self.url) as channel:
            return (await channel.get_queue(queue)).declaration_result.message_count or 0


@pytest.fixture
async def site(rabbitmq_url: str) -> AsyncIterator[Site]:
    site = Site(rabbitmq_url)
    await site.start(site.service)
    yield site
    await site.clear_up()


@pytest.fixture
def operator(site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Operator:
    """Gives the command. It has an event loop of its own, and so a thread."""

    async def give(*arguments: str, url: str = site.url) -> Done:
        monkeypatch.setattr(sys, "argv", ["", *arguments])
        capfd.readouterr()
        with structlog.testing.capture_logs():  # of the services
            try:
                code = await asyncio.to_thread(run, "service.dead_letters", (site.first, site.second), lambda: url)
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, *capfd.readouterr())

    return give


@pytest.fixture
async def bad(site: Site) -> list[Message]:
    """Three messages that have become dead letters."""
    bad = [site.message(f"bad {number}") for number in range(3)]
    await site.put_away(*bad)
    return bad


class TestLooking:
    async def test_list_says_how_many_there_are_of_each_queue(self, site: Site, operator: Operator) -> None:
        await site.put_away(site.message("bad"), site.message("bad too"))

        done = await operator("list")

        assert (done.code, done.err) == (0, "")
        assert [line.split() for line in done.out.splitlines()] == [["2", site.first], ["0", site.second]]

    async def test_show_says_what_each_is_and_why_and_keeps_the_content_to_itself(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        done = await operator("show", site.first)

        letters = [dict(line.split(maxsplit=1) for line in one.splitlines()) for one in done.out.split("\n\n") if one]
        assert done.code == 0
        assert [letter["id"] for letter in letters] == [message.id for message in bad]
        assert_time(letters[0].pop("since"))
        assert letters[0] == {
            "id": bad[0].id,
            "type": f"{bad[0].type} ({bad[0].content_type}, 5 bytes)",
            "from": f"{site.exchange} {site.KEY}",
            "attempts": "1",
            "reason": "this is no command",
        }

    async def test_show_leaves_them_in_their_places(self, site: Site, operator: Operator, bad: list[Message]) -> None:
        for arguments in ((), ("--limit", "1")):
            first = await operator("show", site.first, *arguments)
            await site.has_dead_letters(3)
            assert await operator("show", site.first, *arguments) == first
        assert await site.dead_letters(3) == [message.body for message in bad]

    @pytest.mark.usefixtures("bad")
    async def test_show_gives_the_bodies_to_whom_asks_for_them(self, site: Site, operator: Operator) -> None:
        done = await operator("show", site.first, "--body")

        assert [line for line in done.out.splitlines() if "body" in line] == [
            f"body      bad {one}" for one in range(3)
        ]

    async def test_show_ends_at_its_limit_and_says_how_many_are_left(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        done = await operator("show", site.first, "--limit", "1")

        assert bad[0].id in done.out
        assert bad[1].id not in done.out
        assert done.out.endswith("2 more: --limit 3\n")

    async def test_strangers_words_have_no_power_over_the_terminal(self, site: Site, operator: Operator) -> None:
        message = Message(site.exchange, site.KEY, b"bad \x1b[2J\n\xff", "a\x1b]0;type\u202e", "an\nid")
        await site.put_away(message)

        done = await operator("show", site.first, "--body")

        assert all(character.isprintable() or character == "\n" for character in done.out)
        assert "id        an\\nid\n" in done.out
        assert "body      bad \\x1b[2J\\n\\xff\n" in done.out


class TestSendingBack:
    async def test_all_go_to_the_queue_they_were_in_as_they_were_and_to_no_other(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        before = await site.depth(site.second)
        site.handler.has_learned = True

        done = await operator("send-back", site.first)

        assert done == Done(0, "".join(f"sent back {one.id} ({one.type}, 5 bytes)\n" for one in bad), "")
        await site.handler.until(lambda: site.handler.handled == [one.body for one in bad])
        again = site.handler.deliveries[-1]
        assert (again.id, again.type, again.content_type) == (bad[2].id, bad[2].type, bad[2].content_type)
        assert again.attempt == 1
        assert again.headers == {"x-parley-exchange": site.exchange, "x-parley-key": site.KEY}
        await site.has_dead_letters(0)
        assert await site.depth(site.second) == before

    async def test_the_named_ones_go_and_the_others_stay_in_their_places(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        site.handler.has_learned = True

        done = await operator("send-back", site.first, "--id", bad[1].id)

        assert done.code == 0
        await site.handler.until(lambda: site.handler.handled == [b"bad 1"])
        assert await site.dead_letters(2) == [b"bad 0", b"bad 2"]

    @pytest.mark.usefixtures("bad")
    async def test_what_comes_back_meanwhile_is_not_taken_again(self, site: Site, operator: Operator) -> None:
        done = await operator("send-back", site.first)

        assert len(done.out.splitlines()) == 3
        await site.has_dead_letters(3)
        assert len(site.handler.deliveries) == 6

    async def test_a_name_that_nothing_has_is_a_failure(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        done = await operator("send-back", site.first, "--id", "nobody", bad[0].id)

        assert (done.code, done.err) == (1, "No dead letter is called nobody.\n")
        assert len(done.out.splitlines()) == 1

    async def test_without_the_queue_they_stay(self, site: Site, operator: Operator, bad: list[Message]) -> None:
        await site.service.stop()
        await site.delete_queue(site.first)

        done = await operator("send-back", site.first)

        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("Not sent back, as far as is known: no queue is bound")
        assert await site.dead_letters(3) == [message.body for message in bad]

    async def test_what_the_broker_has_given_up_says_so_and_goes_back_like_any_other(
        self, site: Site, operator: Operator
    ) -> None:
        await site.service.stop()
        async with channel_to(site.url) as channel:
            lost = aio_pika.Message(b"lost", message_id="its id", type="test.happened.v1")
            await channel.default_exchange.publish(lost, site.first)
        while not await site.depth(f"{site.first}.dead"):
            await take_and_die(site)

        shown = await operator("show", site.first)
        done = await operator("send-back", site.first, "--id", "its id")

        assert "reason    given up by the broker: delivery_limit\n" in shown.out
        assert_time(next(line.split()[1] for line in shown.out.splitlines() if line.startswith("since")))
        assert done.code == 0
        await site.start(site.service)
        await site.handler.until_it_got(b"lost")
        again = site.handler.deliveries[-1]
        assert (again.id, again.type, again.headers) == ("its id", "test.happened.v1", {})


async def take_and_die(site: Site) -> None:
    """As a consumer that is killed by a message: the broker counts that."""
    delivered = asyncio.Event()

    async def take(_message: AbstractIncomingMessage) -> None:
        delivered.set()

    async with channel_to(site.url) as channel:
        queue = await channel.get_queue(site.first)
        await queue.consume(take)

        async def delivered_or_dead() -> bool:
            return delivered.is_set() or bool(await site.depth(f"{site.first}.dead"))

        await eventually(delivered_or_dead)


class TestDiscarding:
    async def test_the_named_ones_are_gone_and_it_says_which(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        done = await operator("discard", site.first, "--id", bad[0].id, bad[2].id)

        line = "discarded {} (test.happened.v1, 5 bytes): this is no command\n"
        assert done == Done(0, line.format(bad[0].id) + line.format(bad[2].id), "")
        assert await site.dead_letters(1) == [b"bad 1"]

    @pytest.mark.usefixtures("bad")
    async def test_all_are_gone_if_all_are_meant(self, site: Site, operator: Operator) -> None:
        assert (await operator("discard", site.first)).code == 2
        await site.has_dead_letters(3)

        assert (await operator("discard", site.first, "--all")).code == 0
        await site.has_dead_letters(0)


class CutBeforeAck(TcpProxy):
    """Goes down when the client is about to acknowledge something (class 60, method 80 of AMQP 0-9-1)."""

    def observers(self) -> tuple[Observer, Observer]:
        def cut(data: bytes) -> None:
            if b"\x00\x3c\x00\x50" in data:
                raise ConnectionResetError

        return cut, lambda _: None


class TestInterrupted:
    async def test_between_sending_and_removing_one_nothing_is_lost_and_that_one_is_doubled(
        self, site: Site, operator: Operator, bad: list[Message]
    ) -> None:
        site.handler.has_learned = True
        url = URL(site.url)
        proxy = CutBeforeAck(url.host or "", url.port or 0)
        await proxy.start()

        done = await operator("send-back", site.first, url=str(url.with_host("127.0.0.1").with_port(proxy.port)))
        await proxy.close()

        assert (done.code, len(done.out.splitlines())) == (1, 1)
        assert "still there" in done.err
        await site.handler.until(lambda: site.handler.handled == [b"bad 0"])
        assert await site.dead_letters(3) == [message.body for message in bad]

    @pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "told to end"])
    async def test_in_the_middle_of_many_nothing_is_lost(self, site: Site, signal_number: signal.Signals) -> None:
        bodies = {f"bad {number}".encode() for number in range(300)}
        await site.put_away(*map(site.message, bodies))
        site.handler.has_learned = True

        # it can't get to the end: it has more to say than goes into the pipe
        said, says = os.pipe()
        fcntl.fcntl(says, fcntl.F_SETPIPE_SZ, 4096)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-c", COMMAND, site.first, site.url, "send-back", site.first),
            cwd=REPOSITORY,
            stdout=says,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(says)
        await site.handler.until(lambda: len(site.handler.handled) > 20, within=30)
        process.send_signal(signal_number)
        await asyncio.to_thread(_hear_out, said)
        _, complaint = await process.communicate()

        assert process.returncode == (130 if signal_number is signal.SIGINT else -signal.SIGKILL)
        assert b"Traceback" not in complaint

        async def all_are_somewhere() -> list[bytes]:
            left = await site.dead_letters_now()
            return left if {*site.handler.handled, *left} == bodies else []

        left = await eventually(all_are_somewhere)
        assert len(site.handler.handled) + len(left) <= len(bodies) + 1


def _hear_out(pipe: int) -> None:
    with open(pipe, "rb") as said:
        said.read()


COMMAND = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background may ignore it
from messaging.rabbitmq.dead_letter_command import run
queue, url = sys.argv[1:3]
del sys.argv[1:3]
sys.exit(run("service.dead_letters", [queue], lambda: url))
"""


class TestNoBroker:
    async def test_that_answers_is_said_in_a_sentence(self, operator: Operator) -> None:
        done = await operator("list", url=f"amqp://parley:a-password@127.0.0.1:{free_port()}/")

        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("No connection to the broker")
        assert "a-password" not in done.err

    async def test_that_lets_one_in_is_said_in_a_sentence(self, site: Site, operator: Operator) -> None:
        done = await operator("list", url=str(URL(site.url).with_password("a-password")))

        assert (done.code, done.err) == (1, "The broker refuses the name or password in PARLEY_BROKER_URL.\n")

    async def test_that_knows_the_queue_is_said_in_a_sentence(self, site: Site, operator: Operator) -> None:
        await site.service.stop()
        await site.delete_queue(f"{site.second}.dead")

        done = await operator("list")

        assert done.code == 1
        assert "The broker has no such queue" in done.err


class TestServices:
    @pytest.mark.parametrize(
        ("service", "queues"),
        [
            ("chat_service", {"chat_service.user_events", *(f"chat_service.commands.{one}" for one in range(16))}),
            ("bloom_service", {"bloom_service.user_events"}),
        ],
    )
    def test_have_it_for_their_own_queues(self, broker_with_queues: str, service: str, queues: set[str]) -> None:
        done = command(service, "list", PARLEY_BROKER_URL=broker_with_queues)

        assert done.returncode == 0, done.stderr
        assert {line.split()[1] for line in done.stdout.splitlines()} == queues

    def test_say_which_settings_are_missing(self) -> None:
        done = command("bloom_service", "list")

        assert done.returncode == 2
        assert "PARLEY_BROKER_URL: Field required" in done.stderr


@pytest.fixture
async def broker_with_queues(rabbitmq_url: str) -> AsyncIterator[str]:
    async with everything_declared(rabbitmq_url):
        yield rabbitmq_url


def command(service: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "PARLEY_SERVICE_TOKEN": secrets.token_urlsafe(),
        "PARLEY_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/nothing",
        "PARLEY_USER_SERVICE_URL": "http://user_service",
        "PARLEY_DATA_DIR": "nowhere",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return subprocess.run(
        [sys.executable, "-m", f"{service}.dead_letters", *arguments],
        cwd=REPOSITORY,
        env={**others, **settings, **environment},
        capture_output=True,
        text=True,
    )
