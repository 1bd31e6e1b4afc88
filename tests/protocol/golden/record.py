"""Records what real clients and brokers say to each other into the JSON files beside this one; README.md says how.

    python -m tests.protocol.golden.record                           everything; Apache Kafka is fetched and started
    python -m tests.protocol.golden.record NAME BROKER ADVERTISED    the clients of today with another broker

BROKER is where that broker listens, ADVERTISED where it tells clients to go, which is where the proxy will be.

Only what was recorded with a broker of the same name is replaced.
"""

import asyncio
import importlib.metadata
import json
import os
import socket
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeAlias

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from tests.clients.toolchains import TOOLCHAINS

from dotkafka.protocol.conversation import Conversation, RequestFrame, ResponseFrame
from dotkafka.protocol.json_codec import JsonObject
from dotkafka.protocol.messages.api_versions import ApiVersionsRequest
from dotkafka.protocol.primitives import Buffer
from dotkafka.records.json_records import records_to_json
from dotkafka.server import format_address, parse_address

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CLIENTS = ROOT / "tests/clients"
KAFKA = HERE / "apache_kafka"

KAFKA_OF_TODAY = "4.3.1"
KAFKA_OF_OLD = "3.9.2"
"""The last line that serves the versions and the message sets of old clients."""

TIMEOUT_S = 600
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"

WIDTH = 140
FRAME_LINE_BYTES = 48
MAX_CHARACTERS = 3000
"""What is longer as JSON is kept only where there is nothing shorter of that client, API and version."""

SOFTWARE = {
    "apache-kafka-java": "java",
    "confluent-kafka-python": "confluent_kafka",
    "kafka-python": "kafka_python",
    "kgo": "franz_go",
    "librdkafka": "kcat",
    "platformatic-kafka": "platformatic",
}
"""What clients call themselves in ApiVersions, and the folder of tests/clients that each of them has."""

COMPRESSIONS = {
    "aiokafka": ["none", "gzip", "snappy", "lz4", "zstd"],
    "confluent_kafka": ["none", "gzip", "snappy", "lz4", "zstd"],
    "franz_go": ["none", "gzip", "snappy", "lz4", "zstd"],
    "java": ["none", "gzip", "snappy", "lz4", "zstd"],
    "kafka_python": ["none", "gzip", "lz4", "zstd"],
    "kafkajs": ["none", "gzip"],
    "platformatic": ["none", "gzip", "snappy", "lz4"],
}
"""What each client can compress with, as it is installed for the tests."""

Entry: TypeAlias = JsonObject
"""What a file holds of one request and its response."""


# What passes --------------------------------------------------------------------------------------------------------


