"""The `.snapshot` files beside a partition's log: what it knows of its producers.

A file is an int16 version and the body. The CRC-32C is that of all bytes after it.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int16, Int32, Int64, Message, UInt32, field, struct


@struct
class ProducerSnapshot:
    """The producers."""

    crc: UInt32 = field()
    producer_entries: Array[ProducerEntry] = field()


@struct
class ProducerEntry:
    """One producer: its last batch, and where its open transaction starts, or -1."""

    producer_id: Int64 = field()
    epoch: Int16 = field()
    last_sequence: Int32 = field()
    last_offset: Int64 = field()
    offset_delta: Int32 = field()
    timestamp: Int64 = field()
    coordinator_epoch: Int32 = field()
    current_txn_first_offset: Int64 = field()


PRODUCER_SNAPSHOT = Message(ProducerSnapshot, versions="1")
