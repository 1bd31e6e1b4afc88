"""A TCP proxy that judges: what passes between Kafka clients and a broker is held against what Kafka promises.

Run it: `python examples/judge_clients.py`. It starts a broker, has aiokafka send and read some records as a group of
two, and says that nothing is wrong. It needs `pip install dotkafka aiokafka`.

Or put it before a broker of yours, and let your application run: `python examples/judge_clients.py 127.0.0.1:9093
127.0.0.1:9092`. Ctrl-C ends it, and prints what was wrong: lost records and commits, offsets that went back, partitions
with two owners. Clients go where the broker tells them to, so it must advertise the proxy's address. Everybody has to
come this way: what another one has written, nobody has sent.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

import dotkafka
from dotkafka.server import format_address, parse_address
from dotkafka.testing.history import Healed, History, check
from dotkafka.testing.wiretap import Wiretap


class Judge:
    """Passes on what comes from either side, and remembers what it means. `broker` is the address of the broker."""

    def __init__(self, broker: str = "") -> None:
        self.broker = broker
        self.history = History()
        self._tap = Wiretap(self.history)
        self._connections: set[asyncio.Task[None] | None] = set()

    async def listen(self, address: str) -> asyncio.Server:
        """Take connections at that address; port 0 picks a free one."""
        host, port = parse_address(address)
        return await asyncio.start_server(self._connected, host, port)

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.current_task())
        connection = self._tap.connect()
        try:
            from_broker, to_broker = await asyncio.open_connection(*parse_address(self.broker))
            await asyncio.gather(
                self._pass_on(from_client, to_broker, connection.feed_requests),
                self._pass_on(from_broker, to_client, connection.feed_responses),
            )
        except OSError as error:
            print(f"no connection to {self.broker}: {error}", file=sys.stderr)
        finally:
            connection.close()  # whatever is not answered by now: nobody knows what became of it
            to_client.close()
            self._connections.discard(asyncio.current_task())

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, feed: Callable[[bytes], None]
    ) -> None:
        """Read to the end of one direction; what comes is noted before the other side has it."""
        with suppress(ConnectionError):
            while data := await reader.read(64 * 1024):
                feed(data)
                writer.write(data)
                await writer.drain()
        writer.close()

    def report(self) -> int:
        """Print what is wrong; return how much."""
        findings = check(self.history)
        for finding in findings:
            print(finding)
        print(f"{len(self.history.operations)} operations, {len(findings)} findings")
        return len(findings)


async def judge(listen: str, broker: str) -> int:
    """Stand before a broker until the process is stopped."""
    proxy = Judge(broker)
    server = await proxy.listen(listen)
    print(f"judging {broker} at {listen}; Ctrl-C ends it", file=sys.stderr)
    async with server:
        with suppress(asyncio.CancelledError):
            await server.serve_forever()
    return proxy.report()


async def show() -> int:
    """Send records through the proxy, and read them as a group."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # noqa: PLC0415 (a proxy before a broker needs no client)

    proxy = Judge()
    server = await proxy.listen("127.0.0.1:0")
    async with server:
        address = format_address(*server.sockets[0].getsockname())
        async with dotkafka.serve("127.0.0.1:0", advertise=address) as kafka:
            proxy.broker = f"127.0.0.1:{kafka.port}"
            async with AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True) as producer:
                for number in range(100):
                    await producer.send("letters", f"letter {number}".encode())
            member = {"bootstrap_servers": address, "group_id": "readers", "auto_offset_reset": "earliest"}
            async with AIOKafkaConsumer("letters", **member) as first, AIOKafkaConsumer("letters", **member) as second:
                count = 0
                while count < 100:
                    for consumer in (first, second):
                        for batch in (await consumer.getmany(timeout_ms=100)).values():
                            count += len(batch)
                        await consumer.commit()
    proxy.history.add(Healed("show"))  # everything has been read by now, or is lost
    return proxy.report()


if __name__ == "__main__":
    if len(sys.argv) not in {1, 3}:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(judge(*sys.argv[1:]) if sys.argv[1:] else show()) > 0)
