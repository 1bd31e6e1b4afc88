"""Which batches may go by time and by size. Decides only; the owner then moves the log start offset."""

from collections.abc import Iterable
from typing import NamedTuple

from dotkafka.clock import Instant
from dotkafka.log.config import LogConfig
from dotkafka.records.batch import NO_TIMESTAMP


class BatchExtent(NamedTuple):
    """What retention must know of one batch."""

    base_offset: int
    size_bytes: int
    max_timestamp_ms: int


def log_start_offset_after_retention(
    batches: Iterable[BatchExtent],
    *,
    log_start_offset: int,
    end_offset: int,
    total_bytes: int,
    config: LogConfig,
    now: Instant,
) -> int:
    """Return the offset at which the log should begin now; the present one if nothing may go.

    As in Kafka with its segments, batches go oldest first and the first that must stay stops it: by time, those whose
    largest timestamp is more than `retention.ms` ago; by size, those without which `retention.bytes` are still there.
    A batch without timestamps goes by time only together with a later one that is too old.

    Args:
        batches: in offset order, from the log start; read only as far as something may go.
        log_start_offset: the present one.
        end_offset: where the last of the batches ends; nothing beyond, so the high watermark.
        total_bytes: size of all batches.
        config: of the topic.
        now: its wall clock counts.
    """
    if not config.is_deleted:
        return log_start_offset
    may_expire = config.retention_ms >= 0
    excess_bytes = total_bytes - config.retention_bytes if config.retention_bytes >= 0 else 0
    oldest_kept_ms = now.wall_ms - config.retention_ms
    start_offset = log_start_offset
    pending = False
    for base_offset, size_bytes, max_timestamp_ms in batches:
        if not pending:
            start_offset = max(base_offset, log_start_offset)
        excess_bytes -= size_bytes
        if excess_bytes >= 0 or (may_expire and NO_TIMESTAMP < max_timestamp_ms < oldest_kept_ms):
            pending = False
        elif may_expire and max_timestamp_ms == NO_TIMESTAMP:
            pending = True
        else:
            return start_offset
    return start_offset if pending else max(end_offset, log_start_offset)
