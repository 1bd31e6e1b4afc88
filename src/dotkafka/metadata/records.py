"""How a metadata record is written in `__cluster_metadata`: KRaft's framing.

    frame version  unsigned varint, 1
    record type    unsigned varint
    version        unsigned varint, of the body
    body

The record has no key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dotkafka.errors import DecodeError
from dotkafka.protocol.messages.metadata_records import (
    CONFIG_RECORD,
    PARTITION_RECORD,
    PRODUCER_IDS_RECORD,
    REMOVE_TOPIC_RECORD,
    TOPIC_RECORD,
)
from dotkafka.protocol.primitives import Buffer, decode_unsigned_varint, encode_unsigned_varint

if TYPE_CHECKING:
    from dotkafka.metadata.image import MetadataRecord
    from dotkafka.protocol.schema import Message

FRAME_VERSION: Final = 1

_MESSAGES: Final[dict[int, Message[Any]]] = {
    2: TOPIC_RECORD,
    3: PARTITION_RECORD,
    4: CONFIG_RECORD,
    9: REMOVE_TOPIC_RECORD,
    15: PRODUCER_IDS_RECORD,
}
_WRITTEN_VERSION: Final = 0
"""Of every body: later versions of a PartitionRecord add what only many brokers or many directories need."""
_FRAMES: Final = {
    message.struct: b"".join(map(encode_unsigned_varint, (FRAME_VERSION, record_type, _WRITTEN_VERSION)))
    for record_type, message in _MESSAGES.items()
}
_BY_STRUCT: Final = {message.struct: message for message in _MESSAGES.values()}


def encode_metadata_record(record: MetadataRecord) -> bytes:
    """Return the value of the record."""
    return _FRAMES[type(record)] + _BY_STRUCT[type(record)].encode(_WRITTEN_VERSION, record)


def decode_metadata_record(value: Buffer) -> MetadataRecord:
    """Return the record that a value holds.

    Raises:
        DecodeError: it is cut, or of a type or version that dotkafka does not write: its meaning would be lost.
    """
    frame_version, position = decode_unsigned_varint(value, 0)
    record_type, position = decode_unsigned_varint(value, position)
    version, position = decode_unsigned_varint(value, position)
    if frame_version != FRAME_VERSION or record_type not in _MESSAGES:
        raise DecodeError(f"a metadata record of type {record_type} in frame version {frame_version} is unknown")
    record: MetadataRecord = _MESSAGES[record_type].decode(version, value, position)
    return record
