"""One function per client frame."""

import asyncio
import json
from functools import partial
from uuid import UUID

import structlog
from pydantic import ValidationError

from common.text import MAX_MESSAGE_CHARACTERS, is_emoji, no_nul
from common.tokens import Claims, InvalidToken, KeysUnavailable, TokenVerifier
from common.tracing import traced
from contracts.frames import (
    CLIENT_FRAME,
    AnyClientFrame,
    CloseCode,
    Delete,
    Edit,
    ErrorCode,
    Hello,
    React,
    Read,
    Refresh,
    Send,
    Typing,
    Watch,
)
from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, RoomTyping, SendMessage
from gateway_ws.chat_client import ChatUnavailable
from gateway_ws.commands import AnsweredCommand, CommandPublisher, enveloped
from gateway_ws.connection import Connection
from gateway_ws.entrance import Entrance
from gateway_ws.hub import Hub
from gateway_ws.news import NewsPublisher
from gateway_ws.pending import RETRY_AFTER_S, PendingCommands
from gateway_ws.presence import Presence
from gateway_ws.session_check import SessionCheck
from gateway_ws.sessions import Sessions

log = structlog.get_logger(__name__)

_WATCHED_USERS_PER_FRAME = 100
"""To watch so many counts as one frame more, since every gateway is asked for each of them."""


class BadFrame(Exception):
    """Not a frame of the interface. `id` is the command's, where one can be made out."""

    def __init__(self, detail: str, id: UUID | None) -> None:
        super().__init__(detail)
        self.id = id


def parse(text: str) -> AnyClientFrame:
    """Raises `BadFrame`."""
    try:
        return CLIENT_FRAME.validate_json(text, extra="ignore")
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise BadFrame(f"{where}: {fault['msg']}" if where else fault["msg"], _id_in(text)) from None


