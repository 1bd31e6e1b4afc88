"""The payload of one L1 entry: what happened to which partitions, in order.

    entry = item*
    item  = kind int8 | topic id 16 bytes | partition int32 | offset int64 | length int32 | data

Kind 1 carries record batches that follow one another, the first at `offset`. Kind 2 says that the log start offset
became `offset`, and carries nothing. Everything else that the broker remembers (topics, configs, groups) is itself
records in the batches of internal topics.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from dotkafka.errors import StorageFailed
from dotkafka.storage.spi import TopicIdPartition

BATCHES: Final = 1
LOG_START_OFFSET: Final = 2

_ITEM_HEADER = struct.Struct(">b16siqi")
ITEM_HEADER_SIZE: Final = _ITEM_HEADER.size


class WalItem(NamedTuple):
    """One thing that happened to one partition."""

    kind: int
    partition: TopicIdPartition
    offset: int
    data: memoryview


def item_header(kind: int, partition: TopicIdPartition, offset: int, length: int) -> bytes:
    """Return what precedes `length` bytes of data in an entry."""
    return _ITEM_HEADER.pack(kind, partition.topic_id, partition.partition, offset, length)


def items(payload: memoryview) -> Iterator[WalItem]:
    """Yield the items of an entry; their data are views of it.

    Raises:
        StorageFailed: the payload is not one that `item_header` and data make. The log's own checksum has passed by
        then,
            so another program or version wrote it.
    """
    position = 0
    end = len(payload)
    while position < end:
        if end - position < _ITEM_HEADER.size:
            raise StorageFailed(f"a log entry ends inside an item header at byte {position} of {end}")
        kind, topic_id, partition, offset, length = _ITEM_HEADER.unpack_from(payload, position)
        position += _ITEM_HEADER.size
        if kind not in {BATCHES, LOG_START_OFFSET} or not 0 <= length <= end - position:
            raise StorageFailed(f"a log entry holds an unknown item (kind {kind}, length {length}) at byte {position}")
        yield WalItem(kind, TopicIdPartition(topic_id, partition), offset, payload[position : position + length])
        position += length
