"""Which batches may go by time and by size. Decides only; the owner then moves the log start offset."""

from collections.abc import Iterable

from dotkafka.log.config import LogConfig
from dotkafka.log.extents import Extent
from dotkafka.records.batch import NO_TIMESTAMP


def log_start_offset_after_retention(
    extents: Iterable[Extent], *, log_start_offset: int, size_bytes: int, config: LogConfig, now_ms: int
) -> int:
    """Return the offset at which the log should begin now; the present one if nothing may go.

    As in Kafka with its segments, batches go oldest first and the first that must stay stops it: by time, those whose
    largest timestamp is more than `retention.ms` ago; by size, those without which `retention.bytes` are still there.
    Batches without timestamps go by time only together with later ones that are too old.

    Args:
        extents: the durable batches in offset order, from the log start; read only as far as something may go.
        log_start_offset: the present one.
        size_bytes: of all batches.
        config: of the topic.
        now_ms: wall clock time, see `dotkafka.broker.retention`.
    """
    if not config.is_deleted:
        return log_start_offset
    may_expire = config.retention_ms >= 0
    oldest_kept_ms = now_ms - config.retention_ms
    excess_bytes = size_bytes - config.retention_bytes if config.retention_bytes >= 0 else -1
    for next_offset, extent_bytes, max_timestamp_ms in extents:
        excess_bytes -= extent_bytes
        if excess_bytes >= 0 or (may_expire and NO_TIMESTAMP < max_timestamp_ms < oldest_kept_ms):
            log_start_offset = max(next_offset, log_start_offset)
        elif not may_expire or max_timestamp_ms != NO_TIMESTAMP:
            break
    return log_start_offset
