"""ReadShareGroupStateSummary (key 87): where a share group starts in partitions, without details (KIP-932).

- 1: how many records at or after the start are done with, to tell the lag (KIP-1226).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class ReadShareGroupStateSummaryRequest:
    """The group and the partitions."""

    group_id: String = field()
    topics: Array[ReadStateSummaryData] = field()


@struct
class ReadStateSummaryData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionData] = field()


@struct
class PartitionData:
    """One partition."""

    partition: Int32 = field()
    leader_epoch: Int32 = field()


@struct
class ReadShareGroupStateSummaryResponse:
    """The summary of each partition."""

    results: Array[ReadStateSummaryResult] = field()


@struct
class ReadStateSummaryResult:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionResult] = field()


@struct
class PartitionResult:
    """The summary of one partition."""

    partition: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    state_epoch: Int32 = field()
    leader_epoch: Int32 = field()
    start_offset: Int64 = field()
    delivery_complete_count: Int32 = field("1+", default=-1, ignorable=True)


READ_SHARE_GROUP_STATE_SUMMARY = Api(
    87,
    versions="0-1",
    flexible="0+",
    request=ReadShareGroupStateSummaryRequest,
    response=ReadShareGroupStateSummaryResponse,
)
