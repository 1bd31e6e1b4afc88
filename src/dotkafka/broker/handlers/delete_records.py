"""DeleteRecords: forget the records of a partition before an offset (KIP-107).

Versions 0-2 are served, all with the same meaning. An offset of -1 is the high watermark: it empties the partition. An
offset below the log start offset changes nothing. Records are deleted when that is durable; then the answer tells the
log start offset, as the low watermark.

Left out: the timeout, since there are no other replicas to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import error_for, handles
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.errors import StorageError
    from dotkafka.log.partition_log import PartitionLog

HIGH_WATERMARK: Final = -1
INVALID_LOW_WATERMARK: Final = -1


@handles(DELETE_RECORDS, versions="0-2")
def delete_records(
    broker: Broker, request: DeleteRecordsRequest, exchange: Exchange[DeleteRecordsResponse]
) -> DeleteRecordsResponse | None:
    """Have the log start offsets moved, and answer when that is durable."""
    accepted: list[tuple[DeleteRecordsPartitionResult, PartitionLog]] = []

    def delete(topic_name: str, partition: DeleteRecordsPartition) -> DeleteRecordsPartitionResult:
        result = DeleteRecordsPartitionResult(
            partition_index=partition.partition_index, low_watermark=INVALID_LOW_WATERMARK
        )
        try:
            accepted.append((result, _delete(broker, topic_name, partition)))
        except ApiError as error:
            result.error_code = error_for(error)[0]
        return result

    response = DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name, partitions=[delete(topic.name, partition) for partition in topic.partitions]
            )
            for topic in request.topics
        ]
    )

    if not accepted:
        # Nothing is deleted, so there is nothing to wait for, least of all for storage that cannot write now.
        return response

    def durable(error: StorageError | None) -> None:
        if error is not None:
            exchange.close_connection()
            return
        for result, log in accepted:
            result.low_watermark = log.log_start_offset
        exchange.respond(response)

    broker.shard.when_durable(durable)
    return None


def _delete(broker: Broker, topic_name: str, partition: DeleteRecordsPartition) -> PartitionLog:
    """Have the log start offset of one partition moved, and return its log.

    Raises:
        ApiError: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION for an internal topic, POLICY_VIOLATION for one
            that is only compacted, OFFSET_OUT_OF_RANGE, or KAFKA_STORAGE_ERROR.
    """
    topic, log = broker.partition(topic_name, partition.partition_index)
    if topic.is_internal:
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"the records of {topic.name} are the broker's own")
    log_config = broker.metadata_log.log_config(topic)
    if log_config.is_compacted and not log_config.is_deleted:
        raise ApiError(ErrorCode.POLICY_VIOLATION, f"the records of {topic.name} are compacted, not deleted")
    broker.shard.check_writable()
    offset = log.high_watermark if partition.offset == HIGH_WATERMARK else partition.offset
    if offset < 0:
        raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"there is no offset {offset}")
    if offset > log.high_watermark:
        raise ApiError(
            ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {offset} is beyond the high watermark {log.high_watermark}"
        )
    broker.shard.delete_records(log, offset)
    return log
