"""The article's server: each text is answered by its case-folded form."""
import asyncio

import websockets


async def answer(socket, *_):
    async for text in socket:
        await socket.send(text.casefold())


async def main():
    async with websockets.serve(answer, "127.0.0.1", 0) as server:
        print("listening on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
