"""What cannot be read is refused with the code that makes clients behave, and said once for each place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dotkafka.broker.damage import Damage
from dotkafka.errors import DecodeError, StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    import pytest


def test_said_once_for_each_place(caplog: pytest.LogCaptureFixture) -> None:
    """Clients ask again and again."""
    damage = Damage()
    partition = TopicIdPartition(bytes(16), 3)
    with caplog.at_level(logging.ERROR, "dotkafka.broker.damage"):
        for offset in (5, 5, 6):
            refusal = damage.refusal("orders", partition, offset, DecodeError("has magic 7"))
            assert refusal.error_code == ErrorCode.CORRUPT_MESSAGE
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(";")[0] for line in lines] == [
        "orders-3 cannot be read at offset 5: has magic 7",
        "orders-3 cannot be read at offset 6: has magic 7",
    ]


def test_storage_that_fails() -> None:
    """It may be there again when the client asks again."""
    refusal = Damage().refusal("orders", TopicIdPartition(bytes(16), 0), 0, StorageFailed("malformed"))
    assert refusal.error_code == ErrorCode.KAFKA_STORAGE_ERROR
