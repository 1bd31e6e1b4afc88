"""Records that brokers write for themselves, as JSON: those of Kafka's internal topics, and control records of any log.

What they hold stands under Kafka's names, in the form that `kafka-dump-log` prints: in coordinator topics a key is
`{"type": "1", "data": {...}}` and a value `{"version": "4", "data": {...}}`; a value of `__cluster_metadata` is
`{"type": "TOPIC_RECORD", "version": 0, "data": {...}}`. Subscriptions and assignments of consumers, which are bytes
inside the record of their group, are shown decoded too.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from dotkafka.errors import DecodeError
from dotkafka.protocol.json_codec import JsonObject, to_json
from dotkafka.protocol.messages import consumer_group_records as consumer_groups
from dotkafka.protocol.messages import consumer_offsets as offsets
from dotkafka.protocol.messages import control_records as control
from dotkafka.protocol.messages import metadata_records as metadata
from dotkafka.protocol.messages import share_group_records as share_groups
from dotkafka.protocol.messages import share_group_state as share_state
from dotkafka.protocol.messages import streams_group_records as streams_groups
from dotkafka.protocol.messages import transaction_state as transactions
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_ASSIGNMENT, CONSUMER_PROTOCOL_SUBSCRIPTION
from dotkafka.protocol.primitives import decode_unsigned_varint
from dotkafka.records.json_records import record_to_json

if TYPE_CHECKING:
    from types import ModuleType

    from dotkafka.protocol.primitives import Buffer
    from dotkafka.protocol.schema import Message
    from dotkafka.records.record import Record

CLUSTER_METADATA: Final = "__cluster_metadata"


def _pairs(module: ModuleType, names: dict[int, str]) -> dict[int, tuple[Message[Any], Message[Any]]]:
    return {
        number: (getattr(module, f"{name}_KEY"), getattr(module, f"{name}_VALUE")) for number, name in names.items()
    }


COORDINATOR_RECORDS: Final = {
    "__consumer_offsets": {
        # What Kafka before 0.9 wrote under type 0 has the layout of type 1.
        **_pairs(offsets, {0: "OFFSET_COMMIT", 1: "OFFSET_COMMIT", 2: "GROUP_METADATA"}),
        **_pairs(
            consumer_groups,
            {
                3: "CONSUMER_GROUP_METADATA",
                4: "CONSUMER_GROUP_PARTITION_METADATA",
                5: "CONSUMER_GROUP_MEMBER_METADATA",
                6: "CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA",
                7: "CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER",
                8: "CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT",
                16: "CONSUMER_GROUP_REGULAR_EXPRESSION",
            },
        ),
        **_pairs(
            share_groups,
            {
                10: "SHARE_GROUP_MEMBER_METADATA",
                11: "SHARE_GROUP_METADATA",
                12: "SHARE_GROUP_TARGET_ASSIGNMENT_METADATA",
                13: "SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER",
                14: "SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT",
                15: "SHARE_GROUP_STATE_PARTITION_METADATA",
            },
        ),
        **_pairs(
            streams_groups,
            {
                17: "STREAMS_GROUP_METADATA",
                19: "STREAMS_GROUP_MEMBER_METADATA",
                20: "STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA",
                21: "STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER",
                22: "STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT",
                23: "STREAMS_GROUP_TOPOLOGY",
            },
        ),
    },
    "__transaction_state": _pairs(transactions, {0: "TRANSACTION_LOG"}),
    "__share_group_state": _pairs(share_state, {0: "SHARE_SNAPSHOT", 1: "SHARE_UPDATE"}),
}
"""By topic and record type, the messages of key and value. A key has version 0. In front of both stands an int16: the
type, and the value's version."""

METADATA_RECORDS: Final[dict[int, Message[Any]]] = {
    0: metadata.REGISTER_BROKER_RECORD,
    1: metadata.UNREGISTER_BROKER_RECORD,
    2: metadata.TOPIC_RECORD,
    3: metadata.PARTITION_RECORD,
    4: metadata.CONFIG_RECORD,
    5: metadata.PARTITION_CHANGE_RECORD,
    7: metadata.FENCE_BROKER_RECORD,
    8: metadata.UNFENCE_BROKER_RECORD,
    9: metadata.REMOVE_TOPIC_RECORD,
    10: metadata.DELEGATION_TOKEN_RECORD,
    11: metadata.USER_SCRAM_CREDENTIAL_RECORD,
    12: metadata.FEATURE_LEVEL_RECORD,
    14: metadata.CLIENT_QUOTA_RECORD,
    15: metadata.PRODUCER_IDS_RECORD,
    17: metadata.BROKER_REGISTRATION_CHANGE_RECORD,
    18: metadata.ACCESS_CONTROL_ENTRY_RECORD,
    19: metadata.REMOVE_ACCESS_CONTROL_ENTRY_RECORD,
    20: metadata.NO_OP_RECORD,
    21: metadata.ZK_MIGRATION_STATE_RECORD,
    22: metadata.REMOVE_USER_SCRAM_CREDENTIAL_RECORD,
    23: metadata.BEGIN_TRANSACTION_RECORD,
    24: metadata.END_TRANSACTION_RECORD,
    25: metadata.ABORT_TRANSACTION_RECORD,
    26: metadata.REMOVE_DELEGATION_TOKEN_RECORD,
    27: metadata.REGISTER_CONTROLLER_RECORD,
    28: metadata.CLEAR_ELR_RECORD,
}
"""The records of `__cluster_metadata` by type."""

