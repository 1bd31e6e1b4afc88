"""Effects of several steps may be handled as one."""

from dotkafka.coordinator.effects import CoordinatorRecord, Effects, Reply


def test_sum_keeps_the_order() -> None:
    """Records and replies of the first step come first."""
    first = Effects((CoordinatorRecord("k1", None),), (Reply("r1", 1),))
    second = Effects((CoordinatorRecord("k2", None),), (Reply("r2", 2),))
    total = first + second
    assert [record.key for record in total.records] == ["k1", "k2"]
    assert [reply.reply_to for reply in total.replies] == ["r1", "r2"]
    assert first + Effects() == first
