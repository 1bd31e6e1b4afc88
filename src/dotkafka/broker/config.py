"""BrokerConfig: every setting of the broker, under Kafka's names with dots made underscores.

Settings that Kafka has keep Kafka's name, unit and, unless the text says otherwise, Kafka's default. Those that start
with `checkpoint_` or `tail_` are dotkafka's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from dotkafka.coordinator.config import GroupConfig
from dotkafka.validation import of_kind, whole_number


def _are_texts(_config: Any, attribute: Any, value: Mapping[Any, Any]) -> None:
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(
                f"{attribute.name} has texts by name, such as 'retention.ms': '60000', not {name!r}: {text!r}"
            )


@attrs.frozen(kw_only=True)
class BrokerConfig:
    """How a broker behaves. All settings have defaults that suit an embedded broker."""

    node_id: int = whole_number(1, at_least=0)
    """The number by which clients know this broker."""
    advertised_listener: tuple[str, int] | None = None
    """Host and port that clients are told to connect to. None tells each client the address it has already reached us
    by.
    """

    auto_create_topics_enable: bool = attrs.field(default=True, validator=of_kind(bool, "True or False"))
    """Whether Metadata for an unknown topic creates it, if the client allows it too."""
    num_partitions: int = whole_number(1, at_least=1)
    """Partitions of a topic that is created without a number."""
    message_max_bytes: int = whole_number(1_048_588, at_least=0)
    """Largest record batch that a topic accepts unless its `max.message.bytes` says otherwise."""
    socket_request_max_bytes: int = whole_number(104_857_600, at_least=1)
    """Largest request frame; a larger one closes the connection before any memory is taken for it."""
    fetch_max_bytes: int = whole_number(57_671_680, at_least=1024)
    """Most record bytes in one Fetch response, whatever the client asks for."""
    max_incremental_fetch_session_cache_slots: int = whole_number(1000, at_least=0)
    """Fetch sessions kept at once (KIP-227)."""
    max_connections: int = whole_number(10_000, at_least=0)
    """Connections open at once; further ones are closed at once. Kafka has no such default limit."""
    max_connections_per_ip: int = whole_number(10_000, at_least=0)
    """Connections open at once from one address."""
    connections_max_idle_ms: int = whole_number(600_000)
    """After this long without a request a connection is closed; negative for never."""
    max_pending_requests_per_connection: int = whole_number(100, at_least=1)
    """Requests of one connection that may wait for their answers before no more are read. dotkafka's own."""
    queued_max_request_bytes: int = whole_number(268_435_456, at_least=1)
    """Bytes of requests, of all connections together, that have arrived whole or in part and are not answered yet. Once
    there are so many, connections that hold more than an equal share of it are not read. Kafka has no such default
    limit."""
    queued_max_response_bytes: int = whole_number(268_435_456, at_least=1)
    """Bytes of answers, of all connections together, that clients have not taken yet. Fetch answers are made so small
    that they stay within it; beyond it requests wait, but for those with little answers, and of the clients that take
    nothing for 10 s the first are closed. dotkafka's own."""

    producer_id_expiration_ms: int = whole_number(86_400_000, at_least=1)
    """A partition forgets a producer id that has been silent for so long; looked at with each checkpoint."""

    log_retention_hours: int = whole_number(168, at_least=-1)
    """`retention.ms` of topics that do not set it, in hours; -1 for ever. Topics take the finest unit that is set:
    `retention.ms` of `default_topic_configs`, minutes, hours.
    """
    log_retention_minutes: int = whole_number(0, at_least=-1)
    """The same in minutes. 0 stands for not set, which in Kafka is null."""
    log_retention_check_interval_ms: int = whole_number(300_000, at_least=1)
    """How often records are looked for that retention deletes; for the first time after 30 s at the latest."""
    log_cleaner_backoff_ms: int = whole_number(15_000, at_least=1)
    """How often partitions are looked for that are to be compacted."""
    log_cleaner_dedupe_buffer_size: int = whole_number(134_217_728, at_least=1)
    """Memory in bytes for the keys that one pass of compaction remembers, some 200 bytes each; taken as it is needed. A
    partition with more keys takes several passes.
    """
    log_cleaner_io_buffer_size: int = whole_number(524_288, at_least=1)
    """How many bytes of a partition compaction reads, and writes, at once; a larger batch is taken alone."""
    default_topic_configs: dict[str, str] = attrs.field(
        factory=dict, validator=[of_kind(Mapping, "a mapping"), _are_texts]
    )
    """Values for topic settings that a topic does not set itself, by the topic setting's name, such as
    `retention.ms`.
    """

    offsets_topic_num_partitions: int = whole_number(1, at_least=1)
    """Partitions of `__consumer_offsets`. Kafka's default is 50, to spread groups over brokers; here one broker has
    them all.
    """
    group: GroupConfig = attrs.field(factory=GroupConfig, validator=of_kind(GroupConfig, "a dotkafka.GroupConfig"))
    """Settings of the group coordinator."""

    metadata_log_max_record_bytes_between_snapshots: int = whole_number(20 * 1024 * 1024, at_least=1)
    """When the records of `__cluster_metadata` have grown to so many bytes, a snapshot takes their place: a start reads
    the snapshot and at most about that much more, however often topics were created and deleted."""
    metadata_log_max_snapshot_interval_ms: int = whole_number(3_600_000, at_least=0)
    """And when there are new ones and the last snapshot was so long ago; 0 for never. Both are looked at with each
    checkpoint."""

    tail_max_bytes: int = whole_number(64 * 1024 * 1024, at_least=1)
    """Budget for recent batches in memory (L0), all partitions together. Also the most that L2 may lag behind: beyond
    it producers are slowed to the pace of checkpoints."""
    checkpoint_bytes: int = whole_number(16 * 1024 * 1024, at_least=1)
    """A checkpoint to L2 begins when this many bytes wait for it."""
    checkpoint_interval_ms: int = whole_number(10_000, at_least=0)
    """A checkpoint to L2 begins when something has waited this long for it."""