CONTROL_RECORDS: Final[dict[int, tuple[str, Message[Any]]]] = {
    0: ("ABORT", control.END_TXN_MARKER),
    1: ("COMMIT", control.END_TXN_MARKER),
    2: ("LEADER_CHANGE", control.LEADER_CHANGE_MESSAGE),
    3: ("SNAPSHOT_HEADER", control.SNAPSHOT_HEADER_RECORD),
    4: ("SNAPSHOT_FOOTER", control.SNAPSHOT_FOOTER_RECORD),
    5: ("KRAFT_VERSION", control.KRAFT_VERSION_RECORD),
    6: ("KRAFT_VOTERS", control.VOTERS_RECORD),
}
"""The records of control batches by type, with the type's name."""

_WORD_STARTS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FRAME_VERSION: Final = 1
_INT16: Final = Struct(">h")
_CONTROL_KEY: Final = Struct(">hh")


def internal_record_to_json(record: Record, topic: str, *, is_control: bool = False) -> JsonObject:
    """Return a record of that topic with its key and value decoded, as `record_to_json` where nothing is known of them.

    A control record, which any topic may have, has `control` in place of key and value. What cannot be decoded is shown
    as `record_to_json` shows it, with an `error`.
    """
    node = record_to_json(record)
    try:
        if is_control:
            decoded = {"control": _control(record)}
        elif topic == CLUSTER_METADATA:
            decoded = {"value": _metadata(record.value or b"")}
        elif topic in COORDINATOR_RECORDS:
            decoded = _coordinator(topic, record)
        else:
            return node
    except DecodeError as error:
        return node | {"error": str(error)}
    place = {"offset": record.offset, "timestamp": record.timestamp_ms}
    return place | decoded | {"headers": node["headers"]}


def _control(record: Record) -> JsonObject:
    key, value = record.key or b"", record.value or b""
    if len(key) < _CONTROL_KEY.size:
        raise DecodeError("the key of a control record is cut short")
    _, number = _CONTROL_KEY.unpack_from(key)
    if number not in CONTROL_RECORDS:
        raise DecodeError(f"a control record of type {number} is unknown")
    name, message = CONTROL_RECORDS[number]
    # An end of a transaction has its version in front of the body; the others have it as their first field.
    position = _INT16.size if message is control.END_TXN_MARKER else 0
    version = min(_int16(value), message.versions.highest)
    return {"type": name, "version": version, "data": _body(message, version, value, position)}


def _metadata(value: Buffer) -> JsonObject:
    frame_version, position = decode_unsigned_varint(value, 0)
    number, position = decode_unsigned_varint(value, position)
    version, position = decode_unsigned_varint(value, position)
    if frame_version != _FRAME_VERSION or number not in METADATA_RECORDS:
        raise DecodeError(f"a metadata record of type {number} in frame version {frame_version} is unknown")
    message = METADATA_RECORDS[number]
    name = _WORD_STARTS.sub("_", message.struct.__name__).upper()
    return {"type": name, "version": version, "data": _body(message, version, value, position)}


def _coordinator(topic: str, record: Record) -> JsonObject:
    key, value = record.key or b"", record.value
    number = _int16(key)
    if number not in COORDINATOR_RECORDS[topic]:
        raise DecodeError(f"a record of type {number} is unknown in {topic}")
    key_message, value_message = COORDINATOR_RECORDS[topic][number]
    node: JsonObject = {"key": {"type": str(number), "data": _body(key_message, 0, key, _INT16.size)}, "value": None}
    if value is not None:
        version = _int16(value)
        node["value"] = {"version": str(version), "data": _body(value_message, version, value, _INT16.size)}
    return node


def _body(message: Message[Any], version: int, data: Buffer, position: int) -> JsonObject:
    body = message.decode(version, data, position)
    node = to_json(message, version, body)
    if isinstance(body, offsets.GroupMetadataValue) and body.protocol_type == "consumer":
        for shown, member in zip(node["members"], body.members, strict=True):
            shown["subscription"] = _inner(CONSUMER_PROTOCOL_SUBSCRIPTION, member.subscription, shown["subscription"])
            shown["assignment"] = _inner(CONSUMER_PROTOCOL_ASSIGNMENT, member.assignment, shown["assignment"])
    return node


def _inner(message: Message[Any], data: bytes, undecoded: str) -> JsonObject | str:
    """Return what a member told others of its group. No broker has looked at it, so it may be any bytes."""
    try:
        version = min(_int16(data), message.versions.highest)
        return to_json(message, version, message.decode(version, data, _INT16.size))
    except DecodeError:
        return undecoded


def _int16(data: Buffer) -> int:
    if len(data) < _INT16.size:
        raise DecodeError(f"{len(data)} bytes are too few for a type or version")
    number: int = _INT16.unpack_from(data)[0]
    return number
