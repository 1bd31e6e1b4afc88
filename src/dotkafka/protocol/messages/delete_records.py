"""DeleteRecords (key 21): move the log start offset of partitions: what is before it is deleted.

- An offset of -1 stands for the high watermark.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class DeleteRecordsRequest:
    """The partitions to shorten."""

    topics: Array[DeleteRecordsTopic] = field()
    timeout_ms: Int32 = field()


@struct
class DeleteRecordsTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[DeleteRecordsPartition] = field()


@struct
class DeleteRecordsPartition:
    """One partition: all records before `offset` go."""

    partition_index: Int32 = field()
    offset: Int64 = field()


@struct
class DeleteRecordsResponse:
    """What became of each partition."""

    throttle_time_ms: Int32 = field()
    topics: Array[DeleteRecordsTopicResult] = field()


@struct
class DeleteRecordsTopicResult:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[DeleteRecordsPartitionResult] = field()


@struct
class DeleteRecordsPartitionResult:
    """What became of one partition: its new log start offset is `low_watermark`."""

    partition_index: Int32 = field()
    low_watermark: Int64 = field()
    error_code: Int16 = field()


DELETE_RECORDS = Api(21, versions="0-2", flexible="2+", request=DeleteRecordsRequest, response=DeleteRecordsResponse)
