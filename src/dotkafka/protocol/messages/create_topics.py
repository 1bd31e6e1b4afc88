"""CreateTopics (key 19): create topics.

- 1: `validate_only`, error messages. 4: partition count and replication factor may be -1 for the broker's defaults.
- 5: the answer has the topic's configuration (KIP-525). 7: the topic id.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, Uuid, field, struct


@struct
class CreateTopicsRequest:
    """The topics to create, or only to check."""

    topics: Array[CreatableTopic] = field()
    timeout_ms: Int32 = field(default=60000)
    validate_only: Boolean = field("1+")


@struct
class CreatableTopic:
    """One topic: counts of -1 stand for the broker's default, or for what `assignments` says."""

    name: String = field()
    num_partitions: Int32 = field()
    replication_factor: Int16 = field()
    assignments: Array[CreatableReplicaAssignment] = field()
    configs: Array[CreatableTopicConfig] = field()


@struct
class CreatableReplicaAssignment:
    """The replicas of one partition, chosen by the client."""

    partition_index: Int32 = field()
    broker_ids: Array[Int32] = field()


@struct
class CreatableTopicConfig:
    """One configuration key of the new topic."""

    name: String = field()
    value: String | None = field(nullable="0+")


@struct
class CreateTopicsResponse:
    """What became of each topic."""

    throttle_time_ms: Int32 = field("2+", ignorable=True)
    topics: Array[CreatableTopicResult] = field()


@struct
class CreatableTopicResult:
    """What became of one topic, and what it is like."""

    name: String = field()
    topic_id: Uuid = field("7+", ignorable=True)
    error_code: Int16 = field()
    error_message: String | None = field("1+", nullable="1+", ignorable=True)
    topic_config_error_code: Int16 = field("5+", tag=0, ignorable=True)
    num_partitions: Int32 = field("5+", default=-1, ignorable=True)
    replication_factor: Int16 = field("5+", default=-1, ignorable=True)
    configs: Array[CreatableTopicConfigs] | None = field("5+", nullable="5+", ignorable=True)


@struct
class CreatableTopicConfigs:
    """One configuration key that the new topic has."""

    name: String = field("5+")
    value: String | None = field("5+", nullable="5+")
    read_only: Boolean = field("5+")
    config_source: Int8 = field("5+", default=-1, ignorable=True)
    is_sensitive: Boolean = field("5+")


CREATE_TOPICS = Api(19, versions="0-7", flexible="5+", request=CreateTopicsRequest, response=CreateTopicsResponse)
