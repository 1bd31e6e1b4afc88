"""DescribeLogDirs (key 35): describe log directories and the partitions in them.

- 3: an error code for the whole answer. 4: sizes of the volumes (KIP-827). 5: cordoned directories.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class DescribeLogDirsRequest:
    """The partitions asked for; null asks for all."""

    topics: Array[DescribableLogDirTopic] | None = field(nullable="0+")


@struct
class DescribableLogDirTopic:
    """The partitions of one topic."""

    topic: String = field()
    partitions: Array[Int32] = field()


@struct
class DescribeLogDirsResponse:
    """The log directories of the broker."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field("3+", ignorable=True)
    results: Array[DescribeLogDirsResult] = field()


@struct
class DescribeLogDirsResult:
    """One log directory; sizes of -1 are unknown."""

    error_code: Int16 = field()
    log_dir: String = field()
    topics: Array[DescribeLogDirsTopic] = field()
    total_bytes: Int64 = field("4+", default=-1, ignorable=True)
    usable_bytes: Int64 = field("4+", default=-1, ignorable=True)
    is_cordoned: Boolean = field("5+", ignorable=True)


@struct
class DescribeLogDirsTopic:
    """The partitions of one topic in a log directory."""

    name: String = field()
    partitions: Array[DescribeLogDirsPartition] = field()


@struct
class DescribeLogDirsPartition:
    """The log of one partition: its size, and how far it lags behind."""

    partition_index: Int32 = field()
    partition_size: Int64 = field()
    offset_lag: Int64 = field()
    is_future_key: Boolean = field()


DESCRIBE_LOG_DIRS = Api(
    35, versions="0-5", flexible="2+", request=DescribeLogDirsRequest, response=DescribeLogDirsResponse
)
