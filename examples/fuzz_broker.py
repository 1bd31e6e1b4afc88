"""Sends a broker requests that are random, damaged or hostile, and checks that it stays well.

Run it: `python examples/fuzz_broker.py`. It starts a broker of its own. Or against one that you can do without, as
topics and groups come and go: `python examples/fuzz_broker.py 127.0.0.1:9092 --requests 100000 --seconds 600 --seed 7`.

Each request must be answered, with its correlation id and a response that can be decoded, or its connection closed; the
broker must go on to serve others; what a topic held before must be there afterwards. Requests that wait for other
clients may take their time. What is found is printed with the command that sends that request again, and the exit
status is 1.

A request depends on the seed and its number alone. What the broker answers may depend on those before it.
"""

from __future__ import annotations

import argparse
import logging
import random
import socket
import struct
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import dotkafka
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.conversation import decode_request_frame, decode_response_frame
from dotkafka.protocol.framing import FrameReader
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.wire_types import INT32, RECORDS
from dotkafka.records.batch import batch_headers, decode_records, encode_batch
from dotkafka.records.record import Record
from dotkafka.server import parse_address
from dotkafka.testing.random_messages import RandomValues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.layout import FieldLayout, ValueLayout
    from dotkafka.protocol.schema import Api
    from dotkafka.protocol.wire_types import FixedWidth

ANSWER_S = 5.0
"""How long an answer may take; requests that say how long they wait are not made to wait for longer than this."""

CANARY = "fuzz-canary"
CANARY_RECORDS = [Record(0, 1_700_000_000_000, b"%d" % number, b"still here") for number in range(10)]
NAMES = ("fuzz-target", "fuzz-group", "consumer", "range", "", "1", "fuzz target")
"""What random requests name, so that many come further than to an unknown topic. The canary is not among them."""


class Finding(Exception):  # noqa: N818 (it is the broker's error, and what this program looks for)
    """The broker did what it should not do."""


