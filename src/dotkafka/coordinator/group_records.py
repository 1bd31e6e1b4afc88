"""What `__consumer_offsets` holds: the records of groups and offsets, as messages and as bytes.

A key is two bytes that say what kind of record it is, then the key's message at its only version. A value is two bytes
of version, then the message at that version. Kinds 0 and 1 are committed offsets (0 was written by the oldest brokers),
kind 2 is a classic group, kinds 3 to 8 and 16 are parts of a consumer group (KIP-848). A record without a value forgets
its key.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.errors import DecodeError
from dotkafka.protocol.messages import consumer_group_records as consumer_groups
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
from dotkafka.protocol.messages.consumer_protocol import (
    CONSUMER_PROTOCOL_ASSIGNMENT,
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
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
    3: (consumer_groups.CONSUMER_GROUP_METADATA_KEY, consumer_groups.CONSUMER_GROUP_METADATA_VALUE),
    4: (consumer_groups.CONSUMER_GROUP_PARTITION_METADATA_KEY, consumer_groups.CONSUMER_GROUP_PARTITION_METADATA_VALUE),
    5: (consumer_groups.CONSUMER_GROUP_MEMBER_METADATA_KEY, consumer_groups.CONSUMER_GROUP_MEMBER_METADATA_VALUE),
    6: (
        consumer_groups.CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
        consumer_groups.CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
    ),
    7: (
        consumer_groups.CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY,
        consumer_groups.CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE,
    ),
    8: (
        consumer_groups.CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
        consumer_groups.CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    ),
    16: (
        consumer_groups.CONSUMER_GROUP_REGULAR_EXPRESSION_KEY,
        consumer_groups.CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE,
    ),
}
_KIND_OF_KEY: Final[dict[type, int]] = {key.struct: kind for kind, (key, _) in _KINDS.items() if kind != 0}
CONSUMER_GROUP_KEYS: Final = tuple(key.struct for kind, (key, _) in _KINDS.items() if kind > _GROUP_METADATA)
"""The keys of records that a consumer group is made of."""
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


def group_of(key: Any) -> str:
    """The group that a record with this key belongs to."""
    group_id: str = key.group_id if isinstance(key, CONSUMER_GROUP_KEYS) else key.group
    return group_id


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


def decode_subscription(data: Buffer) -> ConsumerProtocolSubscription:
    """What a consumer of the classic protocol wants. A version that is not known yet is read as the last known one.

    Raises:
        DecodeError: it cannot be read, or is larger than any that Kafka could store.
    """
    if len(data) > SUBSCRIPTION_MAX_BYTES:
        raise DecodeError(f"a subscription of {len(data)} bytes is too large")
    version = min(_read_int16(data), CONSUMER_PROTOCOL_SUBSCRIPTION.versions.highest)
    return CONSUMER_PROTOCOL_SUBSCRIPTION.decode(version, data, _INT16.size)


def decode_assignment(data: Buffer) -> ConsumerProtocolAssignment:
    """What a consumer of the classic protocol has. A version that is not known yet is read as the last known one.

    Raises:
        DecodeError: it cannot be read.
    """
    version = min(_read_int16(data), CONSUMER_PROTOCOL_ASSIGNMENT.versions.highest)
    return CONSUMER_PROTOCOL_ASSIGNMENT.decode(version, data, _INT16.size)


def encode_assignment(partitions: Mapping[str, Iterable[int]], version: int) -> bytes:
    """What a consumer of the classic protocol has, by topic, in the version of its subscription as far as known."""
    version = min(max(version, 0), CONSUMER_PROTOCOL_ASSIGNMENT.versions.highest)
    assignment = ConsumerProtocolAssignment(
        assigned_partitions=[
            ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=list(indexes))
            for topic, indexes in sorted(partitions.items())
        ]
    )
    return _INT16.pack(version) + CONSUMER_PROTOCOL_ASSIGNMENT.encode(version, assignment)


def _read_int16(data: Buffer) -> int:
    if len(data) < _INT16.size:
        raise DecodeError(f"a coordinator record of {len(data)} bytes has no room for its type or version")
    value: int = _INT16.unpack_from(data)[0]
    return value
