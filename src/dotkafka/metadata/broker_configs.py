"""The settings of a broker, as DescribeConfigs shows them.

Those that topics inherit (`log.retention.ms` for `retention.ms`) may change while the broker runs. All others come from
`dotkafka.broker.config.BrokerConfig`, are fixed, and have their value and default from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from dotkafka.metadata.configs import ConfigDefinition, ConfigType
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIXED: Final = {
    "advertised.listeners": (
        ConfigType.STRING,
        (
            "Host and port that clients are told to connect to, where it is not the one at which they have "
            "already reached the broker."
        ),
    ),
    "auto.create.topics.enable": (
        ConfigType.BOOLEAN,
        "Whether Metadata for an unknown topic creates it, if the client allows it too.",
    ),
    "checkpoint.bytes": (ConfigType.LONG, "A checkpoint begins when this many bytes wait for it. dotkafka's own."),
    "checkpoint.interval.ms": (
        ConfigType.LONG,
        "A checkpoint begins when something has waited this long for it. dotkafka's own.",
    ),
    "connections.max.idle.ms": (
        ConfigType.LONG,
        "After this long without a request a connection is closed; negative for never.",
    ),
    "fetch.max.bytes": (ConfigType.INT, "Most record bytes in one Fetch response, whatever the client asks for."),
    "group.consumer.assignment.interval.ms": (
        ConfigType.INT,
        "The least time between two assignments of a consumer group.",
    ),
    "group.consumer.heartbeat.interval.ms": (
        ConfigType.INT,
        "How often members of a consumer group are told to send heartbeats.",
    ),
    "group.consumer.max.heartbeat.interval.ms": (
        ConfigType.INT,
        "The longest heartbeat interval that a consumer group may have.",
    ),
    "group.consumer.max.session.timeout.ms": (
        ConfigType.INT,
        "The longest session timeout that a consumer group may have.",
    ),
    "group.consumer.max.size": (ConfigType.INT, "How many members a consumer group may have."),
    "group.consumer.migration.policy": (
        ConfigType.STRING,
        "Which way groups with members may go between protocols: bidirectional, upgrade, downgrade or disabled.",
    ),
    "group.consumer.min.heartbeat.interval.ms": (
        ConfigType.INT,
        "The shortest heartbeat interval that a consumer group may have.",
    ),
    "group.consumer.min.session.timeout.ms": (
        ConfigType.INT,
        "The shortest session timeout that a consumer group may have.",
    ),
    "group.consumer.session.timeout.ms": (
        ConfigType.INT,
        "After this long without a heartbeat a member of a consumer group is removed.",
    ),
    "group.initial.rebalance.delay.ms": (
        ConfigType.INT,
        "How long an empty group waits for more members before its first rebalance.",
    ),
    "group.max.session.timeout.ms": (ConfigType.INT, "The longest session timeout that a member may ask for."),
    "group.max.size": (ConfigType.INT, "How many members a group may have."),
    "group.min.session.timeout.ms": (ConfigType.INT, "The shortest session timeout that a member may ask for."),
    "log.cleaner.backoff.ms": (ConfigType.LONG, "How often partitions are looked for that are to be compacted."),
    "log.cleaner.dedupe.buffer.size": (
        ConfigType.LONG,
        "Memory in bytes for the keys that one pass of compaction remembers.",
    ),
    "log.cleaner.io.buffer.size": (
        ConfigType.INT,
        "How many bytes of a partition compaction reads, and writes, at once.",
    ),
    "log.retention.check.interval.ms": (
        ConfigType.LONG,
        "How often records are looked for that retention deletes.",
    ),
    "log.retention.hours": (
        ConfigType.INT,
        "How long batches are kept, where neither log.retention.ms nor log.retention.minutes is set; -1 for ever.",
    ),
    "log.retention.minutes": (
        ConfigType.INT,
        "How long batches are kept, where log.retention.ms is not set; 0 stands for not set, -1 for ever.",
    ),
    "max.connections": (ConfigType.INT, "Connections that may be open at once."),
    "max.connections.per.ip": (ConfigType.INT, "Connections that may be open at once from one address."),
    "max.incremental.fetch.session.cache.slots": (ConfigType.INT, "Fetch sessions that are kept at once."),
    "max.pending.requests.per.connection": (
        ConfigType.INT,
        "Requests of one connection that may wait for their answers before no more are read. dotkafka's own.",
    ),
    "metadata.log.max.record.bytes.between.snapshots": (
        ConfigType.LONG,
        "When the metadata records have grown to so many bytes, a snapshot takes their place.",
    ),
    "metadata.log.max.snapshot.interval.ms": (
        ConfigType.LONG,
        "After so long a snapshot takes the place of new metadata records; 0 for never.",
    ),
    "node.id": (ConfigType.INT, "The number by which clients know this broker."),
    "num.partitions": (ConfigType.INT, "Partitions of a topic that is created without a number."),
    "offset.metadata.max.bytes": (ConfigType.INT, "The longest metadata that may be committed with an offset."),
    "offsets.retention.check.interval.ms": (ConfigType.LONG, "How often expired offsets are looked for."),
    "offsets.retention.minutes": (
        ConfigType.INT,
        "How long committed offsets outlive the last member of their group.",
    ),
    "offsets.topic.num.partitions": (ConfigType.INT, "Partitions of __consumer_offsets."),
    "producer.id.expiration.ms": (
        ConfigType.INT,
        "A partition forgets a producer id that has been silent for so long; looked at with each checkpoint.",
    ),
    "queued.max.request.bytes": (
        ConfigType.LONG,
        "Bytes of unanswered requests, of all connections together, beyond which those that hold most are not read.",
    ),
    "queued.max.response.bytes": (
        ConfigType.LONG,
        "Bytes of answers that clients have not taken, all together, beyond which requests wait. dotkafka's own.",
    ),
    "socket.request.max.bytes": (ConfigType.INT, "Largest request; the connection of a larger one is closed."),
    "tail.max.bytes": (
        ConfigType.LONG,
        "Budget for recent batches in memory, all partitions together. dotkafka's own.",
    ),
}

_CONSTANT: Final = (
    ConfigDefinition(
        "default.replication.factor",
        ConfigType.INT,
        "1",
        "Replicas of a topic that is created without a number. There is one broker, so it is 1.",
        is_read_only=True,
    ),
    ConfigDefinition(
        "delete.topic.enable", ConfigType.BOOLEAN, "true", "Whether topics can be deleted. They can.", is_read_only=True
    ),
    ConfigDefinition(
        "offsets.topic.replication.factor",
        ConfigType.INT,
        "1",
        "Replicas of __consumer_offsets. There is one broker, so it is 1.",
        is_read_only=True,
    ),
)

_INHERITED: Final = tuple(
    attrs.evolve(
        definition,
        name=definition.broker_synonym,
        broker_synonym=None,
        documentation=f"What {definition.name} is in topics that do not set it. {definition.documentation}",
    )
    for definition in TOPIC_CONFIGS.values()
    if definition.broker_synonym is not None
)

BROKER_CONFIGS: Final[Mapping[str, ConfigDefinition]] = {
    definition.name: definition
    for definition in sorted(
        (
            *(ConfigDefinition(name, kind, None, text, is_read_only=True) for name, (kind, text) in _FIXED.items()),
            *_CONSTANT,
            *_INHERITED,
        ),
        key=lambda definition: definition.name,
    )
}
"""Every setting of a broker, by name. Those from `BrokerConfig` have no default here."""
