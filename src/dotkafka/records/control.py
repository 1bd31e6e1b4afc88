"""Control batches: the markers with which the broker ends a producer's transaction on a partition.

A marker is a batch of its own with the transactional and the control flag, of one record. The record's key is an int16
version and an int16 type; for commit and abort its value is an int16 version and an `EndTxnMarker`. A version above the
highest known is read as that one, its further bytes ignored; types that are none of ours are skipped.

Source: KIP-98.
"""

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from dotkafka.errors import DecodeError
from dotkafka.protocol.messages.control_records import END_TXN_MARKER, EndTxnMarker
from dotkafka.records.batch import NO_PARTITION_LEADER_EPOCH, encode_batch
from dotkafka.records.record import Record

_KEY: Final = Struct(">hh")
_VERSION: Final = Struct(">h")
_CURRENT_VERSION: Final = 0


class ControlRecordType(IntEnum):
    """What a marker does to the transaction. KRaft's own types are not among them."""

    ABORT = 0
    COMMIT = 1


class ControlRecord(NamedTuple):
    """The end of a transaction, and the epoch of the coordinator that decided on it."""

    type: ControlRecordType
    coordinator_epoch: int


def encode_end_txn_marker(
    marker: ControlRecord,
    *,
    producer_id: int,
    producer_epoch: int,
    timestamp_ms: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
) -> bytearray:
    """Return the control batch that ends the producer's transaction.

    Raises:
        EncodeError: a number is out of the range of its field.
    """
    key = _KEY.pack(_CURRENT_VERSION, marker.type)
    body = END_TXN_MARKER.encode(_CURRENT_VERSION, EndTxnMarker(coordinator_epoch=marker.coordinator_epoch))
    return encode_batch(
        [Record(base_offset, timestamp_ms, key, _VERSION.pack(_CURRENT_VERSION) + body)],
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def parse_control_record(record: Record) -> ControlRecord | None:
    """Return what a record of a control batch says, or None if its type is not one of `ControlRecordType`.

    Raises:
        DecodeError: key or value are too short, or their version is negative.
    """
    if record.key is None or len(record.key) < _KEY.size:
        raise DecodeError("the key of a control record is cut short")
    version, type_number = _KEY.unpack_from(record.key)
    _check_version(version)
    if type_number not in ControlRecordType.__members__.values():
        return None
    if record.value is None or len(record.value) < _VERSION.size:
        raise DecodeError("the value of a control record is cut short")
    (version,) = _VERSION.unpack_from(record.value)
    _check_version(version)
    marker = END_TXN_MARKER.decode(_CURRENT_VERSION, record.value, _VERSION.size)
    return ControlRecord(ControlRecordType(type_number), marker.coordinator_epoch)


def _check_version(version: int) -> None:
    if version < 0:
        raise DecodeError(f"a control record has version {version}")