class Connection:
    """What was said on one connection."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.requests: list[RequestFrame] = []
        self.responses: dict[int, ResponseFrame] = {}
        """By the identity of the header that they answer."""

    def feed_requests(self, data: bytes) -> None:
        """Take what the client has sent."""
        self.requests += self.conversation.feed_requests(data)

    def feed_responses(self, data: bytes) -> None:
        """Take what the broker has sent."""
        self.responses |= {id(response.header): response for response in self.conversation.feed_responses(data)}

    @property
    def software(self) -> tuple[str, str]:
        """The name and version that the client gives itself, or two empty strings."""
        bodies = [request.body for request in self.requests if isinstance(request.body, ApiVersionsRequest)]
        names = [(body.client_software_name, body.client_software_version) for body in bodies]
        return next((name for name in names if name[0]), ("", ""))

    @property
    def client(self) -> str:
        """The folder of the client in tests/clients; `apache_kafka` where the broker is its own client."""
        ids = [request.header.client_id or "" for request in self.requests if request.header]
        client_id = ids[0].replace("-", "_") if ids else ""
        folders = [path.name for path in CLIENTS.iterdir() if path.is_dir() and client_id.startswith(path.name)]
        told = SOFTWARE.get(self.software[0], "")
        return "apache_kafka" if told == "java" and "java" not in folders else told or "".join(folders)


class Proxy:
    """Passes on what comes from either side, and keeps it."""

    def __init__(self) -> None:
        self.broker = ""
        self.connections: list[Connection] = []
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def listen(self, address: str) -> str:
        """Take connections there; port 0 picks a free one. Return where that is."""
        server = await asyncio.start_server(self._connected, *parse_address(address))
        return format_address(*server.sockets[0].getsockname())

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())  # asyncio itself keeps only weak references
        connection = Connection()
        self.connections.append(connection)
        with closing(to_client):
            try:
                from_broker, to_broker = await asyncio.open_connection(*parse_address(self.broker))
            except OSError:
                return
            with closing(to_broker):
                directions = (
                    asyncio.create_task(pass_on(from_client, to_broker, connection.feed_requests)),
                    asyncio.create_task(pass_on(from_broker, to_client, connection.feed_responses)),
                )
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                for direction in directions:
                    direction.cancel()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, feed: Callable[[bytes], None]) -> None:
    """Read until one side has gone. A request is kept before the broker has it, so before its response."""
    try:
        while data := await reader.read(64 * 1024):
            feed(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass


# What is kept -------------------------------------------------------------------------------------------------------


class Library:
    """Which library a client is; most of them say it, on some of their connections."""

    def __init__(self) -> None:
        kafkajs = json.loads((CLIENTS / "kafkajs/node_modules/kafkajs/package.json").read_text())
        self.names = {
            "aiokafka": f"aiokafka {importlib.metadata.version('aiokafka')}",
            "kafkajs": f"kafkajs {kafkajs['version']}",
        }

    def learn(self, connections: Iterable[Connection]) -> None:
        """Remember what clients called themselves."""
        self.names |= {one.client: " ".join(one.software) for one in connections if one.software[0]}


def entries(connections: Iterable[Connection], broker: str, library: Library) -> Iterator[Entry]:
    """Yield everything that known clients have said and were answered."""
    for connection in connections:
        client = connection.client
        if client not in library.names:
            continue
        for request in connection.requests:
            entry: Entry = {"client": client, "library": library.names[client], "broker": broker}
            entry |= request.to_json(records=records_to_json)
            response = connection.responses.get(id(request.header))
            if response is not None:
                entry |= response.to_json(records=records_to_json)
            entry.pop("frame", None)  # of what cannot be decoded; it stands below as well
            entry["requestFrame"] = lines(request.frame)
            entry["responseFrame"] = None if response is None else lines(response.frame)
            yield entry


def lines(frame: Buffer) -> list[str]:
    """Return a frame in hexadecimal, in lines that a diff can tell apart."""
    return [frame[at : at + FRAME_LINE_BYTES].hex(" ", -4) for at in range(0, len(frame), FRAME_LINE_BYTES)]


def telling(recorded: Iterable[Entry]) -> Iterator[Entry]:
    """Yield as few as show all traits that those of one client, API and version have; of equals the shortest."""
    groups: dict[Hashable, list[tuple[int, Entry, frozenset[Hashable]]]] = defaultdict(list)
    for entry in recorded:
        header = entry["requestHeader"]
        shown = frozenset(traits([entry[name] for name in ("request", "response") if name in entry]))
        key = entry["client"], header["requestApiKey"], header["requestApiVersion"]
        groups[key].append((len(json.dumps(entry)), entry, shown))
    for group in groups.values():
        group.sort(key=lambda item: item[0])
        short = [item for item in group if item[0] <= MAX_CHARACTERS] or group[:1]
        missing = frozenset[Hashable]().union(*(shown for _, _, shown in short))
        while True:
            _, entry, shown = max(short, key=lambda item: len(item[2] & missing))
            yield entry
            missing -= shown
            if not missing:
                break


def traits(node: object, path: tuple[str, ...] = ()) -> Iterator[Hashable]:
    """Yield where null stands, where an empty list or text and where a full one, and all errors and compressions."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from traits(value, (*path, name))
    elif isinstance(node, list) and node:
        for value in node:
            yield from traits(value, path)
    elif node is None or isinstance(node, list | str):
        yield path, "null" if node is None else bool(node)
    if path and path[-1] in {"errorCode", "compression"}:
        yield path, node


def write(broker: str, recorded: Iterable[Entry]) -> None:
    """Put what was recorded with a broker in the place of what was recorded with it before."""
    apis: dict[str, list[Entry]] = defaultdict(list)
    for path in HERE.glob("*.json"):
        apis[path.name] = [entry for entry in json.loads(path.read_text()) if entry["broker"] != broker]
    for entry in recorded:
        apis[f"{entry['requestHeader']['requestApiKeyName'].lower()}.json"].append(entry)
    for name, kept in apis.items():
        kept.sort(key=lambda entry: (entry["requestHeader"]["requestApiVersion"], entry["client"], entry["broker"]))
        if kept:
            (HERE / name).write_text(pretty(kept) + "\n")
        else:
            (HERE / name).unlink()


def pretty(node: object, indent: int = 0) -> str:
    """Return JSON with as much in each line as fits; what does not fit into one line has its lines for itself."""
    text = json.dumps(node, ensure_ascii=False)
    if not node or not isinstance(node, dict | list) or indent + len(text) < WIDTH:
        return text
    if isinstance(node, dict):
        parts = [f"{json.dumps(name)}: {pretty(value, indent + 1)}" for name, value in node.items()]
    else:
        parts = [pretty(value, indent + 1) for value in node]
    rows = parts[:1]
    for part in parts[1:]:
        if "\n" in rows[-1] + part or indent + len(rows[-1]) + len(part) + 3 > WIDTH:
            rows.append(part)
        else:
            rows[-1] += f", {part}"
    inner = "\n" + " " * (indent + 1)
    return text[0] + inner + f",{inner}".join(rows) + inner[:-1] + text[-1]


# Who speaks ---------------------------------------------------------------------------------------------------------


