"""CreatePartitions (key 37): add partitions to topics.

- 3: may answer THROTTLING_QUOTA_EXCEEDED.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, field, struct


@struct
class CreatePartitionsRequest:
    """The topics to grow."""

    topics: Array[CreatePartitionsTopic] = field()
    timeout_ms: Int32 = field()
    validate_only: Boolean = field()


@struct
class CreatePartitionsTopic:
    """One topic: `count` is the number of partitions it shall have in all; null assignments let the broker choose."""

    name: String = field()
    count: Int32 = field()
    assignments: Array[CreatePartitionsAssignment] | None = field(nullable="0+")


@struct
class CreatePartitionsAssignment:
    """The replicas of one new partition."""

    broker_ids: Array[Int32] = field()


@struct
class CreatePartitionsResponse:
    """What became of each topic."""

    throttle_time_ms: Int32 = field()
    results: Array[CreatePartitionsTopicResult] = field()


@struct
class CreatePartitionsTopicResult:
    """What became of one topic."""

    name: String = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


CREATE_PARTITIONS = Api(
    37, versions="0-3", flexible="2+", request=CreatePartitionsRequest, response=CreatePartitionsResponse
)
