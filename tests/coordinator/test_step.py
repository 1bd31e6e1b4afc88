"""A step gathers what it asks for."""

from dotkafka.clock import Instant
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline, JoinDeadline
from dotkafka.coordinator.effects import CoordinatorRecord, Effects, Reply
from dotkafka.coordinator.step import Step


def test_gathers_records_replies_and_deadlines() -> None:
    """Records and replies leave in order; deadlines count from the moment of the step, on the monotonic clock."""
    deadlines: Deadlines[GroupDeadline] = Deadlines()
    step = Step(Instant(1_000, 5), GroupConfig(), deadlines, lambda: "uuid")
    step.record(CoordinatorRecord("k", None))
    step.reply("to", "response")
    step.schedule(JoinDeadline("g"), 50)
    step.schedule(JoinDeadline("h"), 40)
    step.cancel(JoinDeadline("h"))
    assert step.effects() == Effects((CoordinatorRecord("k", None),), (Reply("to", "response"),))
    assert deadlines.next_ms() == 1_050
