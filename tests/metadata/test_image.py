"""The metadata image: what records make of it."""

from hypothesis import given
from hypothesis import strategies as st

from dotkafka.metadata.image import (
    BROKER_RESOURCE,
    TOPIC_RESOURCE,
    ConfigResource,
    MetadataImage,
    MetadataRecord,
    TopicImage,
)
from dotkafka.protocol.messages.metadata_records import (
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from dotkafka.storage.spi import TopicIdPartition

A, B = b"a" * 16, b"b" * 16


def topic_config(name: str, value: str | None, topic: str = "orders") -> ConfigRecord:
    """A record that sets a setting of a topic."""
    return ConfigRecord(resource_type=TOPIC_RESOURCE, resource_name=topic, name=name, value=value)


CREATED = MetadataImage().apply(
    TopicRecord(name="orders", topic_id=A),
    topic_config("retention.ms", "5"),
    PartitionRecord(partition_id=0, topic_id=A),
    PartitionRecord(partition_id=1, topic_id=A),
)


def test_a_topic_is_found_by_name_and_by_id() -> None:
    """Topic, setting and partition records together make one topic, whichever way it is looked up."""
    topic = CREATED.topics_by_name["orders"]
    assert topic == TopicImage("orders", A, 2, {"retention.ms": "5"})
    assert CREATED.topics_by_id[A] is topic
    assert list(CREATED.partitions()) == [TopicIdPartition(A, 0), TopicIdPartition(A, 1)]
    assert CREATED.partition_count == 2


def test_an_image_never_changes() -> None:
    """Applying records leaves the image that they are applied to as it was."""
    CREATED.apply(RemoveTopicRecord(topic_id=A))
    CREATED.apply(topic_config("retention.ms", None))
    CREATED.apply(PartitionRecord(partition_id=2, topic_id=A))
    assert CREATED.topics_by_name["orders"] == TopicImage("orders", A, 2, {"retention.ms": "5"})


def test_a_removed_topic_leaves_nothing_behind() -> None:
    """A removed topic is gone under its name and its id, with its settings, and its name is free."""
    removed = CREATED.apply(RemoveTopicRecord(topic_id=A))
    assert removed == MetadataImage()
    again = removed.apply(TopicRecord(name="orders", topic_id=B), PartitionRecord(partition_id=0, topic_id=B))
    assert again.topics_by_name["orders"] == TopicImage("orders", B, 1, {})


def test_partitions_are_added_to_those_there_are() -> None:
    """Later partition records make a topic grow and nothing else."""
    grown = CREATED.apply(PartitionRecord(partition_id=2, topic_id=A), PartitionRecord(partition_id=3, topic_id=A))
    assert grown.topics_by_id[A] == TopicImage("orders", A, 4, {"retention.ms": "5"})


def test_settings_of_other_resources_are_kept_apart() -> None:
    """A broker's settings are under its resource, and a resource without settings is not there."""
    record = ConfigRecord(resource_type=BROKER_RESOURCE, resource_name="1", name="log.retention.ms", value="7")
    configured = MetadataImage().apply(record)
    assert configured.configs == {ConfigResource(BROKER_RESOURCE, "1"): {"log.retention.ms": "7"}}
    record.value = None
    assert configured.apply(record) == MetadataImage()


def test_producer_ids_are_remembered() -> None:
    """The next producer id is the last one recorded."""
    assert MetadataImage().apply(ProducerIdsRecord(next_producer_id=1000)).next_producer_id == 1000


def test_a_collision_is_seen_until_the_topic_is_removed() -> None:
    """A name collides with an existing topic whose name differs in `.` and `_` alone, not with itself."""
    image = MetadataImage().apply(TopicRecord(name="a.b", topic_id=A))
    assert image.colliding_topic("a_b") == "a.b"
    assert image.colliding_topic("a.b") is None
    assert image.colliding_topic("a-b") is None
    assert image.apply(RemoveTopicRecord(topic_id=A)).colliding_topic("a_b") is None


RECORDS: list[MetadataRecord] = [
    TopicRecord(name="orders", topic_id=A),
    PartitionRecord(partition_id=0, topic_id=A),
    topic_config("retention.ms", "5"),
    TopicRecord(name="a.b", topic_id=B),
    PartitionRecord(partition_id=0, topic_id=B),
    topic_config("retention.ms", None),
    PartitionRecord(partition_id=1, topic_id=A),
    ProducerIdsRecord(next_producer_id=1000),
    RemoveTopicRecord(topic_id=A),
    ConfigRecord(resource_type=BROKER_RESOURCE, resource_name="", name="x", value="y"),
]


@given(st.lists(st.integers(0, len(RECORDS)), max_size=5))
def test_it_does_not_matter_how_records_are_grouped(cuts: list[int]) -> None:
    """Replaying records one by one, in batches or all at once gives the same image."""
    image = MetadataImage()
    start = 0
    for end in [*sorted(cuts), len(RECORDS)]:
        image = image.apply(*RECORDS[start:end])
        start = end
    assert image == MetadataImage().apply(*RECORDS)
