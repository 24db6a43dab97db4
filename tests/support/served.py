"""`python -m tests.support.served PORT [FAULT [TRUSTED_PROXIES]]`: an application under `common.server` that says what
happens. Its faults are `none`, `broken` and `slow`."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from common.server import serve


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Work:
    async def start(self) -> None:
        say("background started")

    async def stop(self) -> None:
        say("background stopped")


def main(port: int, fault: str = "none", trusted_proxies: str = "") -> None:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        say("lifespan entered")
        if fault == "broken":
            raise OSError("there is no such thing")
        if fault == "slow":
            await asyncio.sleep(1)
        yield
        say("lifespan left")

    app = FastAPI(lifespan=lifespan)

    @app.get("/wait/{seconds}")
    async def wait(seconds: float) -> str:
        say("request begun")
        await asyncio.sleep(seconds)
        say("request done")
        return "done"

    @app.get("/client")
    async def show_client(request: Request) -> str | None:
        return request.client and request.client.host

    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    serve(
        app,
        Work(),
        host="127.0.0.1",
        port=port,
        trusted_proxies=trusted_proxies,
        listening=lambda address: say(f"listening on {address}"),
    )
    say("served")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
