"""Runs real Kafka clients, in any language, against a dotkafka server process, over TCP.

Each client has a small program in its own folder. They all speak the language described in README.md: options in as one
JSON argument, JSON lines out, the end of stdin means stop. So a test in Python can judge every client alike, and
everything here waits for events (a line printed, a process ended), never for time to pass.

With ``DOTKAFKA_TEST_BOOTSTRAP=host:port`` the same tests run against another broker, for instance Apache Kafka.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest
import trustme
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from fuzz.breaking.process import free_port as find_free_port
from tests.clients.group_under_test import PARTITIONS, Group
from tests.clients.tapped_broker import TappedBroker
from tests.clients.toolchains import TOOLCHAINS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

HERE = Path(__file__).parent
WAIT_S = 40.0

Record: TypeAlias = dict[str, Any]
"""partition, key, value, headers; and offset, once a broker has given it one."""
Event: TypeAlias = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test below this folder, so that ``-m 'not clients'`` leaves them out."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.clients)


# Processes that print lines ------------------------------------------------------------------------------------------


class Program:
    """One running process and the events it has printed so far."""

    def __init__(self, command: Sequence[str | Path], stderr: Path, heard: threading.Condition) -> None:
        """Start `command`; `heard` is notified of each line, and of the end."""
        self.events: list[Event] = []
        self.heard = heard
        self.stderr = stderr
        with stderr.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=HERE
            )
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            event = json.loads(line) if line.startswith("{") else {"event": "line", "line": line.rstrip()}
            with self.heard:
                self.events.append(event)
                self.heard.notify_all()
        with self.heard:
            self._has_ended = True
            self.heard.notify_all()

    def of(self, kind: str) -> list[Event]:
        """The events of one kind, in order."""
        return [event for event in list(self.events) if event.get("event") == kind]

    def wait_until(self, condition: Callable[[], object], timeout_s: float = WAIT_S) -> None:
        """Return as soon as `condition` holds; it is looked at after every line of any program of the test."""
        deadline_s = time.monotonic() + timeout_s
        with self.heard:
            while not condition():
                remaining_s = deadline_s - time.monotonic()
                if self._has_ended or remaining_s <= 0:
                    pytest.fail(f"{'ended' if self._has_ended else 'timed out'} waiting; {self}", pytrace=True)
                self.heard.wait(remaining_s)

    def wait_for(self, kind: str, timeout_s: float = WAIT_S) -> Event:
        """The first event of a kind, as soon as it is there."""
        self.wait_until(lambda: self.of(kind), timeout_s)
        return self.of(kind)[0]

    def finish(self, timeout_s: float = WAIT_S) -> list[Event]:
        """Wait for its own end, which must be a success; all events."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end in {timeout_s} s; {self}")
        self._reader.join()
        assert code == 0, str(self)
        return self.events

    def stop(self, timeout_s: float = WAIT_S) -> list[Event]:
        """Ask it to leave in good order (the end of its stdin), and wait for that."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.finish(timeout_s)

    def kill(self) -> None:
        """End it by kill -9: it gets no chance to say good-bye."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def dispose(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def __str__(self) -> str:
        arguments = [str(part) for part in self.process.args]  # type: ignore[union-attr]
        errors = self.stderr.read_text(errors="replace")[-4000:]
        return f"{' '.join(arguments)[:500]}\nexit code {self.process.poll()}, last events {self.events[-8:]}\n{errors}"


# The broker ----------------------------------------------------------------------------------------------------------


class Server(Program):
    """A dotkafka server process; it listens where the system likes, unless its arguments say where."""

    def __init__(self, arguments: Sequence[str | Path], stderr: Path) -> None:
        """Start it and wait until it says where it listens."""
        command = [sys.executable, "-m", "dotkafka", "serve", "--listen", "127.0.0.1:0", *arguments]
        super().__init__(command, stderr, threading.Condition())
        try:
            self.wait_until(self._address, timeout_s=20)
        except BaseException:
            self.dispose()
            raise
        self.bootstrap = self._address()

    def _address(self) -> str:
        prefix = "listening on "
        lines = [event["line"] for event in self.of("line")]
        return next((line.removeprefix(prefix) for line in lines if line.startswith(prefix)), "")

    def terminate(self) -> None:
        """SIGTERM: a clean stop, which must end with exit code 0."""
        self.process.send_signal(signal.SIGTERM)
        self.finish(timeout_s=20)


