"""DeleteTopics (key 20): delete topics.

- 0-5: by name. 5: error messages. 6: by name or by id.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, Uuid, field, struct


@struct
class DeleteTopicsRequest:
    """The topics to delete: `topic_names` before version 6, `topics` since."""

    topics: Array[DeleteTopicState] = field("6+")
    topic_names: Array[String] = field("0-5", ignorable=True)
    timeout_ms: Int32 = field()


@struct
class DeleteTopicState:
    """One topic, by name or by id, never by both."""

    name: String | None = field("6+", nullable="6+", default=None)
    topic_id: Uuid = field("6+")


@struct
class DeleteTopicsResponse:
    """What became of each topic."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    responses: Array[DeletableTopicResult] = field()


@struct
class DeletableTopicResult:
    """What became of one topic."""

    name: String | None = field(nullable="6+")
    topic_id: Uuid = field("6+", ignorable=True)
    error_code: Int16 = field()
    error_message: String | None = field("5+", nullable="5+", default=None, ignorable=True)


DELETE_TOPICS = Api(20, versions="0-6", flexible="4+", request=DeleteTopicsRequest, response=DeleteTopicsResponse)