class Client:
    """One connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=ANSWER_S)
        self.reader = FrameReader(2**31 - 1, memoryview(b""))
        self.frames: list[bytearray] = []

    def send(self, frame: bytes) -> None:
        """Send a frame, its size in front."""
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def receive(self) -> bytearray | None:
        """Return the next frame, or None if the connection was closed; raises TimeoutError if neither happens."""
        while not self.frames:
            data = self.socket.recv(64 * 1024)
            if not data:
                return None
            self.frames += self.reader.feed(data)
            if self.reader.error is not None:
                raise Finding(f"the broker sent {self.reader.error}")
        return self.frames.pop(0)

    def ask(self, api: Api[Any, Any], version: int, request: object) -> Any:
        """Send a request that must be answered, and return the response."""
        header = RequestHeader(api.key, version, 1, "fuzz")
        self.send(encode_request_header(header) + api.encode_request(version, request))
        frame = self.receive()
        response = None if frame is None else decode_response_frame(frame, header)
        if response is None or response.error is not None:
            raise Finding(f"{api} was {'not answered' if response is None else response.error}")
        return response.body

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


class RandomRequests(RandomValues):
    """Random requests that a broker understands: some of their names, numbers and batches are such as it expects."""

    def field(self, item: FieldLayout) -> Any:
        """Return what one field holds; a broker is not asked to wait for long."""
        if item.name in {"max_wait_ms", "timeout_ms", "rebalance_timeout_ms", "timeout"}:
            return self.random.randint(-1, 100)
        return super().field(item)

    def value(self, held: ValueLayout) -> Any:
        """Return any value but null."""
        if held is RECORDS and self.random.random() < 0.7:
            return self.batch()
        return super().value(held)

    def fixed(self, held: FixedWidth) -> Any:
        """Return a number, a boolean or an id; a number is often a small one."""
        if held is INT32 and self.random.random() < 0.6:
            return self.random.randint(-2, 3)
        return super().fixed(held)

    def text(self) -> str:
        """Return a string, often one that stands for something."""
        return self.random.choice(NAMES) if self.random.random() < 0.6 else super().text()

    def batch(self) -> bytes:
        """Return a record batch, at times with a wrong byte."""
        records = [Record(0, self.random.randrange(2**41), self.bytes(), self.bytes()) for _ in range(3)]
        batch = encode_batch(
            records,
            compression=self.random.choice((0, 0, 0, 1)),
            producer_id=self.random.choice((-1, -1, 0, 1)),
            producer_epoch=self.random.choice((-1, 0, 1)),
            base_sequence=self.random.choice((-1, 0, 3)),
            is_transactional=self.random.random() < 0.1,
        )
        return damage(self.random, batch) if self.random.random() < 0.3 else bytes(batch)


def damage(chance: random.Random, data: bytes | bytearray) -> bytes:
    """Return bytes with one thing wrong: some changed, gone, twice or new, or a number that is far too large."""
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((1, 2, 4, 8, 50)))
    part = bytes(data[start:end])
    instead = (
        bytes(byte ^ (1 << chance.randrange(8)) for byte in part),
        b"",
        part * chance.choice((2, 3, 100)),
        chance.randbytes(len(part)),
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff\x07",  # the largest length as a varint
    )
    return bytes(data[:start]) + chance.choice(instead) + bytes(data[end:])


class Attempt(NamedTuple):
    """One request: what kind it is, and the bytes to send, the size in front included unless it is a stream."""

    kind: str
    frame: bytes
    is_stream: bool = False


def attempt(seed: str, number: int, served: dict[int, range]) -> Attempt:
    """Return a request, always the same for the same arguments. `served` has versions by API key."""
    chance = random.Random(f"{seed} {number}")
    key = chance.choice(sorted(served))
    header = RequestHeader(key, chance.choice(served[key]), number, chance.choice((None, "", "fuzz", "é" * 100)))
    api = api_for(key)
    body = api.encode_request(
        header.api_version, RandomRequests(f"{seed} {number}").message(api.request, header.api_version)
    )
    frame = encode_request_header(header) + body
    kind = chance.choices(("random", "damaged", "hostile"), (5, 4, 1))[0]
    if kind == "random":
        return Attempt(kind, frame)
    if kind == "damaged":
        return Attempt(kind, damage(chance, frame))
    unknown = RequestHeader(chance.choice((-1, key, 1000, 32767)), chance.choice((-1, 99, 32767)), number)
    return chance.choice(
        (
            Attempt("unknown API or version", encode_request_header(unknown) + body),
            Attempt("noise", chance.randbytes(chance.randrange(200))),
            Attempt("size too large", b"\x7f\xff\xff\xff" + frame, is_stream=True),
            Attempt("size negative", chance.choice((b"\xff\xff\xff\xff", b"\x80\x00\x00\x00")), is_stream=True),
            Attempt("cut short", struct.pack(">i", len(frame) + 1) + frame, is_stream=True),
            Attempt("client id cut short", struct.pack(">hhih", key, header.api_version, number, 32767) + b"x"),
        )
    )


class Fuzzer:
    """Sends attempts to a broker, and counts what comes of them."""

    def __init__(self, address: tuple[str, int], seed: str) -> None:
        self.address = address
        self.seed = seed
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.client: Client | None = None
        self.served = self.ask_what_is_served()

    def ask_what_is_served(self) -> dict[int, range]:
        """Return the versions of each API that the broker serves and dotkafka has the messages of."""
        with closing(Client(self.address)) as client:
            answer = client.ask(API_VERSIONS, 0, ApiVersionsRequest())
        both = {}
        for item in answer.api_keys:
            if item.api_key in set(ApiKey):
                ours = api_for(item.api_key).versions
                both[item.api_key] = range(max(ours.lowest, item.min_version), min(ours.highest, item.max_version) + 1)
        return {key: versions for key, versions in both.items() if versions}

    def send(self, number: int) -> None:
        """Send one request and see what comes of it; raises `Finding` for what must not come."""
        kind, frame, is_stream = attempt(self.seed, number, self.served)
        client = self.client = self.client or Client(self.address)
        try:
            outcome = self.send_stream(client, frame) if is_stream else self.send_frame(client, frame)
        except OSError as error:  # TimeoutError is one too
            if isinstance(error, TimeoutError):
                raise Finding(f"no answer and no end within {ANSWER_S} s") from error
            outcome = "closed"
        if outcome != "answered":
            self.hang_up()
        self.outcomes[kind, outcome] += 1

    def send_stream(self, client: Client, data: bytes) -> str:
        """Send bytes that are no frame and hang up: the broker has nothing to answer."""
        client.socket.sendall(data)
        client.socket.shutdown(socket.SHUT_WR)
        if client.receive() is not None:
            raise Finding("an answer to what is no request")
        return "closed"

    def send_frame(self, client: Client, frame: bytes) -> str:
        """Send a frame, and say whether it was answered, or the connection closed, or neither and rightly so."""
        request = decode_request_frame(frame)
        header = request.header or rough_header(frame)
        client.send(frame)
        if request.body is not None and not request.expects_response:
            return "no answer wanted"
        try:
            answer = client.receive()
        except TimeoutError:
            if header is not None and may_wait(header.api_key, request.body):
                return "waits"
            raise
        if answer is None:
            return "closed"
        if header is None:
            raise Finding("an answer to what has no header")
        response = decode_response_frame(answer, header)
        if response.error is not None:
            raise Finding(f"an answer that cannot be decoded: {response.error}")
        if int.from_bytes(answer[:4], "big", signed=True) != header.correlation_id:
            raise Finding("an answer with another correlation id")
        return "answered"

    def hang_up(self) -> None:
        """Close the connection; the next request opens another."""
        if self.client is not None:
            self.client.close()
            self.client = None

    def check_health(self) -> None:
        """Raise `Finding` if the broker does not serve others as before, or the canary has changed."""
        try:
            if self.ask_what_is_served() != self.served:
                raise Finding("the broker serves other APIs than before")
            if read_canary(self.address) != [(record.key, record.value) for record in CANARY_RECORDS]:
                raise Finding("the canary's records are not what they were")
        except OSError as error:
            raise Finding(f"the broker is gone: {error}") from error


def rough_header(frame: bytes) -> RequestHeader | None:
    """Return the header of a frame whose client id is damaged: a broker need not mind that."""
    return RequestHeader(*struct.unpack_from(">hhi", frame)) if len(frame) >= 8 else None


def may_wait(api_key: int, body: Any) -> bool:
    """Tell whether a request rightly has no answer yet: it waits for members of a group, or for records."""
    if api_key in {ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP}:
        return True
    return body is not None and getattr(body, "max_wait_ms", 0) > ANSWER_S * 1000


def write_canary(address: tuple[str, int]) -> None:
    """Create the topic that must not change, and one that may."""
    for_ever = [CreatableTopicConfig(name=name, value="-1") for name in ("retention.ms", "retention.bytes")]
    topics = [
        CreatableTopic(name=name, num_partitions=1, replication_factor=1, configs=for_ever)
        for name in (CANARY, NAMES[0])
    ]
    data = PartitionProduceData(index=0, records=encode_batch(CANARY_RECORDS))
    with closing(Client(address)) as client:
        client.ask(CREATE_TOPICS, 4, CreateTopicsRequest(topics=topics, timeout_ms=30_000))
        request = ProduceRequest(
            acks=-1, timeout_ms=30_000, topic_data=[TopicProduceData(name=CANARY, partition_data=[data])]
        )
        answer = client.ask(PRODUCE, 8, request)
    if answer.responses[0].partition_responses[0].error_code:
        raise Finding(f"the canary was not written: {answer}")


def read_canary(address: tuple[str, int]) -> list[tuple[bytes | None, bytes | None]]:
    """Return the keys and values of the topic that must not change."""
    wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=2**20)
    request = FetchRequest(max_wait_ms=0, topics=[FetchTopic(topic=CANARY, partitions=[wanted])])
    with closing(Client(address)) as client:
        (partition,) = client.ask(FETCH, 11, request).responses[0].partitions
    data = memoryview(partition.records or b"")
    batches = [data[position : position + header.size_bytes] for position, header in batch_headers(data)]
    return [(record.key, record.value) for batch in batches for record in decode_records(batch)]


class Errors(logging.Handler):
    """Keeps what a broker in this process logs as an error: to a client, that is only a closed connection."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.seen.append(self.format(record))