def _id_in(text: str) -> UUID | None:
    try:
        # not pydantic's parser, which gives up on what may be the very fault: a lone surrogate
        return UUID(json.loads(text)["id"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


class Handlers:
    def __init__(
        self,
        *,
        gateway_id: str,
        hub: Hub,
        sessions: Sessions,
        session_check: SessionCheck,
        verifier: TokenVerifier,
        entrance: Entrance,
        pending: PendingCommands,
        publisher: CommandPublisher,
        news: NewsPublisher,
        presence: Presence,
    ) -> None:
        self._gateway_id = gateway_id
        self._hub = hub
        self._sessions = sessions
        self._session_check = session_check
        self._verifier = verifier
        self._entrance = entrance
        self._pending = pending
        self._publisher = publisher
        self._news = news
        self._presence = presence
        self._refreshing: set[asyncio.Task[None]] = set()

    async def hello(self, connection: Connection, frame: Hello) -> bool:
        """The first frame. Says whether the connection is in; if not, it has been closed with the reason."""
        claims = await self._claims(connection, frame.token)
        if claims is None:
            return False
        if self._sessions.is_revoked(claims.user_id, claims.session_id):
            connection.close(CloseCode.SESSION_REVOKED, "session revoked")
            return False
        connection.claims = claims
        self._sessions.add(connection)
        try:
            await self._entrance.welcome(connection, frame.resume)
        except ChatUnavailable:
            connection.error(ErrorCode.UNAVAILABLE, "The rooms can't be had right now.", retry_after=RETRY_AFTER_S)
            connection.close(CloseCode.SERVICE_RESTART, "rooms unavailable")
            return False
        self._session_check.want([claims.session_id])
        return True

    def handle(self, connection: Connection, frame: AnyClientFrame) -> None:
        """Any later frame. Nothing is waited for, so that frames take effect in order."""
        with traced(None):
            match frame:
                case Send():
                    self._send(connection, frame)
                case Edit():
                    self._edit(connection, frame)
                case Delete():
                    self._delete(connection, frame)
                case React():
                    self._react(connection, frame)
                case Read():
                    self._read(connection, frame)
                case Typing():
                    self._typing(connection, frame)
                case Watch():
                    self._watch(connection, frame)
                case Refresh():
                    self._refresh(connection, frame)
                case Hello():
                    connection.error(ErrorCode.BAD_FRAME, "hello was said already")

    def _send(self, connection: Connection, frame: Send) -> None:
        if self._is_sendable(connection, frame):
            self._submit(
                connection,
                SendMessage(
                    command_id=frame.id,
                    user_id=connection.user_id,
                    room_id=frame.room_id,
                    text=frame.text,
                    reply_to=frame.reply_to,
                    gateway_id=self._gateway_id,
                ),
            )

    def _edit(self, connection: Connection, frame: Edit) -> None:
        if self._is_sendable(connection, frame):
            self._submit(
                connection,
                EditMessage(
                    command_id=frame.id,
                    user_id=connection.user_id,
                    room_id=frame.room_id,
                    message_id=frame.message_id,
                    text=frame.text,
                    gateway_id=self._gateway_id,
                ),
            )

    def _delete(self, connection: Connection, frame: Delete) -> None:
        self._submit(
            connection,
            DeleteMessage(
                command_id=frame.id,
                user_id=connection.user_id,
                room_id=frame.room_id,
                message_id=frame.message_id,
                gateway_id=self._gateway_id,
            ),
        )

    def _react(self, connection: Connection, frame: React) -> None:
        if not is_emoji(frame.emoji):
            connection.error(ErrorCode.BAD_FRAME, "react.emoji: has spaces or control characters", frame.id)
            return
        self._submit(
            connection,
            ReactToMessage(
                command_id=frame.id,
                user_id=connection.user_id,
                room_id=frame.room_id,
                message_id=frame.message_id,
                emoji=frame.emoji,
                on=frame.on,
                gateway_id=self._gateway_id,
            ),
        )

    def _submit(self, connection: Connection, command: AnsweredCommand) -> None:
        sending = enveloped(command)
        self._pending.add(sending, connection, self._hub.head(command.room_id))
        log.debug("command_received", command_id=command.command_id, room_id=command.room_id)
        self._publisher.submit(sending)

    def _read(self, connection: Connection, frame: Read) -> None:
        if self._is_member(connection, frame.room_id):
            mark = MarkRead(user_id=connection.user_id, room_id=frame.room_id, seq=frame.seq)
            self._publisher.submit(enveloped(mark))

    def _typing(self, connection: Connection, frame: Typing) -> None:
        if self._is_member(connection, frame.room_id):
            self._news.submit(RoomTyping(room_id=frame.room_id, user_id=connection.user_id, on=frame.on))

    def _watch(self, connection: Connection, frame: Watch) -> None:
        connection.bucket.charge(len(frame.user_ids) / _WATCHED_USERS_PER_FRAME)
        self._presence.watch(connection, frame.user_ids)

    def _refresh(self, connection: Connection, frame: Refresh) -> None:
        task = asyncio.create_task(self._renew(connection, frame))
        self._refreshing.add(task)
        task.add_done_callback(partial(self._refreshed, connection))

    def _refreshed(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._refreshing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection_failed", exc_info=error)
            connection.close(CloseCode.INTERNAL_ERROR, "internal error")

    async def _renew(self, connection: Connection, frame: Refresh) -> None:
        try:
            claims = await self._verifier.verify(frame.token)
        except InvalidToken as error:
            connection.error(ErrorCode.UNAUTHORIZED, str(error))
            return
        except KeysUnavailable:
            connection.error(ErrorCode.UNAVAILABLE, "Tokens can't be verified.", retry_after=RETRY_AFTER_S)
            return
        if claims.user_id != connection.user_id:
            connection.error(ErrorCode.UNAUTHORIZED, "This is another user's token.")
            return
        if self._sessions.is_revoked(claims.user_id, claims.session_id):
            connection.close(CloseCode.SESSION_REVOKED, "session revoked")
            return
        connection.claims = claims
        connection.warned_of_expiry = False
        self._session_check.want([claims.session_id])

    def _is_sendable(self, connection: Connection, frame: Send | Edit) -> bool:
        """Whether the text can be a message's; if not, that is said."""
        if len(frame.text) > MAX_MESSAGE_CHARACTERS:
            detail = f"A message may have up to {MAX_MESSAGE_CHARACTERS} characters."
            connection.error(ErrorCode.TOO_LONG, detail, frame.id)
            return False
        try:
            no_nul(frame.text)
        except ValueError as error:
            connection.error(ErrorCode.BAD_FRAME, f"{frame.type}.text: {error}", frame.id)
            return False
        return True

    def _is_member(self, connection: Connection, room_id: UUID) -> bool:
        if self._hub.listening(connection, room_id):
            return True
        connection.error(ErrorCode.NOT_A_MEMBER, "You are not a member of this room.")
        return False

    async def _claims(self, connection: Connection, token: str) -> Claims | None:
        try:
            return await self._verifier.verify(token)
        except InvalidToken as error:
            connection.error(ErrorCode.UNAUTHORIZED, str(error))
            connection.close(CloseCode.UNAUTHORIZED, "unauthorized")
        except KeysUnavailable:
            connection.error(ErrorCode.UNAVAILABLE, "Tokens can't be verified.", retry_after=RETRY_AFTER_S)
            connection.close(CloseCode.SERVICE_RESTART, "tokens can't be verified")
        return None
