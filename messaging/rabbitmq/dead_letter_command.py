"""The operator's command: lists, shows, sends back and discards the dead letters of one service's queues."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Callable, Sequence

from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelNotFoundEntity,
    ProbableAuthenticationError,
)

from messaging.bus import PublishError
from messaging.dead_letters import EXCHANGE, KEY
from messaging.rabbitmq.dead_letters import DeadLetter, DeadLetters, dead_letters_at

_FAILED = 1
_INTERRUPTED = 130


def run(program: str, queues: Sequence[str], broker_url: Callable[[], str]) -> int:
    """Does what the command line says. Returns the exit code: 0 if that is done, else a sentence has said why not."""
    arguments = _parser(program, queues).parse_args()
    try:
        return asyncio.run(_run(arguments, broker_url(), program))
    except KeyboardInterrupt:
        return _complain("Interrupted. What is not reported as done is still there.", _INTERRUPTED)


def _parser(program: str, queues: Sequence[str]) -> ArgumentParser:
    parser = ArgumentParser(prog=f"python -m {program}", description="Messages that no handler could deal with.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    of_list = commands.add_parser("list", help="how many there are of each queue")
    of_show = commands.add_parser("show", help="what they are, and why they are there, oldest first")
    of_send_back = commands.add_parser("send-back", help="put them back into the queue that they were in")
    of_discard = commands.add_parser("discard", help="throw them away, for good")
    for command in (of_show, of_send_back, of_discard):
        command.add_argument("queue", choices=queues, metavar="QUEUE", help=f"such as {queues[0]}")
    of_show.add_argument("--limit", type=int, default=20, metavar="N", help="no more than N (20)")
    of_show.add_argument("--body", action="store_true", help="with the bodies, which hold what people wrote")
    of_send_back.add_argument("--id", nargs="+", default=[], metavar="ID", help="these; without it, all there are")
    which = of_discard.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", nargs="+", default=[], metavar="ID", help="these")
    which.add_argument("--all", action="store_true", help="all there are")
    of_list.set_defaults(command=_list, queues=queues)
    of_show.set_defaults(command=_show)
    of_send_back.set_defaults(command=_send_back)
    of_discard.set_defaults(command=_discard)
    return parser


async def _run(arguments: Namespace, broker_url: str, program: str) -> int:
    async def work() -> int:
        async with dead_letters_at(broker_url, program) as letters:
            code: int = await arguments.command(letters, arguments)
            return code

    # gathered, because aiormq ends calls on a connection that it loses with CancelledError
    (outcome,) = await asyncio.gather(work(), return_exceptions=True)
    return outcome if isinstance(outcome, int) else _complain(_why(outcome))


async def _list(letters: DeadLetters, arguments: Namespace) -> int:
    for queue in arguments.queues:
        _say(f"{await letters.count(queue):8}  {queue}")
    return 0


async def _show(letters: DeadLetters, arguments: Namespace) -> int:
    number = 0
    async for letter in letters.of(arguments.queue):
        number += 1
        if number <= arguments.limit:
            _say(_described(letter, with_body=arguments.body))
    if number > arguments.limit:
        _say(f"{number - arguments.limit} more: --limit {number}")
    return 0


async def _send_back(letters: DeadLetters, arguments: Namespace) -> int:
    missing = set(arguments.id)
    async for letter in _chosen(letters, arguments):
        await letters.send_back(arguments.queue, letter)
        _say(f"sent back {_named(letter)}")
        missing.discard(_printable(letter.delivery.id))
    return _missed(missing)


async def _discard(letters: DeadLetters, arguments: Namespace) -> int:
    missing = set(arguments.id)
    async for letter in _chosen(letters, arguments):
        await letters.discard(letter)
        _say(f"discarded {_named(letter)}: {_printable(letter.reason)}")
        missing.discard(_printable(letter.delivery.id))
    return _missed(missing)


async def _chosen(letters: DeadLetters, arguments: Namespace) -> AsyncIterator[DeadLetter]:
    async for letter in letters.of(arguments.queue):
        if not arguments.id or _printable(letter.delivery.id) in arguments.id:
            yield letter


def _missed(ids: set[str]) -> int:
    return _complain(f"No dead letter is called {' or '.join(sorted(ids))}.") if ids else 0


def _named(letter: DeadLetter) -> str:
    return f"{_printable(letter.delivery.id)} ({_printable(letter.delivery.type)}, {len(letter.delivery.body)} bytes)"


def _described(letter: DeadLetter, *, with_body: bool) -> str:
    delivery = letter.delivery
    lines = {
        "id": delivery.id,
        "type": f"{delivery.type} ({delivery.content_type}, {len(delivery.body)} bytes)",
        "from": f"{delivery.headers.get(EXCHANGE, '')} {delivery.headers.get(KEY, '')}",
        "since": letter.put_away_at,
        "attempts": letter.attempts,
        "reason": letter.reason,
    }
    if with_body:
        lines["body"] = delivery.body.decode(errors="backslashreplace")
    return "".join(f"{name:9} {_printable(text)}\n" for name, text in lines.items() if text.strip())


def _printable(text: str) -> str:
    """Strangers' words, without power over a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _why(error: BaseException) -> str:
    match error:
        case ChannelNotFoundEntity():
            return "The broker has no such queue: no service has been connected to it yet."
        case AuthenticationError() | ProbableAuthenticationError():
            return "The broker refuses the name or password in PARLEY_BROKER_URL."
        case PublishError():
            return f"Not sent back, as far as is known: {error}. It is still there, and so is what comes after it."
        case _ if isinstance(error, (*CONNECTION_EXCEPTIONS, TimeoutError, asyncio.CancelledError)):
            return f"No connection to the broker ({type(error).__name__}). What is not reported as done is still there."
        case _:
            raise error


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(sentence: str, code: int = _FAILED) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code
