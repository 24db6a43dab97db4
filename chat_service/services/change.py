"""A change of one room that comes by HTTP or from an event: its entries leave through the outbox."""

from uuid import UUID

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import record, record_member_added
from chat_service.models import Ban, Joining, Member, Mute, Room, User
from chat_service.rules import Action, refusal
from chat_service.services.access import Banned, refuse, role_of
from chat_service.services.log import append, lock_room, store
from common.ids import now
from contracts.entries import EntryData, MemberJoined, MemberLeft, MemberRemoved, MemberRoleChanged
from contracts.fields import Role
from contracts.messages import MemberAdded


class RoomChange:
    """What one actor does, in one transaction, to a room that is locked or just made.

    `member` is the actor's own membership, None for somebody from outside.
    """

    def __init__(self, session: AsyncSession, room: Room, actor_id: UUID, member: Member | None = None) -> None:
        self.room = room
        self.member = member
        self._session = session
        self._actor_id = actor_id

    @classmethod
    async def begin(cls, session: AsyncSession, room_id: UUID, actor_id: UUID) -> "RoomChange":
        """Lock the room. Raises `UnknownRoom`."""
        room = await lock_room(session, room_id)
        return cls(session, room, actor_id, await session.get(Member, (room_id, actor_id)))

    def require(self, action: Action) -> None:
        """Raises 403 if the actor may not do that."""
        refuse(refusal(action, self.room.kind, role_of(self.member)), action)

    async def append(self, data: EntryData) -> int:
        """Add an entry to the log; returns its seq."""
        entry = append(self.room, self._actor_id, data)
        await store(self._session, [entry])
        record(self._session, entry)
        return entry.seq

    async def admit(self, user: User, role: Role) -> Member:
        """Make somebody a member. What was said before counts as read. Raises `Banned`."""
        if await self._session.get(Ban, (self.room.id, user.id)) is not None:
            raise Banned
        joined = MemberJoined(user_id=user.id, role=role, username=user.username, display_name=user.display_name)
        seq = await self.append(joined)
        self._session.add(Joining(user_id=user.id, room_id=self.room.id, seq=seq))
        record_member_added(self._session, MemberAdded(room_id=self.room.id, user_id=user.id, seq=seq))
        member = Member(
            room_id=self.room.id,
            user_id=user.id,
            role=role,
            joined_at=now(),
            read_seq=seq,
            read_count=self.room.message_count,
        )
        self._session.add(member)
        self.room.member_count += 1
        if role == "owner":
            await self.unmute(user.id)
        return member

    async def appoint(self, member: Member, role: Role) -> None:
        await self.append(MemberRoleChanged(user_id=member.user_id, role=role))
        member.role = role
        if role == "owner":
            await self.unmute(member.user_id)

    async def dismiss(self, member: Member, end: type[MemberLeft | MemberRemoved]) -> None:
        """End a membership.

        An owner is succeeded by the admin who has been a member for longest, or else by the member who has.
        """
        await self.append(end(user_id=member.user_id))
        await self._session.delete(member)
        self.room.member_count -= 1
        if member.role == "owner" and (heir := await self._heir(member)) is not None:
            await self.appoint(heir, "owner")

    async def unmute(self, user_id: UUID) -> None:
        """Let somebody speak again. An owner always may, there being nobody who could lift it."""
        await self._session.execute(delete(Mute).where(Mute.room_id == self.room.id, Mute.user_id == user_id))

    async def _heir(self, owner: Member) -> Member | None:
        admins_first = case((Member.role == "admin", 0), else_=1)
        heir: Member | None = await self._session.scalar(
            select(Member)
            .where(Member.room_id == owner.room_id, Member.user_id != owner.user_id)
            .order_by(admins_first, Member.joined_at, Member.user_id)
            .limit(1)
        )
        return heir
