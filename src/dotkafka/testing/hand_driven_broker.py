"""A broker without server: each of its storage calls runs when a test says so, in one thread, on storage of any kind.

broker = HandDrivenBroker.open(config, wal, checkpoints, now, os.urandom)
question = broker.ask(PRODUCE, 9, request)
broker.run("append")                    # one call of a lane
broker.settle()                         # all there are
assert question.answer is not None
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from dotkafka.broker.broker import Broker
from dotkafka.broker.storage_work import LANES, Lane
from dotkafka.clock import Instant
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.broker.storage_work import StorageWork
    from dotkafka.protocol.schema import Api
    from dotkafka.storage.spi import CheckpointStore, WriteAheadLog

Request = TypeVar("Request")
Response = TypeVar("Response")

_CORRELATION_ID = 1


class Question(Generic[Response]):
    """One request on a connection of its own, so that nobody's answer waits for another's.

    Args:
        broker: which is asked.
        now: the moment of the request.
        api: which API.
        version: of the request and its answer.
        request: what is asked.
    """

    def __init__(
        self, broker: Broker, now: Instant, api: Api[Request, Response], version: int, request: Request
    ) -> None:
        self._api = api
        self._version = version
        self._answer: Response | None = None
        self._connection = broker.connect("127.0.0.1", ("127.0.0.1", 9092), now)
        header = encode_request_header(RequestHeader(api.key, version, _CORRELATION_ID, "test"))
        broker.receive(self._connection, bytearray(header + api.encode_request(version, request)), now)

    @property
    def answer(self) -> Response | None:
        """The answer, None as long as there is none."""
        if self._answer is None and (response := b"".join(self._connection.take_responses())[4:]):
            _, position = decode_response_header(self._api.key, self._version, response)
            self._answer = self._api.decode_response(self._version, response, position)
        return self._answer


class HandDrivenBroker:
    """A broker and its driver, which is the test.

    Args:
        broker: just opened.
        now: the moment at which its time begins.
    """

    def __init__(self, broker: Broker, now: Instant) -> None:
        self.broker = broker
        self.now = now
        self._lanes: dict[Lane, deque[StorageWork]] = {lane: deque() for lane in LANES}

    @classmethod
    def open(
        cls,
        config: BrokerConfig,
        wal: WriteAheadLog,
        checkpoints: CheckpointStore,
        now: Instant,
        random_bytes: Callable[[int], bytes],
    ) -> HandDrivenBroker:
        """Open a broker on storage; see `Broker.open`."""
        return cls(Broker.open(config, wal, checkpoints, now=now, random_bytes=random_bytes), now)

    def ask(self, api: Api[Request, Response], version: int, request: Request) -> Question[Response]:
        """Send a request; its answer may need storage calls to run."""
        return Question(self.broker, self.now, api, version, request)

    def call(self, api: Api[Request, Response], version: int, request: Request) -> Response:
        """Send a request, run all storage calls, and return the answer.

        Raises:
            ConnectionError: there is none.
        """
        question = self.ask(api, version, request)
        self.settle()
        if question.answer is None:
            raise ConnectionError(f"the broker does not answer {request!r}")
        return question.answer

    def run(self, lane: Lane) -> bool:
        """Make the next storage call of a lane, and return whether there was one."""
        self._take_work()
        if not self._lanes[lane]:
            return False
        work = self._lanes[lane].popleft()
        work.run()
        self.broker.complete(work, self.now)
        self._take_work()
        return True

    def settle(self) -> None:
        """Make all storage calls there are to make now."""
        while any(self.run(lane) for lane in self._lanes):
            pass

    def advance(self, duration_ms: int) -> None:
        """Let time pass, and what is due be asked for; it runs when it is told to."""
        self.now = Instant(self.now.monotonic_ms + duration_ms, self.now.wall_ms + duration_ms)
        self.broker.handle_timeouts(self.now)
        self._take_work()

    def shut_down(self) -> None:
        """End as a server does that is asked to, with a last checkpoint."""
        self.broker.begin_shutdown(self.now)
        self.settle()
        self.broker.close()

    def _take_work(self) -> None:
        for work in self.broker.take_work(self.now):
            self._lanes[work.lane].append(work)
