"""ControlledShutdown (key 7): a broker asked the controller to lead its partitions elsewhere. Removed in Kafka 4.0.

- 0: the one request with request header 0, which has no client id. 2: the broker epoch (KIP-380).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class ControlledShutdownRequest:
    """The broker that wants to stop."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field("2+", default=-1, ignorable=True)


@struct
class ControlledShutdownResponse:
    """The partitions that it still leads."""

    error_code: Int16 = field()
    remaining_partitions: Array[RemainingPartition] = field()


@struct
class RemainingPartition:
    """One partition."""

    topic_name: String = field()
    partition_index: Int32 = field()


CONTROLLED_SHUTDOWN = Api(
    7, versions="0-3", flexible="3+", request=ControlledShutdownRequest, response=ControlledShutdownResponse
)
