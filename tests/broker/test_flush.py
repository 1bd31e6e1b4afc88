"""What gathers for one entry of the write-ahead log."""

from dotkafka.broker.flush import Flush


def test_parts_are_kept_in_order_and_counted() -> None:
    """Headers and data become one entry as they came; an item without data is its header."""
    flush = Flush()
    flush.add(b"one", memoryview(b"data"))
    flush.add(b"two", None)
    assert b"".join(flush.parts) == b"onedatatwo"
    assert flush.size_bytes == 10