class Address(NamedTuple):
    """Where a broker is, and the CA file to trust it by if it speaks TLS."""

    bootstrap: str
    ca: Path | None = None


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start dotkafka servers of the test's own, with the arguments given."""
    if "DOTKAFKA_TEST_BOOTSTRAP" in os.environ:
        pytest.skip("this test stops and starts the broker, and DOTKAFKA_TEST_BOOTSTRAP names somebody else's")
    servers: list[Server] = []

    def start(*arguments: str | Path) -> Server:
        servers.append(Server(arguments, tmp_path / f"server-{len(servers)}.stderr"))
        return servers[-1]

    yield start
    for server in servers:
        server.dispose()


CONSUMER_GROUP_SETTINGS = (
    *("--config", "group.consumer.min.heartbeat.interval.ms=300"),
    *("--config", "group.consumer.heartbeat.interval.ms=300"),
    *("--config", "group.consumer.min.session.timeout.ms=6000"),
    *("--config", "group.consumer.session.timeout.ms=6000"),
)
"""With the consumer protocol it is the broker that chooses the timeouts of members."""


@pytest.fixture(scope="session")
def plain_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A broker without TLS, with its data in a directory."""
    if bootstrap := os.environ.get("DOTKAFKA_TEST_BOOTSTRAP"):
        yield Address(bootstrap)
        return
    directory = tmp_path_factory.mktemp("server")
    server = Server(["--data", directory / "data", *CONSUMER_GROUP_SETTINGS], directory / "stderr")
    yield Address(server.bootstrap)
    server.terminate()
    server.dispose()


@pytest.fixture
def tapped_broker(tmp_path: Path, free_port: int) -> Iterator[TappedBroker]:
    """A proxy for a broker of the test's own; in the end, what has passed there is judged.

    Everything that was sent must have been read by then.
    """
    broker = TappedBroker(free_port)
    yield broker
    findings = broker.findings()
    if findings:
        (tmp_path / "history.json").write_text(broker.history.to_json())
    assert findings == [], f"the history is in {tmp_path}/history.json"


@pytest.fixture
def judged_address(request: pytest.FixtureRequest) -> Address:
    """A broker of the test's own, all of whose clients are judged by what passes between them and it.

    Somebody else's broker advertises its own address, so that its clients cannot be listened to.
    """
    if bootstrap := os.environ.get("DOTKAFKA_TEST_BOOTSTRAP"):
        return Address(bootstrap)
    proxy: TappedBroker = request.getfixturevalue("tapped_broker")
    start: Callable[..., Server] = request.getfixturevalue("start_server")
    data: Path = request.getfixturevalue("tmp_path")
    arguments = ("--advertise", proxy.address, "--data", data / "data")
    proxy.lead_to(start(*arguments, *CONSUMER_GROUP_SETTINGS).bootstrap)
    return Address(proxy.address)


@pytest.fixture(scope="session")
def tls_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A broker that speaks TLS, with a certificate of a CA made for this run."""
    if "DOTKAFKA_TEST_BOOTSTRAP" in os.environ:
        if "DOTKAFKA_TEST_TLS_BOOTSTRAP" not in os.environ:
            pytest.skip("DOTKAFKA_TEST_BOOTSTRAP is set, but not DOTKAFKA_TEST_TLS_BOOTSTRAP and DOTKAFKA_TEST_TLS_CA")
        yield Address(os.environ["DOTKAFKA_TEST_TLS_BOOTSTRAP"], Path(os.environ["DOTKAFKA_TEST_TLS_CA"]))
        return
    directory = tmp_path_factory.mktemp("tls-server")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(directory / "cert.pem", append=number > 0)
    arguments = ("--data", directory / "data", "--tls-cert", directory / "cert.pem", "--tls-key", directory / "key.pem")
    server = Server(arguments, directory / "stderr")
    yield Address(server.bootstrap, directory / "ca.pem")
    server.terminate()
    server.dispose()


@pytest.fixture(params=["plain", "tls"])
def address(request: pytest.FixtureRequest) -> Address:
    """The broker twice: without and with TLS."""
    chosen: Address = request.getfixturevalue(f"{request.param}_address")
    return chosen


@pytest.fixture
def free_port() -> int:
    """For a server that goes away and comes back."""
    return find_free_port()


# The clients ---------------------------------------------------------------------------------------------------------


