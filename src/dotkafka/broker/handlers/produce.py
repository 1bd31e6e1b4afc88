"""Produce: append record batches to partitions.

Versions 3-13 are served; 0-2 are message sets, whose magic Kafka 4 refuses too, but they are advertised, since
librdkafka up to 2.11.0 takes their absence for a broker without compression (KAFKA-18659). From version 13 topics are
named by id.

acks=1 and acks=all mean the same: the answer leaves when the batches are on disk (in L1). acks=0 gets no answer, and
an error closes the connection, as in Kafka, so that the client looks for a better broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import error_for, handles
from dotkafka.broker.shard import refusal_for
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from dotkafka.records.batch import COMPRESSION_MASK
from dotkafka.records.compression import Compression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.errors import StorageError
    from dotkafka.protocol.schema import Buffer

VALID_ACKS: Final = frozenset({-1, 0, 1})
FIRST_VERSION_WITH_ZSTD: Final = 7
FIRST_VERSION_WITH_TOPIC_IDS: Final = 13
LOW_ATTRIBUTES_POSITION: Final = 22
"""Of the byte of a record batch that names its compression."""


@handles(PRODUCE, versions="3-13", advertised="0-13", is_paced=True, answers_little=True)
def produce(broker: Broker, request: ProduceRequest, exchange: Exchange[ProduceResponse]) -> None:
    """Append what the request carries, and answer when it is durable."""
    refusal = _refusal_of_all(broker, request)
    response = ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                topic_id=topic.topic_id,
                partition_responses=[
                    _append(broker, refusal, topic, partition, exchange.version) for partition in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ]
    )
    if request.acks == 0:
        if any(partition.error_code for partition in _partitions(response)):
            exchange.close_connection()
        else:
            exchange.respond_nothing()
        return
    if all(partition.error_code for partition in _partitions(response)):
        # Nothing was appended, so there is nothing to wait for, least of all for storage that cannot write now.
        exchange.respond(response)
        return

    def durable(error: StorageError | None) -> None:
        if error is not None:
            for partition in _partitions(response):
                partition.error_code = partition.error_code or refusal_for(error).error_code
                partition.base_offset = -1
        exchange.respond(response)

    broker.shard.when_durable(durable)


def _refusal_of_all(broker: Broker, request: ProduceRequest) -> ApiError | None:
    """Return why every partition is refused, if so. Asked once: a request finds room as a whole or not at all."""
    try:
        if request.acks not in VALID_ACKS:
            raise ApiError(ErrorCode.INVALID_REQUIRED_ACKS, f"acks must be -1, 0 or 1, not {request.acks}")
        broker.shard.check_writable()
        broker.shard.check_room()
    except ApiError as error:
        return error
    return None


def _append(
    broker: Broker, refusal: ApiError | None, topic: TopicProduceData, data: PartitionProduceData, version: int
) -> PartitionProduceResponse:
    """Append the batch of one partition, and return the answer to be given once it is durable."""
    try:
        if refusal is not None:
            raise refusal
        image, log = broker.partition(
            topic.topic_id if version >= FIRST_VERSION_WITH_TOPIC_IDS else topic.name, data.index
        )
        if image.is_internal:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{image.name} is written by the broker alone")
        if data.records is None:
            raise ApiError(ErrorCode.INVALID_RECORD, "the partition has no records")
        if version < FIRST_VERSION_WITH_ZSTD and _is_zstd(data.records):
            raise ApiError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd takes Produce version 7 or newer (KIP-110)")
        result = log.append_as_leader(
            memoryview(data.records),
            leader_epoch=broker.shard.leader_epoch,
            config=broker.log_config(image),
            now=broker.now,
        )
    except ApiError as error:
        code, message = error_for(error)
        return PartitionProduceResponse(
            index=data.index, error_code=code, base_offset=-1, error_message=message or None
        )
    if result.data is not None:
        broker.shard.write_batches(log, result.base_offset, result.data)
    return PartitionProduceResponse(
        index=data.index,
        base_offset=result.base_offset,
        log_append_time_ms=result.log_append_time_ms,
        log_start_offset=result.log_start_offset,
    )


def _is_zstd(records: Buffer) -> bool:
    """Whether the batch says that it is compressed with zstd; what else it says is not checked yet."""
    attributes = records[LOW_ATTRIBUTES_POSITION : LOW_ATTRIBUTES_POSITION + 1]
    return bool(attributes) and attributes[0] & COMPRESSION_MASK == Compression.ZSTD


def _partitions(response: ProduceResponse) -> Iterator[PartitionProduceResponse]:
    for topic in response.responses:
        yield from topic.partition_responses
