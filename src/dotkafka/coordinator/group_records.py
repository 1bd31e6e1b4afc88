"""What `__consumer_offsets` holds: the records of groups and offsets, as messages and as bytes.

A key is two bytes that say what kind of record it is, then the key's message at its only version. A value is two bytes
of version, then the message at that version. Kinds 0 and 1 are committed offsets (0 was written by the oldest brokers),
kind 2 is a group. A record without a value forgets its key.
"""

import struct
from collections.abc import Iterable
from typing import Any, Final

from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.errors import DecodeError
from dotkafka.protocol.messages.consumer_offsets import (
    GROUP_METADATA_KEY,
    GROUP_METADATA_VALUE,
    OFFSET_COMMIT_KEY,
    OFFSET_COMMIT_VALUE,
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_SUBSCRIPTION
from dotkafka.protocol.schema import Buffer, Message

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
"""The protocol type of consumers: the metadata and assignments of such a group can be read here too."""

GROUP_METADATA_VALUE_VERSION: Final = 3
"""What Kafka writes: the newest version that is not flexible, for the sake of older readers."""

OFFSET_COMMIT_VALUE_VERSION: Final = 4
"""What Kafka writes since it keeps topic ids with offsets (4.1)."""

SUBSCRIPTION_MAX_BYTES: Final = 1_048_588
"""A larger subscription is not looked into: by Kafka's defaults no record of `__consumer_offsets` could hold it."""

_LEGACY_OFFSET_COMMIT: Final = 0
_OFFSET_COMMIT: Final = 1
_GROUP_METADATA: Final = 2

_KINDS: Final[dict[int, tuple[Message[Any], Message[Any]]]] = {
    _LEGACY_OFFSET_COMMIT: (OFFSET_COMMIT_KEY, OFFSET_COMMIT_VALUE),
    _OFFSET_COMMIT: (OFFSET_COMMIT_KEY, OFFSET_COMMIT_VALUE),
    _GROUP_METADATA: (GROUP_METADATA_KEY, GROUP_METADATA_VALUE),
}
_KIND_OF_KEY: Final[dict[type, int]] = {OffsetCommitKey: _OFFSET_COMMIT, GroupMetadataKey: _GROUP_METADATA}
_INT16: Final = struct.Struct(">h")


def group_metadata_record(group_id: str, value: GroupMetadataValue) -> CoordinatorRecord:
    """The record that a group stands for."""
    return CoordinatorRecord(GroupMetadataKey(group=group_id), value, GROUP_METADATA_VALUE_VERSION)


def group_tombstone(group_id: str) -> CoordinatorRecord:
    """The record that a group is no more."""
    return CoordinatorRecord(GroupMetadataKey(group=group_id), None)


def offset_commit_record(group_id: str, topic: str, partition: int, value: OffsetCommitValue) -> CoordinatorRecord:
    """The record of a committed offset.

    The version is the one that Kafka writes since 4.1, except that version 1 alone has an expire timestamp.
    """
    version = OFFSET_COMMIT_VALUE_VERSION if value.expire_timestamp == -1 else 1
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), value, version)


def offset_tombstone(group_id: str, topic: str, partition: int) -> CoordinatorRecord:
    """The record that an offset is committed no more."""
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), None)


def encode_key(record: CoordinatorRecord) -> bytes:
    """The bytes of a record's key.

    Raises:
        EncodeError: a value does not fit.
    """
    kind = _KIND_OF_KEY[type(record.key)]
    return _INT16.pack(kind) + _KINDS[kind][0].encode(0, record.key)


def encode_value(record: CoordinatorRecord) -> bytes | None:
    """The bytes of a record's value; None for a tombstone.

    Raises:
        EncodeError: a value does not fit.
    """
    if record.value is None:
        return None
    message = _KINDS[_KIND_OF_KEY[type(record.key)]][1]
    return _INT16.pack(record.value_version) + message.encode(record.value_version, record.value)


def decode_record(key: Buffer, value: Buffer | None) -> CoordinatorRecord | None:
    """The record that was written as these bytes; None for a kind that is not known here.

    Raises:
        DecodeError: the bytes are not a record of `__consumer_offsets`.
    """
    kind = _read_int16(key)
    if kind not in _KINDS:
        return None
    key_message, value_message = _KINDS[kind]
    key_struct = key_message.decode(0, key, _INT16.size)
    if value is None:
        return CoordinatorRecord(key_struct, None)
    version = _read_int16(value)
    return CoordinatorRecord(key_struct, value_message.decode(version, value, _INT16.size), version)


def subscribed_topics(subscriptions: Iterable[Buffer]) -> frozenset[str] | None:
    """The topics that consumers subscribe to, by the metadata they joined with; None if any of it cannot be read.

    Each subscription is two bytes of version and a message; the first version is the beginning of every later one.
    """
    topics: set[str] = set()
    for subscription in subscriptions:
        if len(subscription) > SUBSCRIPTION_MAX_BYTES:
            return None
        try:
            topics.update(CONSUMER_PROTOCOL_SUBSCRIPTION.decode(0, subscription, _INT16.size).topics)
        except DecodeError:
            return None
    return frozenset(topics)


def _read_int16(data: Buffer) -> int:
    if len(data) < _INT16.size:
        raise DecodeError(f"a coordinator record of {len(data)} bytes has no room for its type or version")
    value: int = _INT16.unpack_from(data)[0]
    return value