async def run(*command: str | Path, codes: Sequence[int] = (0,), **environment: str) -> int:
    """Run a program to its end, which must come in time and with one of these codes; the code."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,  # its end would tell the clients' programs to stop
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if code not in codes:
        sys.exit(f"{command} ended with {code}")
    return code


async def clients_of_today(address: str) -> None:
    """Run the tests of all clients, and what they do not try."""
    await run(sys.executable, HERE / "python_tour.py", address)
    await run("node", HERE / "kafkajs_tour.js", address)
    await run("java", "-cp", f"{CLIENTS}/java/target/lib/*", HERE / "JavaTour.java", address)
    tests = (
        *(sys.executable, "-m", "pytest", "-q", "-n2", "tests/clients", "--ignore=tests/clients/test_bad_input.py"),
        *("-p", "no:randomly"),  # in their order those about lists come first, while lists are short
    )
    # Code 1 is that some have failed: a few look at once for what Kafka shows a moment later, mostly in time.
    if await run(*tests, codes=(0, 1), DOTKAFKA_TEST_BOOTSTRAP=address, CI="true"):
        await run(*tests, "--last-failed", codes=(0, 1), DOTKAFKA_TEST_BOOTSTRAP=address, CI="true")
    await few_records(address)


async def few_records(address: str) -> None:
    """Let clients send and read few enough records to be looked at, compressed in all ways."""
    topics = {f"{client}-{name}": (client, name) for client, names in COMPRESSIONS.items() for name in names}
    admin = AdminClient({"bootstrap.servers": address})
    created = admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])
    await asyncio.gather(*map(asyncio.wrap_future, created.values()))
    for topic, (client, compression) in topics.items():
        program = TOOLCHAINS[client].command
        options = {"bootstrap": address, "topic": topic}
        records = [{"partition": 0, "key": "key", "value": "value", "headers": {"n": str(n)}} for n in range(2)]
        sent = {"batches": [records], "compression": compression, "idempotent": compression != "none"}
        read = {"group": topic, "stop_after": 2, "auto_commit": False}
        await run(*program, "produce", json.dumps(options | sent))
        await run(*program, "member", json.dumps(options | read))


async def clients_of_old(address: str) -> None:
    """Let libraries that can do so speak as they did to brokers of old."""
    await run(sys.executable, HERE / "old_clients.py", address)


@asynccontextmanager
async def apache_kafka(version: str, advertised: str, controller: Proxy) -> AsyncIterator[str]:
    """Run Apache Kafka; its address. What it says to its own controller passes the proxy."""
    await run("mvn", "-q", "-B", "-f", KAFKA, f"-Dkafka.version={version}", "dependency:copy-dependencies")
    java = ("java", "-Xmx512m", "-cp", f"{KAFKA / 'target' / version}/*")
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    address, controller.broker = free_address(), free_address()
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder:
        properties = write_properties(
            Path(folder),
            listener=address,
            advertised=advertised,
            controller=controller.broker,
            advertised_controller=await controller.listen("127.0.0.1:0"),
        )
        await run(*java, quiet, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties)
        kafka = await asyncio.create_subprocess_exec(*java, "kafka.Kafka", properties, stderr=asyncio.subprocess.PIPE)
        assert kafka.stderr is not None
        try:
            while b"Kafka Server started" not in (line := await kafka.stderr.readline()):
                if not line:
                    sys.exit("Apache Kafka has not started")
            log = asyncio.create_task(kafka.stderr.read())
            yield address
            log.cancel()
        finally:
            if kafka.returncode is None:
                kafka.kill()  # in good order it would wait for its controller, which is itself
            await kafka.wait()


def write_properties(folder: Path, **addresses: str) -> Path:
    """Write the settings of Apache Kafka, whose data will be in that folder too; where they are."""
    properties = folder / "server.properties"
    properties.write_text((KAFKA / "server.properties").read_text().format(log_dirs=folder / "logs", **addresses))
    return properties


def free_address() -> str:
    """Return an address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return format_address(*probe.getsockname())


async def record(
    broker: str, address: str, proxies: Sequence[Proxy], clients: Awaitable[None], library: Library
) -> None:
    """Let clients speak with a broker through the first proxy, and keep what tells most of all that passed."""
    proxies[0].broker = address
    await clients
    connections = [connection for proxy in proxies for connection in proxy.connections]
    library.learn(connections)
    write(broker, telling(entries(connections, broker, library)))


async def record_everything() -> None:
    """Record the clients of today with the newest Apache Kafka, those of old with one that still serves them."""
    library = Library()
    for version, speak in ((KAFKA_OF_TODAY, clients_of_today), (KAFKA_OF_OLD, clients_of_old)):
        proxies = (Proxy(), Proxy())
        advertised = await proxies[0].listen("127.0.0.1:0")
        async with apache_kafka(version, advertised, proxies[1]) as address:
            await record(f"Apache Kafka {version}", address, proxies, speak(advertised), library)


async def record_with(broker: str, address: str, advertised: str) -> None:
    """Record the clients of today with a broker that is there already."""
    proxy = Proxy()
    await proxy.listen(advertised)
    await record(broker, address, [proxy], clients_of_today(advertised), Library())


if __name__ == "__main__":
    if len(sys.argv) not in {1, 4}:
        sys.exit(__doc__)
    asyncio.run(record_with(*sys.argv[1:]) if sys.argv[1:] else record_everything())
