"""DescribeLogDirs (key 35): describe log directories and the partitions in them.

- 3: an error code for the whole answer. 4: sizes of the volumes (KIP-827). 5: cordoned directories.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class DescribeLogDirsRequest:
    topics: Array[DescribableLogDirTopic] | None = field(nullable="0+")


@struct
class DescribableLogDirTopic:
    topic: String = field()
    partitions: Array[Int32] = field()


@struct
class DescribeLogDirsResponse:
    throttle_time_ms: Int32 = field()
    error_code: Int16 = field("3+", ignorable=True)
    results: Array[DescribeLogDirsResult] = field()


@struct
class DescribeLogDirsResult:
    error_code: Int16 = field()
    log_dir: String = field()
    topics: Array[DescribeLogDirsTopic] = field()
    total_bytes: Int64 = field("4+", default=-1, ignorable=True)
    usable_bytes: Int64 = field("4+", default=-1, ignorable=True)
    is_cordoned: Boolean = field("5+", ignorable=True)


@struct
class DescribeLogDirsTopic:
    name: String = field()
    partitions: Array[DescribeLogDirsPartition] = field()


@struct
class DescribeLogDirsPartition:
    partition_index: Int32 = field()
    partition_size: Int64 = field()
    offset_lag: Int64 = field()
    is_future_key: Boolean = field()


DESCRIBE_LOG_DIRS = Api(
    35, versions="0-5", flexible="2+", request=DescribeLogDirsRequest, response=DescribeLogDirsResponse
)
