"""What L2 could not give back: how its readers are refused, and that it is said, once for each place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dotkafka.errors import ApiError, StorageError
from dotkafka.protocol.error_codes import ErrorCode

if TYPE_CHECKING:
    from dotkafka.errors import DecodeError
    from dotkafka.storage.spi import TopicIdPartition

logger = logging.getLogger(__name__)


class Damage:
    """The places that readers have met."""

    def __init__(self) -> None:
        self._last_offsets: dict[TopicIdPartition, int] = {}
        """By partition, so that it stays small."""

    def refusal(
        self, topic: str, partition: TopicIdPartition, offset: int, error: StorageError | DecodeError
    ) -> ApiError:
        """Log that a partition cannot be read at `offset`, and return how its reader is refused.

        A damaged batch is CORRUPT_MESSAGE, as in Kafka: consumers tell their application, which can go on behind it.
        After KAFKA_STORAGE_ERROR they only ask again: for storage that fails.
        """
        if self._last_offsets.get(partition) != offset:
            self._last_offsets[partition] = offset
            logger.error(
                "%s-%d cannot be read at offset %d: %s; stop the server, and `dotkafka check DIR` on its data directory"
                " tells what is damaged",
                topic,
                partition.partition,
                offset,
                error,
            )
        is_storage = isinstance(error, StorageError)
        return ApiError(ErrorCode.KAFKA_STORAGE_ERROR if is_storage else ErrorCode.CORRUPT_MESSAGE, str(error))
