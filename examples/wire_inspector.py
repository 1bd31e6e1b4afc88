"""A TCP proxy between Kafka clients and a broker that prints each request and response as a line of JSON.

Run it: `python examples/wire_inspector.py`. It then starts a broker and shows what aiokafka and the broker say to each
other while one record is sent and read. It needs `pip install dotkafka aiokafka`.

Or put it before a broker of yours: `python examples/wire_inspector.py 127.0.0.1:9093 127.0.0.1:9092`. Clients go where
the broker tells them to, so it must advertise the inspector's address: `dotkafka serve --advertise 127.0.0.1:9093`, or
`advertised.listeners` of Apache Kafka. Passwords that pass are printed too.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

import dotkafka
from dotkafka.protocol.conversation import Conversation, RequestFrame, ResponseFrame
from dotkafka.records.json_records import records_to_json
from dotkafka.server import format_address, parse_address


class WireInspector:
    """Passes on what comes from either side, and prints what it says. `broker` is the address of the broker."""

    def __init__(self, broker: str = "") -> None:
        self.broker = broker
        self._connections: set[asyncio.Task[None] | None] = set()

    async def listen(self, address: str) -> asyncio.Server:
        """Take connections at that address; port 0 picks a free one."""
        host, port = parse_address(address)
        return await asyncio.start_server(self._connected, host, port)

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        # asyncio itself has only weak references: a connection whose client sends no more, but waits, would be lost.
        self._connections.add(asyncio.current_task())
        try:
            await self._converse(from_client, to_client)
        finally:
            self._connections.discard(asyncio.current_task())

    async def _converse(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        conversation = Conversation()
        with closing(to_client):
            try:
                from_broker, to_broker = await asyncio.open_connection(*parse_address(self.broker))
            except OSError as error:
                print(f"no connection to {self.broker}: {error}", file=sys.stderr)
                return
            with closing(to_broker):
                await asyncio.gather(
                    self._pass_on(from_client, to_broker, conversation.feed_requests),
                    self._pass_on(from_broker, to_client, conversation.feed_responses),
                )
        for reason in (conversation.request_error, conversation.response_error):
            if reason is not None:
                print(json.dumps({"error": str(reason)}), flush=True)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        feed: Callable[[bytes], Sequence[RequestFrame | ResponseFrame]],
    ) -> None:
        """Read to the end of one direction. A request is printed before the broker has it, so before its response."""
        try:
            while data := await reader.read(64 * 1024):
                for frame in feed(data):
                    print(json.dumps(frame.to_json(records=records_to_json)), flush=True)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.close()  # one side has gone in the middle; the other is told by a close, as without a proxy


async def inspect(listen: str, broker: str) -> None:
    """Stand before a broker until the process is stopped."""
    server = await WireInspector(broker).listen(listen)
    async with server:
        print(f"inspecting {broker} at {listen}", file=sys.stderr)
        await server.serve_forever()


async def show() -> None:
    """Send a record through an inspector and read it back."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # noqa: PLC0415 (an inspector before a broker needs no client)

    inspector = WireInspector()
    server = await inspector.listen("127.0.0.1:0")
    async with server:
        address = format_address(*server.sockets[0].getsockname())
        async with dotkafka.serve("127.0.0.1:0", advertise=address) as kafka:
            inspector.broker = f"127.0.0.1:{kafka.port}"
            async with AIOKafkaProducer(bootstrap_servers=address) as producer:
                await producer.send_and_wait("greetings", b"hello", partition=0)
            async with AIOKafkaConsumer(
                "greetings", bootstrap_servers=address, auto_offset_reset="earliest"
            ) as consumer:
                await consumer.getone()


if __name__ == "__main__":
    if len(sys.argv) not in {1, 3}:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        asyncio.run(inspect(*sys.argv[1:]) if sys.argv[1:] else show())