def _command(name: str) -> list[str | Path]:
    toolchain = TOOLCHAINS[name]
    if not toolchain.missing:
        return toolchain.command
    if os.environ.get("CI") == "true":
        pytest.fail(toolchain.missing)
    pytest.skip(toolchain.missing)


class Client:
    """One client library, as the program in its folder offers it."""

    def __init__(self, name: str, start: Callable[[Sequence[str | Path]], Program]) -> None:
        self.name = name
        self._prefix = _command(name)
        self._start = start

    def start(self, command: str, address: Address, **options: object) -> Program:
        """Start a command of the program (README.md lists them); the caller waits for its events."""
        given: dict[str, object] = {"bootstrap": address.bootstrap, **options}
        if address.ca is not None:
            given["ca"] = str(address.ca)
        return self._start([*self._prefix, command, json.dumps(given)])

    def run(self, command: str, address: Address, **options: object) -> list[Event]:
        """Run a command to its end, which must be a success; its events."""
        return self.start(command, address, **options).finish()

    def execute(self, *arguments: str | Path) -> Program:
        """Start a client that is a program of its own (kcat), with its own arguments."""
        return self._start([*self._prefix, *arguments])


@pytest.fixture
def start_program(tmp_path: Path) -> Iterator[Callable[[Sequence[str | Path]], Program]]:
    """Start processes that end with the test, and wake each other's waits."""
    heard = threading.Condition()
    programs: list[Program] = []

    def start(command: Sequence[str | Path]) -> Program:
        programs.append(Program(command, tmp_path / f"program-{len(programs)}.stderr", heard))
        return programs[-1]

    yield start
    for program in programs:
        program.dispose()


@pytest.fixture
def client(start_program: Callable[[Sequence[str | Path]], Program]) -> Callable[[str], Client]:
    """A client by the name of its folder; without its toolchain the test is skipped, or fails where CI is true."""
    return lambda name: Client(name, start_program)


# Topics, groups, records ---------------------------------------------------------------------------------------------


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A name nobody else uses: brokers are shared by tests."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def create_topic(unique: Callable[[str], str]) -> Callable[..., str]:
    """Create a topic with so many partitions; its name. For tests whose subject is not topic creation.

    Its records stay, however old their timestamps are, unless `config` says otherwise.
    """

    def create(address: Address, partitions: int = 4, **config: str) -> str:
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": address.bootstrap}
        if address.ca is not None:
            settings |= {"security.protocol": "ssl", "ssl.ca.location": str(address.ca)}
        topic = unique("topic")
        admin = AdminClient(settings)
        config = {"retention.ms": "-1"} | config
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(WAIT_S)
        return topic

    return create


@pytest.fixture
def make_group(
    client: Callable[[str], Client],
    judged_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
) -> Callable[..., Group]:
    """A group without members that is judged, and a topic of so many partitions; options are those of its members."""

    def make(partitions: int = PARTITIONS, **options: Any) -> Group:
        topic = create_topic(judged_address, partitions)
        return Group(client, judged_address, topic, unique("group"), partitions, **options)

    return make


@pytest.fixture
def make_records() -> Callable[..., list[Record]]:
    """So many records with keys, values and a header, dealt over the partitions in turn."""

    def make(count: int, partitions: int = 4, prefix: str = "value") -> list[Record]:
        return [
            {"partition": n % partitions, "key": f"key-{n}", "value": f"{prefix}-{n}", "headers": {"n": str(n)}}
            for n in range(count)
        ]

    return make


@pytest.fixture
def assert_all_once_in_order() -> Callable[[Iterable[Record], Iterable[Record]], None]:
    """Assert that what was received is what was sent: all of it, once, in order per partition."""

    def by_partition(records: Iterable[Record]) -> dict[int, list[tuple[object, ...]]]:
        partitions: dict[int, list[tuple[object, ...]]] = defaultdict(list)
        for record in records:
            partitions[record["partition"]].append((record["key"], record["value"], record.get("headers", {})))
        return partitions

    def check(sent: Iterable[Record], received: Iterable[Record]) -> None:
        received = list(received)
        assert by_partition(received) == by_partition(sent)
        next_offsets: dict[int, int] = {}
        for record in received:
            partition, offset = record["partition"], record["offset"]
            assert next_offsets.get(partition, offset) == offset, f"partition {partition} jumps to {record}"
            next_offsets[partition] = offset + 1

    return check
