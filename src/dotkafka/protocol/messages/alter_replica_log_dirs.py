"""AlterReplicaLogDirs (key 34): move replicas to other log directories of the same broker (KIP-113)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class AlterReplicaLogDirsRequest:
    """The directories, and what shall move there."""

    dirs: Array[AlterReplicaLogDir] = field()


@struct
class AlterReplicaLogDir:
    """One directory, by its absolute path."""

    path: String = field()
    topics: Array[AlterReplicaLogDirTopic] = field()


@struct
class AlterReplicaLogDirTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[Int32] = field()


@struct
class AlterReplicaLogDirsResponse:
    """What became of each partition."""

    throttle_time_ms: Int32 = field()
    results: Array[AlterReplicaLogDirTopicResult] = field()


@struct
class AlterReplicaLogDirTopicResult:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[AlterReplicaLogDirPartitionResult] = field()


@struct
class AlterReplicaLogDirPartitionResult:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()


ALTER_REPLICA_LOG_DIRS = Api(
    34, versions="0-2", flexible="2+", request=AlterReplicaLogDirsRequest, response=AlterReplicaLogDirsResponse
)
