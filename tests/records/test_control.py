"""Control batches: the markers that end transactions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.records.batch import decode_records, read_header
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker, parse_control_record
from dotkafka.records.record import Record

COMMIT = bytes.fromhex("00000001")


@pytest.mark.parametrize(
    ("control_type", "key"), [(ControlRecordType.ABORT, "00000000"), (ControlRecordType.COMMIT, "00000001")]
)
def test_marker(control_type: ControlRecordType, key: str) -> None:
    """A marker is a transactional control batch of one record, without a sequence, in Kafka's bytes."""
    marker = ControlRecord(control_type, 7)
    batch = encode_end_txn_marker(
        marker, producer_id=5, producer_epoch=2, timestamp_ms=1_000, base_offset=40, partition_leader_epoch=3
    )
    header = read_header(batch)
    assert header.is_control
    assert header.is_transactional
    assert (header.base_offset, header.partition_leader_epoch, header.record_count) == (40, 3, 1)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 2, -1)
    (record,) = decode_records(batch)
    assert record == Record(40, 1_000, bytes.fromhex(key), bytes.fromhex("0000 00000007"))
    assert parse_control_record(record) == marker


def test_coordinator_epoch_out_of_range_is_refused() -> None:
    """An epoch that is no int32 is an EncodeError."""
    with pytest.raises(EncodeError):
        encode_end_txn_marker(
            ControlRecord(ControlRecordType.ABORT, 2**31), producer_id=1, producer_epoch=1, timestamp_ms=0
        )


@pytest.mark.parametrize("type_number", [-1, 2, 3, 6, 99])
def test_unknown_types_are_skipped(type_number: int) -> None:
    """KRaft's types, and those to come, are none of ours, whatever their value is."""
    key = b"\x00\x00" + type_number.to_bytes(2, "big", signed=True)
    assert parse_control_record(Record(0, 0, key, None)) is None


def test_newer_versions_are_read_as_the_highest_known() -> None:
    """Further bytes of newer versions are ignored."""
    record = Record(0, 0, bytes.fromhex("0005 0001 aabb"), bytes.fromhex("0009 00000003 ccdd"))
    assert parse_control_record(record) == ControlRecord(ControlRecordType.COMMIT, 3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b""),
        (b"", b""),
        (COMMIT[:3], bytes(6)),
        (COMMIT, None),
        (COMMIT, b"\x00"),
        (COMMIT, bytes(5)),
        (b"\xff\xff\x00\x01", bytes(6)),
        (COMMIT, b"\xff\xff" + bytes(4)),
    ],
)
def test_damaged_marker_is_refused(key: bytes | None, value: bytes | None) -> None:
    """A marker that is cut short or has a negative version is a DecodeError."""
    with pytest.raises(DecodeError):
        parse_control_record(Record(0, 0, key, value))


@given(st.none() | st.binary(max_size=8), st.none() | st.binary(max_size=8))
def test_noise_is_read_or_refused(key: bytes | None, value: bytes | None) -> None:
    """No other exception than DecodeError leaves."""
    try:
        marker = parse_control_record(Record(0, 0, key, value))
    except DecodeError:
        return
    assert marker is None or marker.type in ControlRecordType
