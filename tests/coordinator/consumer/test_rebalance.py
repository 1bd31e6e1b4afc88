"""How a group moves, where scenarios do not reach."""

from collections.abc import Callable
from typing import Any

from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.rebalance import bump_epoch, preferred_assignor, update_target
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline, RevocationDeadline
from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.coordinator.step import Step
from dotkafka.protocol.messages.consumer_group_records import (
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue,
)


def test_what_kafka_before_4_1_kept_is_forgotten(make_step: Callable[..., Step]) -> None:
    """Once, with the next epoch."""
    group = ConsumerGroup("g")
    key = ConsumerGroupPartitionMetadataKey(group_id="g")
    group.replay(CoordinatorRecord(key, ConsumerGroupPartitionMetadataValue(topics=[])))
    step = make_step()
    bump_epoch(group, 5, step)
    bump_epoch(group, 5, step)
    tombstones = [record for record in step.effects().records if record.value is None]
    assert tombstones == [CoordinatorRecord(key, None)]
    assert group.group_epoch == 2


def test_nobody_asks_for_an_assignor(beat: Callable[..., Any], group_of: Callable[[], ConsumerGroup]) -> None:
    """Then it is uniform; and where as many ask for each."""
    beat("a")
    assert preferred_assignor(group_of()) == "uniform"
    beat("a", server_assignor="range")
    assert preferred_assignor(group_of()) == "range"
    beat("b", server_assignor="uniform")
    assert preferred_assignor(group_of()) == "uniform"


def test_a_clock_that_was_set_back_does_not_stop_assignments(
    beat: Callable[..., Any], group_of: Callable[[], ConsumerGroup], make_step: Callable[..., Step]
) -> None:
    """Without an interval there is nothing to wait for."""
    beat("a", make_step(100_000))
    bump_epoch(group_of(), 1, make_step())
    update_target(group_of(), make_step())
    assert group_of().assignment_epoch == 2


def test_the_rebalance_timeout_runs_only_while_it_is_needed(
    beat: Callable[..., Any], deadlines: Deadlines[GroupDeadline]
) -> None:
    """From the moment when a member is told to let go, until it says that it has."""
    deadline = RevocationDeadline("g", "a")
    beat("a")
    beat("b")
    assert deadline not in deadlines
    beat("a", member_epoch=1)
    assert deadline in deadlines
    beat("a", member_epoch=1, topic_partitions=[])
    assert deadline not in deadlines
