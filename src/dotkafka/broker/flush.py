"""Flush: what gathers for one entry of L1, of all partitions of a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.errors import StorageError
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.storage.spi import Buffer


class Flush:
    """What gathers for one entry of L1."""

    __slots__ = ("end_offsets", "moved_starts", "parts", "size_bytes", "waiters")

    def __init__(self) -> None:
        self.parts: list[Buffer] = []
        self.size_bytes = 0
        self.end_offsets: dict[PartitionLog, int] = {}
        """Where the high watermark of each partition goes when the flush is durable."""
        self.moved_starts: dict[PartitionLog, int] = {}
        """Where the log start offset of each partition goes then."""
        self.waiters: list[Callable[[StorageError | None], None]] = []

    def add(self, header: bytes, data: Buffer | None) -> None:
        """Take in one item of the entry."""
        self.parts.append(header)
        if data is not None:
            self.parts.append(data)
            self.size_bytes += len(data)
        self.size_bytes += len(header)
