"""The database's revisions. `python -m chat_service.migrations` brings it to the newest."""

from common import migrations


async def upgrade(url: str) -> None:
    await migrations.upgrade(url, "chat_service")
