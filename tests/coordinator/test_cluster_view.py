"""What the coordinator sees of the cluster."""

from dotkafka.coordinator.cluster_view import EmptyCluster, topics_hash
from dotkafka.metadata.image import MetadataImage
from dotkafka.protocol.messages.metadata_records import PartitionRecord, TopicRecord


def cluster(**topics: tuple[bytes, int]) -> MetadataImage:
    """Topics by name: first byte of the id, and partitions."""
    image = MetadataImage()
    for name, (letter, count) in topics.items():
        topic_id = letter * 16
        image = image.apply(
            TopicRecord(name=name, topic_id=topic_id),
            *(PartitionRecord(topic_id=topic_id, partition_id=index) for index in range(count)),
        )
    return image


def test_hash_of_what_does_not_exist_is_0() -> None:
    """As in Kafka."""
    assert topics_hash(EmptyCluster(), ["t"]) == 0
    assert topics_hash(cluster(t=(b"1", 1)), []) == 0


def test_hash_tells_what_matters_to_groups() -> None:
    """Another topic, an other incarnation or another number of partitions, in any order; and it fits 64 bits."""
    image = cluster(t=(b"1", 1), u=(b"2", 2))
    known = topics_hash(image, ["t", "u"])
    assert known == topics_hash(image, ["u", "t", "none"])
    others = {
        topics_hash(image, ["t"]),
        topics_hash(image, ["u"]),
        topics_hash(cluster(t=(b"1", 2), u=(b"2", 2)), ["t", "u"]),
        topics_hash(cluster(t=(b"3", 1), u=(b"2", 2)), ["t", "u"]),
    }
    assert known not in others
    assert len(others) == 4
    assert all(-(2**63) <= number < 2**63 for number in others)


def test_an_empty_cluster_has_nothing() -> None:
    """It stands in where nobody has told of any."""
    assert not EmptyCluster().topics_by_name
    assert not EmptyCluster().topics_by_id
    assert not EmptyCluster().group_configs("g")
