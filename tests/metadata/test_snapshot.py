"""Metadata snapshots: an image as records, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError
from dotkafka.metadata.image import BROKER_RESOURCE, MetadataImage, MetadataRecord
from dotkafka.metadata.snapshot import Leader, decode_metadata_snapshot, encode_metadata_snapshot, image_records
from dotkafka.protocol.messages.metadata_records import (
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
)

LEADER = Leader(node_id=7, epoch=3)
CONFIGS = st.dictionaries(st.sampled_from(["retention.ms", "segment.ms", "x"]), st.text(max_size=5), max_size=3)


@st.composite
def images(draw: st.DrawFn) -> MetadataImage:
    """An image as changes make it: topics come, go and come again, and have settings; so have brokers."""
    records: list[MetadataRecord] = []
    alive: dict[str, bytes] = {}
    for number, (name, count, configs) in enumerate(
        draw(st.lists(st.tuples(st.sampled_from(["a", "b.c", "b-c", "d_e"]), st.integers(1, 3), CONFIGS), max_size=8))
    ):
        if name in alive:
            records.append(RemoveTopicRecord(topic_id=alive.pop(name)))
            continue
        topic_id = alive[name] = number.to_bytes(16, "big")
        records.append(TopicRecord(name=name, topic_id=topic_id))
        records += [ConfigRecord(2, name, key, value) for key, value in configs.items()]
        records += [PartitionRecord(partition_id=index, topic_id=topic_id) for index in range(count)]
    for broker in draw(st.sets(st.sampled_from(["", "1"]))):
        records += [ConfigRecord(BROKER_RESOURCE, broker, key, value) for key, value in draw(CONFIGS).items()]
    records.append(ProducerIdsRecord(next_producer_id=draw(st.integers(0, 2**40))))
    return MetadataImage().apply(*records)


@given(images(), st.integers(0, 2**62))
def test_an_image_comes_back_from_its_snapshot(image: MetadataImage, end_offset: int) -> None:
    """The records of a snapshot make the image that it was taken of, and say of which offset."""
    restored_offset, records = decode_metadata_snapshot(encode_metadata_snapshot(image, end_offset, LEADER, wall_ms=5))
    assert restored_offset == end_offset
    assert MetadataImage().apply(*records) == image
    assert records == list(image_records(image, LEADER))


def test_a_large_image_is_many_batches() -> None:
    """More records than one batch holds come back in their order."""
    records: list[MetadataRecord] = [TopicRecord(name="t", topic_id=b"t" * 16)]
    records += [PartitionRecord(partition_id=index, topic_id=b"t" * 16) for index in range(2500)]
    image = MetadataImage().apply(*records)
    _, restored = decode_metadata_snapshot(encode_metadata_snapshot(image, 1, LEADER, wall_ms=0))
    assert [record.partition_id for record in restored if isinstance(record, PartitionRecord)] == list(range(2500))


def test_partitions_have_their_leader() -> None:
    """A tool that reads the records finds the one broker as leader and replica of each partition."""
    image = MetadataImage().apply(
        TopicRecord(name="t", topic_id=b"t" * 16), PartitionRecord(partition_id=0, topic_id=b"t" * 16)
    )
    (_, partition) = image_records(image, LEADER)
    assert isinstance(partition, PartitionRecord)
    assert (partition.leader, partition.leader_epoch, partition.replicas, partition.isr) == (7, 3, (7,), (7,))


@pytest.mark.parametrize("cut", [0, 7, 9, 60, -1])
def test_a_cut_snapshot_is_refused(cut: int) -> None:
    """Less than all of it is an error, never a smaller image."""
    image = MetadataImage().apply(TopicRecord(name="t", topic_id=b"t" * 16))
    data = encode_metadata_snapshot(image, 1, LEADER, wall_ms=0)
    with pytest.raises(DecodeError):
        decode_metadata_snapshot(data[:cut])
