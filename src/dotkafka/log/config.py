"""What the log of a partition lets its owner set, under Kafka's names with `_` for `.`, and with Kafka's defaults."""

from typing import Literal

import attrs

_INT64_MAX = 2**63 - 1


@attrs.frozen
class LogConfig:
    """The settings of one topic that its partition logs obey."""

    max_message_bytes: int = 1_048_588
    """Largest record batch accepted, header included."""
    message_timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    """Whether records keep the producer's timestamps or get the broker's wall clock at append."""
    message_timestamp_before_max_ms: int = _INT64_MAX
    """How far a producer's timestamp may lie in the past. Ignored with LogAppendTime."""
    message_timestamp_after_max_ms: int = 3_600_000
    """How far a producer's timestamp may lie in the future. Ignored with LogAppendTime."""
    compression_type: str = "producer"
    """Shown to whoever asks. The log keeps every batch as its producer compressed it, which any consumer can read."""
    cleanup_policy: str = "delete"
    """`delete`, `compact` or both, separated by a comma. `compact` demands a key of every record."""
    retention_ms: int = 604_800_000
    """How long a batch is kept after its largest timestamp; -1 for ever. Only with `delete`."""
    retention_bytes: int = -1
    """How many bytes of batches a partition keeps; -1 for no limit. Only with `delete`."""

    min_cleanable_dirty_ratio: float = 0.5
    """Compaction begins when more than this share of a partition is uncompacted. This and the next only with
    `compact`.
    """
    min_compaction_lag_ms: int = 0
    """How long at least a record is not compacted."""
    max_compaction_lag_ms: int = _INT64_MAX
    """After what time a record is compacted whatever its share."""
    delete_retention_ms: int = 86_400_000
    """How long a tombstone stays once compaction has left nothing else of its key."""

    @property
    def uses_log_append_time(self) -> bool:
        """Whether the broker gives the timestamps."""
        return self.message_timestamp_type == "LogAppendTime"

    @property
    def is_compacted(self) -> bool:
        """Whether the newest record of a key replaces the older ones."""
        return "compact" in self.cleanup_policy

    @property
    def is_deleted(self) -> bool:
        """Whether time and size make batches go."""
        return "delete" in self.cleanup_policy
