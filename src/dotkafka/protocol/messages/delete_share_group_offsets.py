"""DeleteShareGroupOffsets (key 92): let an empty share group forget topics (KIP-932)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, Uuid, field, struct


@struct
class DeleteShareGroupOffsetsRequest:
    """The group and the topics."""

    group_id: String = field()
    topics: Array[DeleteShareGroupOffsetsRequestTopic] = field()


@struct
class DeleteShareGroupOffsetsRequestTopic:
    """One topic."""

    topic_name: String = field()


@struct
class DeleteShareGroupOffsetsResponse:
    """What became of each topic."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    responses: Array[DeleteShareGroupOffsetsResponseTopic] = field()


@struct
class DeleteShareGroupOffsetsResponseTopic:
    """What became of one topic."""

    topic_name: String = field()
    topic_id: Uuid = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


DELETE_SHARE_GROUP_OFFSETS = Api(
    92, versions="0", flexible="0+", request=DeleteShareGroupOffsetsRequest, response=DeleteShareGroupOffsetsResponse
)
