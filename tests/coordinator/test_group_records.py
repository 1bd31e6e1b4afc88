"""Records of `__consumer_offsets` are what Kafka writes and reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.coordinator.group_records import (
    CONSUMER_GROUP_KEYS,
    SUBSCRIPTION_MAX_BYTES,
    decode_record,
    encode_key,
    encode_value,
    group_metadata_record,
    group_tombstone,
    offset_commit_record,
    offset_tombstone,
    subscribed_topics,
)
from dotkafka.errors import DecodeError
from dotkafka.protocol.messages.consumer_offsets import (
    GROUP_METADATA_VALUE,
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)

MEMBER = MemberMetadata(
    member_id="m-1",
    group_instance_id="i1",
    client_id="c",
    client_host="/127.0.0.1",
    rebalance_timeout=5_000,
    session_timeout=6_000,
    subscription=b"s",
    assignment=b"a",
)
GROUP = GroupMetadataValue(
    protocol_type="consumer", generation=3, protocol="range", leader="m-1", current_state_timestamp=7, members=[MEMBER]
)


def test_offset_commit_bytes() -> None:
    """Key type 1, value version 4: the bytes that Kafka's own tools read."""
    value = OffsetCommitValue(offset=5, leader_epoch=2, metadata="md", commit_timestamp=9)
    record = offset_commit_record("grp", "top", 4, value)
    assert encode_key(record) == b"\x00\x01\x00\x03grp\x00\x03top\x00\x00\x00\x04"
    assert encode_value(record) == (
        b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x02\x03md\x00\x00\x00\x00\x00\x00\x00\x09\x00"
    )


def test_group_metadata_bytes() -> None:
    """Key type 2, value version 3, members with all they need to carry on."""
    record = group_metadata_record("grp", GROUP)
    assert encode_key(record) == b"\x00\x02\x00\x03grp"
    value = encode_value(record)
    assert value is not None
    assert value.startswith(b"\x00\x03\x00\x08consumer\x00\x00\x00\x03\x00\x05range\x00\x03m-1")
    assert decode_record(encode_key(record), value) == record


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (OffsetCommitValue(offset=1, metadata=""), 4),
        (OffsetCommitValue(offset=1, metadata="", expire_timestamp=9), 1),
        (OffsetCommitValue(offset=1, metadata="", topic_id=bytes(range(16))), 4),
    ],
)
def test_value_version_has_a_place_for_what_is_said(value: OffsetCommitValue, version: int) -> None:
    """The expire timestamp and the topic id are there when the record is read back."""
    record = offset_commit_record("g", "t", 0, value)
    assert record.value_version == version
    assert decode_record(encode_key(record), encode_value(record)) == record


@pytest.mark.parametrize("record", [group_tombstone("g"), offset_tombstone("g", "t", 1)])
def test_tombstones_have_no_value(record: CoordinatorRecord) -> None:
    """A tombstone is a key without a value, and is read back as one."""
    assert encode_value(record) is None
    assert decode_record(encode_key(record), None) == record


@pytest.mark.parametrize("version", range(5))
def test_all_versions_of_groups_are_read(version: int) -> None:
    """Groups that older or newer brokers wrote can be replayed."""
    value = version.to_bytes(2, "big") + GROUP_METADATA_VALUE.encode(version, GROUP)
    record = decode_record(encode_key(group_tombstone("g")), value)
    assert record is not None
    assert isinstance(record.value, GroupMetadataValue)
    assert record.value.members[0].assignment == b"a"
    assert record.value.members[0].rebalance_timeout == (-1 if version == 0 else 5_000)
    assert record.value.members[0].group_instance_id == (None if version < 3 else "i1")


def test_legacy_key_is_an_offset() -> None:
    """Key type 0, of the oldest brokers, is read like type 1."""
    key = b"\x00\x00" + encode_key(offset_tombstone("g", "t", 1))[2:]
    assert decode_record(key, None) == CoordinatorRecord(OffsetCommitKey(group="g", topic="t", partition=1), None)


def test_other_kinds_are_passed_over() -> None:
    """Records of other coordinators in the same topic are no error."""
    assert decode_record(b"\x00\x0b\x00\x01g", b"\x00\x00") is None


@given(st.binary(max_size=40), st.none() | st.binary(max_size=60))
def test_any_bytes_give_a_record_or_a_decode_error(key: bytes, value: bytes | None) -> None:
    """Nothing else escapes."""
    try:
        record = decode_record(key, value)
    except DecodeError:
        return
    assert record is None or isinstance(record.key, (OffsetCommitKey, GroupMetadataKey, *CONSUMER_GROUP_KEYS))


SUBSCRIPTION_V0 = b"\x00\x00\x00\x00\x00\x02\x00\x02t1\x00\x02t2\xff\xff\xff\xff"
SUBSCRIPTION_V3 = b"\x00\x03\x00\x00\x00\x01\x00\x02t3\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01"


def test_topics_of_any_version_of_the_subscription() -> None:
    """Every version begins like the first."""
    assert subscribed_topics([SUBSCRIPTION_V0, SUBSCRIPTION_V3]) == frozenset({"t1", "t2", "t3"})


@pytest.mark.parametrize(
    "broken", [b"", b"\x00", b"\x00\x00\x00", SUBSCRIPTION_V0[:9], bytes(SUBSCRIPTION_MAX_BYTES + 1)]
)
def test_one_broken_subscription_makes_topics_unknown(broken: bytes) -> None:
    """Topics are known of all members or of none."""
    assert subscribed_topics([SUBSCRIPTION_V0, broken]) is None
