"""Broker: the whole broker, without I/O.

Whoever runs it (see `dotkafka.server`) feeds it frames and time, makes the blocking calls that it asks for, and sends
what it answers:

    broker = Broker.open(config, wal, checkpoints, now=clock.now(), random_bytes=os.urandom)
    connection = broker.connect(peer_host, local, now)
    broker.receive(connection, frame, now)              # as often as frames come
    broker.handle_timeouts(now)                         # when next_deadline_ms() has come

and after any of these, in a loop until there is nothing more:

    for work in broker.take_work(now): work.run(); broker.complete(work, now)      # run may go to a thread, per lane
    for connection in broker.take_ready_connections(): send(connection.take_responses())

All calls come from one thread at a time; only `StorageWork.run` may be elsewhere.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from dotkafka.broker import handlers  # noqa: F401 (importing it registers the handlers)
from dotkafka.broker.answer_memory import AnswerMemory
from dotkafka.broker.compaction import Compaction
from dotkafka.broker.connection import Connection
from dotkafka.broker.damage import Damage
from dotkafka.broker.dispatch import answers_little, dispatch
from dotkafka.broker.fetch_sessions import FetchSessions
from dotkafka.broker.groups import Groups
from dotkafka.broker.metadata_log import MetadataLog
from dotkafka.broker.purgatory import Purgatory
from dotkafka.broker.recovery import recover
from dotkafka.broker.retention import Retention
from dotkafka.broker.shard import refusal_for
from dotkafka.broker.storage_work import CompactionWork, ReadWork, TimestampSearchWork
from dotkafka.errors import ApiError, Fenced
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.broker.connection import Exchange
    from dotkafka.broker.shard import Shard
    from dotkafka.broker.storage_work import StorageWork
    from dotkafka.clock import Instant
    from dotkafka.log.config import LogConfig
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.metadata.image import MetadataImage, TopicImage
    from dotkafka.storage.spi import CheckpointStore, WriteAheadLog

MAX_ANSWER_BYTES_AHEAD: Final = 1024 * 1024
"""A connection that has so much to take is not served further before it has: what it asks for can be much more."""

Response = TypeVar("Response")


class Broker:
    """One Kafka broker, which is its whole cluster. Made by `Broker.open`; see the module for how it is run."""

    def __init__(
        self,
        config: BrokerConfig,
        open_shard: Callable[[Callable[[PartitionLog], None]], Shard],
        *,
        now: Instant,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.config = config
        self.random_bytes = random_bytes
        self.now = now
        """The time of the call being served."""
        self.purgatory = Purgatory()
        self.damage = Damage()
        self.fetch_sessions = FetchSessions(config.max_incremental_fetch_session_cache_slots, random_bytes)
        self.shard = open_shard(self._log_advanced)
        self.metadata_log = MetadataLog(self)
        self.groups = Groups(self)
        self.retention = Retention(self)
        self.compaction = Compaction(self)
        self.is_closing = False
        self.answer_memory = AnswerMemory(config.queued_max_response_bytes)
        self._started = now
        self._ready: dict[Connection, None] = {}
        self._held: deque[tuple[Connection, Callable[[], None]]] = deque()
        """Writes that wait until L2 has caught up, in the order in which they came."""
        self._reads: dict[ReadWork | TimestampSearchWork, Callable[[], None]] = {}

    @classmethod
    def open(
        cls,
        config: BrokerConfig,
        wal: WriteAheadLog,
        checkpoints: CheckpointStore,
        *,
        now: Instant,
        random_bytes: Callable[[int], bytes],
    ) -> Broker:
        """Become the owner of what the storage holds, and return a broker that serves it. Blocks while it reads.

        Raises:
            Fenced: another live owner holds the storage.
            StorageUnavailable: it cannot be opened now.
            StorageFailed: it is damaged; the message says where.
        """
        return recover(cls, config, wal, checkpoints, now=now, random_bytes=random_bytes)

    @property
    def metadata(self) -> MetadataImage:
        """What the cluster is at this moment: topics, partitions, configs."""
        return self.metadata_log.image

    def log_config(self, topic: TopicImage) -> LogConfig:
        """Return the settings that hold for the logs of a topic."""
        return self.metadata_log.log_config(topic)

    # -- clients -------------------------------------------------------------------------------------------------------

    def connect(self, peer_host: str, local: tuple[str, int], now: Instant) -> Connection:
        """A client has connected from `peer_host`, reaching us at `local` (host and port)."""
        self.now = now
        return Connection(peer_host, local, self._connection_ready, self.answer_memory)

    def receive(self, connection: Connection, frame: bytearray, now: Instant) -> None:
        """Serve one whole frame, without its size prefix. The broker keeps the frame, and writes into it."""
        self.now = now
        if not connection.is_doomed:
            dispatch(self, connection, frame)

    def disconnect(self, connection: Connection, now: Instant) -> None:
        """The client has gone. Its pending requests are served to the end, and their answers forgotten."""
        self.now = now
        connection.abandon()
        self.answer_memory.forget(connection)
        self._ready.pop(connection, None)

    def may_read(self, connection: Connection) -> bool:
        """Whether more requests of this connection may be read; when that changes, it is among the ready ones again."""
        return not (
            connection.is_doomed
            or connection.is_held
            or connection.pending_requests >= self.config.max_pending_requests_per_connection
            or connection.answer_bytes + connection.reading_bytes >= MAX_ANSWER_BYTES_AHEAD
        )

    def may_serve(self, connection: Connection, frame: bytearray) -> bool:
        """Whether this request of the connection may be served now; if not, the connection will be a ready one."""
        if not self.may_read(connection):
            return False
        if self.answer_memory.may_serve(connection) or (not connection.answer_bytes and answers_little(frame)):
            return True
        self.answer_memory.wait(connection)
        return False

    def take_ready_connections(self) -> Sequence[Connection]:
        """Return the connections that have responses to take, may go on with requests, or are to be closed."""
        ready, self._ready = self._ready, {}
        if self.answer_memory.waiting and (connection := self.answer_memory.next_in_turn()) is not None:
            ready[connection] = None
        return tuple(ready)

    def _connection_ready(self, connection: Connection) -> None:
        self._ready[connection] = None

    def hold(self, connection: Connection, serve: Callable[[], None]) -> None:
        """Call `serve`, a write, when L2 has caught up. Until then nothing more is read of its connection.

        Of that one alone: who reads, heartbeats or commits is not slowed down by those who write too much.
        """
        connection.is_held = True
        self._held.append((connection, serve))

    # -- for the handlers ----------------------------------------------------------------------------------------------

    def partition(self, topic: str | bytes, index: int) -> tuple[TopicImage, PartitionLog]:
        """Return a partition by its topic's name or id.

        Raises:
            ApiError: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, or NOT_LEADER_OR_FOLLOWER.
        """
        if isinstance(self.shard.failure, Fenced):
            # What is read here may be out of date: another owner writes.
            raise refusal_for(self.shard.failure)
        if isinstance(topic, str):
            image = self.metadata.topics_by_name.get(topic)
            if image is None:
                raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {topic!r}")
        else:
            image = self.metadata.topics_by_id.get(bytes(topic))
            if image is None:
                raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID, "there is no topic with this id")
        if not 0 <= index < image.partition_count:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"topic {image.name!r} has no partition {index}")
        return image, self.shard.log(TopicIdPartition(image.topic_id, index))

    def check_leader_epoch(self, epoch: int) -> None:
        """Refuse a client whose metadata are older or newer than this leader; -1 means that it does not know (KIP-320).

        Raises:
            ApiError: FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH.
        """
        if 0 <= epoch != self.shard.leader_epoch:
            older = epoch < self.shard.leader_epoch
            raise ApiError(ErrorCode.FENCED_LEADER_EPOCH if older else ErrorCode.UNKNOWN_LEADER_EPOCH)

    def advertised_listener(self, connection: Connection) -> tuple[str, int]:
        """Return the host and port that this client is told to connect to."""
        return self.config.advertised_listener or connection.local

    def respond_when_durable(self, exchange: Exchange[Response], response: Response) -> None:
        """Give an answer once all that was written until now is durable; if it never will be, close the connection."""
        exchange.hold_back()
        exchange.respond(response)
        self.shard.when_durable(exchange.release)

    # -- storage -------------------------------------------------------------------------------------------------------

    def take_work(self, now: Instant) -> Sequence[StorageWork]:
        """Return the blocking calls to be made now, each once: `run` it, then `complete` it."""
        self.now = now
        return self.shard.take_work(now, is_closing=self.is_closing)

    def complete(self, work: StorageWork, now: Instant) -> None:
        """Take back work that has run."""
        self.now = now
        if isinstance(work, ReadWork | TimestampSearchWork):
            self._reads.pop(work)()
        elif isinstance(work, CompactionWork):
            self.compaction.completed(work)
        else:
            self.shard.complete(work, now)
            if self.shard.failure is not None:
                self.groups.give_up()
        self.compaction.proceed()
        while self._held and not self.shard.is_overloaded:
            connection, serve = self._held.popleft()
            connection.is_held = False
            serve()
            self._ready[connection] = None

    def when_read(self, work: ReadWork | TimestampSearchWork, then: Callable[[], None]) -> None:
        """Call `then` when a read of L2 has run."""
        self._reads[work] = then

    def _log_advanced(self, log: PartitionLog) -> None:
        self.purgatory.wake(log, self.now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline_ms(self) -> int | None:
        """Return when `handle_timeouts` and `take_work` are due without any other event, on the monotonic clock."""
        deadlines = (
            self.purgatory.next_deadline_ms(),
            self.groups.next_deadline_ms(),
            self.retention.next_deadline_ms(),
            self.compaction.next_deadline_ms(),
            self.shard.next_deadline_ms(),
        )
        earliest: int | None = None
        for deadline in deadlines:  # without a generator: this is asked in each step
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def handle_timeouts(self, now: Instant) -> None:
        """Do what is due: end waits, expire sessions, delete or compact old records."""
        self.now = now
        self.purgatory.expire(now)
        self.groups.handle_timeouts()
        self.retention.handle_timeouts()
        self.compaction.handle_timeouts()

    def trusted_wall_ms(self) -> int:
        """Return the time by which records grow old; see `dotkafka.broker.retention`."""
        return self.now.unhurried(self._started).wall_ms

    # -- the end -------------------------------------------------------------------------------------------------------

    def begin_shutdown(self, now: Instant) -> None:
        """Answer waiting Fetch requests, and make a last checkpoint. The broker may be closed once it `is_idle`."""
        self.now = now
        self.is_closing = True
        self.purgatory.expire_all(now)

    @property
    def is_idle(self) -> bool:
        """Whether no storage work is under way or due, and nothing is left for a checkpoint."""
        return self.shard.is_clean and not self._reads and not self.compaction.is_working

    def close(self) -> None:
        """Give the storage up. Blocks; to be called once nothing runs any more."""
        self.shard.close()
