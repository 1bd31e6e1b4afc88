"""The settings of a topic: all of Kafka 4.3's, with its defaults.

Each is stored and described. Which of them change what dotkafka does today is said in their documentation: those of
which it says "kept and described" do not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from dotkafka.errors import ApiError
from dotkafka.metadata.configs import (
    INT64_MAX,
    ConfigDefinition,
    ConfigType,
    at_least,
    between,
    one_of,
    parse_all,
    some_of,
)
from dotkafka.protocol.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LATER: Final = " Kept and described, not acted upon yet."
_OTHER_STORAGE: Final = " Kept and described, without effect: dotkafka does not store partitions in segment files."
_ONE_BROKER: Final = " Kept and described, without effect: there is one broker, and its storage decides on durability."
_NO_TIERS: Final = " Kept and described, without effect: there is no tiered storage."

_WEEK_MS: Final = str(7 * 24 * 60 * 60 * 1000)
_DAY_MS: Final = str(24 * 60 * 60 * 1000)
_THROTTLED_REPLICA = re.compile(r"[0-9]+:[0-9]+")


def _check_throttled_replicas(values: Sequence[str]) -> str | None:
    if list(values) == ["*"] or all(_THROTTLED_REPLICA.fullmatch(value) for value in values):
        return None
    return "it must be *, or a list of partition:broker pairs"


def _check_gzip_level(value: int) -> str | None:
    return None if value == -1 or 1 <= value <= 9 else "it must be 1 to 9, or -1"


def _check_remote_storage(value: bool) -> str | None:  # noqa: FBT001 (the value of a setting)
    return "tiered storage is not served" if value else None


_DEFINITIONS: Final = (
    ConfigDefinition(
        "cleanup.policy",
        ConfigType.LIST,
        "delete",
        "How old records go: `delete` by time and size, `compact` when a newer record has the same key, or both."
        " Compaction demands a key of every record.",
        some_of("compact", "delete"),
        "log.cleanup.policy",
    ),
    ConfigDefinition(
        "compression.gzip.level",
        ConfigType.INT,
        "-1",
        "The level at which the broker would compress with gzip." + _LATER,
        _check_gzip_level,
        "compression.gzip.level",
    ),
    ConfigDefinition(
        "compression.lz4.level",
        ConfigType.INT,
        "9",
        "The level at which the broker would compress with lz4." + _LATER,
        between(1, 17),
        "compression.lz4.level",
    ),
    ConfigDefinition(
        "compression.type",
        ConfigType.STRING,
        "producer",
        "How batches are stored compressed. dotkafka keeps each batch as its producer sent it, which is `producer`."
        " Other values are kept and described, not acted upon yet.",
        one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
        "compression.type",
    ),
    ConfigDefinition(
        "compression.zstd.level",
        ConfigType.INT,
        "3",
        "The level at which the broker would compress with zstd." + _LATER,
        between(-131_072, 22),
        "compression.zstd.level",
    ),
    ConfigDefinition(
        "delete.retention.ms",
        ConfigType.LONG,
        _DAY_MS,
        "How long compaction keeps the record that deletes a key, from when a pass first finds nothing else of it.",
        at_least(0),
        "log.cleaner.delete.retention.ms",
    ),
    ConfigDefinition(
        "file.delete.delay.ms",
        ConfigType.LONG,
        "60000",
        "How long a file that is not needed any more stays on disk." + _OTHER_STORAGE,
        at_least(0),
        "log.segment.delete.delay.ms",
    ),
    ConfigDefinition(
        "flush.messages",
        ConfigType.LONG,
        str(INT64_MAX),
        "After how many records the log is forced to disk." + _ONE_BROKER,
        at_least(1),
        "log.flush.interval.messages",
    ),
    ConfigDefinition(
        "flush.ms",
        ConfigType.LONG,
        str(INT64_MAX),
        "After what time the log is forced to disk." + _ONE_BROKER,
        at_least(0),
        "log.flush.interval.ms",
    ),
    ConfigDefinition(
        "follower.replication.throttled.replicas",
        ConfigType.LIST,
        "",
        "Replicas whose copying is slowed down on the followers' side." + _ONE_BROKER,
        _check_throttled_replicas,
    ),
    ConfigDefinition(
        "index.interval.bytes",
        ConfigType.INT,
        "4096",
        "How many bytes lie between two entries of an offset index." + _OTHER_STORAGE,
        at_least(0),
        "log.index.interval.bytes",
    ),
    ConfigDefinition(
        "internal.segment.bytes",
        ConfigType.INT,
        None,
        "Like segment.bytes, for Kafka's own tests." + _OTHER_STORAGE,
        is_hidden=True,
    ),
    ConfigDefinition(
        "leader.replication.throttled.replicas",
        ConfigType.LIST,
        "",
        "Replicas whose copying is slowed down on the leader's side." + _ONE_BROKER,
        _check_throttled_replicas,
    ),
    ConfigDefinition(
        "local.retention.bytes",
        ConfigType.LONG,
        "-2",
        "How many bytes stay on the broker's own disk; -2 stands for retention.bytes." + _NO_TIERS,
        at_least(-2),
        "log.local.retention.bytes",
    ),
    ConfigDefinition(
        "local.retention.ms",
        ConfigType.LONG,
        "-2",
        "How long batches stay on the broker's own disk; -2 stands for retention.ms." + _NO_TIERS,
        at_least(-2),
        "log.local.retention.ms",
    ),
    ConfigDefinition(
        "max.compaction.lag.ms",
        ConfigType.LONG,
        str(INT64_MAX),
        "After what time a record is compacted at the next look, whatever min.cleanable.dirty.ratio says.",
        at_least(1),
        "log.cleaner.max.compaction.lag.ms",
    ),
    ConfigDefinition(
        "max.message.bytes",
        ConfigType.INT,
        "1048588",
        "The largest record batch that is accepted, compressed as it is and with its header. Larger ones are refused"
        " with MESSAGE_TOO_LARGE.",
        at_least(0),
        "message.max.bytes",
    ),
    ConfigDefinition(
        "message.timestamp.after.max.ms",
        ConfigType.LONG,
        "3600000",
        "How far a producer's timestamp may lie in the future of the broker's clock. Ignored with LogAppendTime.",
        at_least(0),
        "log.message.timestamp.after.max.ms",
    ),
    ConfigDefinition(
        "message.timestamp.before.max.ms",
        ConfigType.LONG,
        str(INT64_MAX),
        "How far a producer's timestamp may lie in the past of the broker's clock. Ignored with LogAppendTime.",
        at_least(0),
        "log.message.timestamp.before.max.ms",
    ),
    ConfigDefinition(
        "message.timestamp.type",
        ConfigType.STRING,
        "CreateTime",
        "Whose clock gives records their timestamps: the producer's (CreateTime) or the broker's (LogAppendTime).",
        one_of("CreateTime", "LogAppendTime"),
        "log.message.timestamp.type",
    ),
    ConfigDefinition(
        "min.cleanable.dirty.ratio",
        ConfigType.DOUBLE,
        "0.5",
        "A log is compacted again when more than this part of it is uncompacted.",
        between(0, 1),
        "log.cleaner.min.cleanable.ratio",
    ),
    ConfigDefinition(
        "min.compaction.lag.ms",
        ConfigType.LONG,
        "0",
        "For how long at least a record is not compacted.",
        at_least(0),
        "log.cleaner.min.compaction.lag.ms",
    ),
    ConfigDefinition(
        "min.insync.replicas",
        ConfigType.INT,
        "1",
        "How many replicas must have a record before acks=all is answered." + _ONE_BROKER,
        at_least(1),
        "min.insync.replicas",
    ),
    ConfigDefinition(
        "preallocate",
        ConfigType.BOOLEAN,
        "false",
        "Whether a new segment file gets its full size at once." + _OTHER_STORAGE,
        None,
        "log.preallocate",
    ),
    ConfigDefinition(
        "remote.log.copy.disable",
        ConfigType.BOOLEAN,
        "false",
        "Whether nothing more is copied to tiered storage." + _NO_TIERS,
    ),
    ConfigDefinition(
        "remote.log.delete.on.disable",
        ConfigType.BOOLEAN,
        "false",
        "Whether what is in tiered storage is deleted when that is switched off." + _NO_TIERS,
    ),
    ConfigDefinition(
        "remote.storage.enable",
        ConfigType.BOOLEAN,
        "false",
        "Whether old batches move to tiered storage. There is none, so only false is accepted.",
        _check_remote_storage,
    ),
    ConfigDefinition(
        "retention.bytes",
        ConfigType.LONG,
        "-1",
        "How many bytes of batches a partition keeps at least, if it has got so many; the oldest that it can do without"
        " are deleted. -1 for no limit. Only with cleanup.policy=delete.",
        None,
        "log.retention.bytes",
    ),
    ConfigDefinition(
        "retention.ms",
        ConfigType.LONG,
        _WEEK_MS,
        "How long a batch is kept after its largest timestamp; then it is deleted once all before it are. -1 for ever."
        " Only with cleanup.policy=delete.",
        at_least(-1),
        "log.retention.ms",
    ),
    ConfigDefinition(
        "segment.bytes",
        ConfigType.INT,
        str(1024**3),
        "The size at which a new segment file begins." + _OTHER_STORAGE,
        at_least(1024**2),
        "log.segment.bytes",
    ),
    ConfigDefinition(
        "segment.index.bytes",
        ConfigType.INT,
        "10485760",
        "The size of the index beside a segment file." + _OTHER_STORAGE,
        at_least(4),
        "log.index.size.max.bytes",
    ),
    ConfigDefinition(
        "segment.jitter.ms",
        ConfigType.LONG,
        "0",
        "By how much at most, at random, a new segment file begins earlier." + _OTHER_STORAGE,
        at_least(0),
        "log.roll.jitter.ms",
    ),
    ConfigDefinition(
        "segment.ms",
        ConfigType.LONG,
        _WEEK_MS,
        "The age at which a new segment file begins." + _OTHER_STORAGE,
        at_least(1),
        "log.roll.ms",
    ),
    ConfigDefinition(
        "unclean.leader.election.enable",
        ConfigType.BOOLEAN,
        "false",
        "Whether a replica that lacks records may become leader." + _ONE_BROKER,
        None,
        "unclean.leader.election.enable",
    ),
)

TOPIC_CONFIGS: Final[Mapping[str, ConfigDefinition]] = {definition.name: definition for definition in _DEFINITIONS}
"""Every setting of a topic, by name."""


def parse_topic_configs(configs: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of every setting of a topic that has `configs`.

    Args:
        configs: what the topic sets itself.
        inherited: what the broker sets for its topics; for what is in neither, the defaults hold.

    Raises:
        ApiError: INVALID_CONFIG, for an unknown name or an invalid value.
    """
    own = parse_all(TOPIC_CONFIGS, configs, kind="topic")
    return {
        name: own[name] if name in own else definition.parse(inherited.get(name, definition.default))
        for name, definition in TOPIC_CONFIGS.items()
        if definition.default is not None
    }


def validate_topic_configs(configs: Mapping[str, str], inherited: Mapping[str, str]) -> None:
    """Refuse settings that a topic may not be given. Costs O(configs), however many settings there are.

    Raises:
        ApiError: INVALID_CONFIG, as `parse_topic_configs`, or for values that contradict each other.
    """
    own = parse_all(TOPIC_CONFIGS, configs, kind="topic")
    minimum_ms, maximum_ms = (
        own[name] if name in own else TOPIC_CONFIGS[name].parse(inherited.get(name, default))
        for name, default in (("min.compaction.lag.ms", "0"), ("max.compaction.lag.ms", str(INT64_MAX)))
    )
    if minimum_ms > maximum_ms:
        raise ApiError(
            ErrorCode.INVALID_CONFIG,
            f"min.compaction.lag.ms ({minimum_ms}) is above max.compaction.lag.ms ({maximum_ms}).",
        )
