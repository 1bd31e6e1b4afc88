"""AssignReplicasToDirs (key 73): a broker tells the controller in which log directories its replicas are (KIP-858)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, Uuid, field, struct


@struct
class AssignReplicasToDirsRequest:
    """The directories and the replicas in them."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field(default=-1)
    directories: Array[AssignReplicasToDirsRequestDirectoryData] = field()


@struct
class AssignReplicasToDirsRequestDirectoryData:
    """The replicas in one directory."""

    id: Uuid = field()
    topics: Array[AssignReplicasToDirsRequestTopicData] = field()


@struct
class AssignReplicasToDirsRequestTopicData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[AssignReplicasToDirsRequestPartitionData] = field()


@struct
class AssignReplicasToDirsRequestPartitionData:
    """One partition."""

    partition_index: Int32 = field()


@struct
class AssignReplicasToDirsResponse:
    """What became of each replica."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    directories: Array[AssignReplicasToDirsResponseDirectoryData] = field()


@struct
class AssignReplicasToDirsResponseDirectoryData:
    """The replicas in one directory."""

    id: Uuid = field()
    topics: Array[AssignReplicasToDirsResponseTopicData] = field()


@struct
class AssignReplicasToDirsResponseTopicData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[AssignReplicasToDirsResponsePartitionData] = field()


@struct
class AssignReplicasToDirsResponsePartitionData:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()


ASSIGN_REPLICAS_TO_DIRS = Api(
    73, versions="0", flexible="0+", request=AssignReplicasToDirsRequest, response=AssignReplicasToDirsResponse
)