@contextmanager
def embedded_broker() -> Iterator[tuple[tuple[str, int], Errors]]:
    """Run a broker in this process; give its address, and the errors that it logs."""
    logger = logging.getLogger("dotkafka")
    errors = Errors()
    logger.addHandler(errors)  # and with a handler of its own, it does not print its warnings, which are many
    try:
        with dotkafka.run_in_thread("127.0.0.1:0") as server:
            yield parse_address(server.bootstrap), errors
    finally:
        logger.removeHandler(errors)


def fuzz(fuzzer: Fuzzer, errors: Errors, numbers: range, seconds: float) -> int:
    """Send the requests of those numbers, for at most so long; print what is found, and return how many there were."""
    findings = 0
    end_s = time.monotonic() + seconds
    for number in numbers:
        is_last = number == numbers[-1] or time.monotonic() > end_s
        try:
            fuzzer.send(number)
            if errors.seen:
                raise Finding(errors.seen.pop())
            if is_last or number % 500 == 499:
                fuzzer.check_health()
        except Finding as finding:
            findings += 1
            print(f"request {number}: {finding}")
            print(f"  frame: {attempt(fuzzer.seed, number, fuzzer.served).frame[:500].hex()}")
            print(f"  again: {sys.argv[0]} --seed {fuzzer.seed} --first {number} --requests 1")
            fuzzer.hang_up()
        if is_last:
            break
    return findings


def main() -> int:
    """Fuzz the broker of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("broker", metavar="HOST:PORT", nargs="?", help="default: one in this process")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="of the first request")
    parser.add_argument("--requests", type=int, default=2000, metavar="COUNT")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with ExitStack() as stack:
        if options.broker is None:
            address, errors = stack.enter_context(embedded_broker())
        else:
            address, errors = parse_address(options.broker), Errors()
        write_canary(address)
        fuzzer = Fuzzer(address, options.seed)
        stack.callback(fuzzer.hang_up)
        numbers = range(options.first, options.first + options.requests)
        findings = fuzz(fuzzer, errors, numbers, options.seconds)
    for (kind, outcome), count in sorted(fuzzer.outcomes.items()):
        print(f"{count:7} {kind}: {outcome}")
    print(f"{fuzzer.outcomes.total()} requests, {findings} findings, seed {options.seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
