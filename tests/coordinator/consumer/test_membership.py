"""Leaving a group, and what is scheduled for members."""

from collections.abc import Callable
from typing import Any

from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.membership import leave_for_a_while, remove_members, schedule_loaded
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline, RevocationDeadline, SessionDeadline
from dotkafka.coordinator.step import Step


def test_nothing_is_left_of_who_is_gone(
    beat: Callable[..., Any],
    group_of: Callable[[], ConsumerGroup],
    make_step: Callable[..., Step],
    deadlines: Deadlines[GroupDeadline],
) -> None:
    """Several at once move the epoch once."""
    beat("a", subscribed_topic_regex="x.*")
    beat("b")
    beat("a", member_epoch=1)
    epoch = group_of().group_epoch
    remove_members(group_of(), ["a", "b"], make_step())
    assert not group_of().members
    assert not group_of().regexes
    assert group_of().group_epoch == epoch + 1
    assert not list(deadlines)


def test_who_leaves_for_a_while_keeps_its_session(
    beat: Callable[..., Any],
    group_of: Callable[[], ConsumerGroup],
    make_step: Callable[..., Step],
    deadlines: Deadlines[GroupDeadline],
) -> None:
    """It is not asked to let go of anything, for it reads nothing."""
    beat("a", instance_id="i")
    beat("b")
    beat("a", member_epoch=1)
    leave_for_a_while(group_of(), group_of().members["a"], make_step())
    assert SessionDeadline("g", "a") in deadlines
    assert RevocationDeadline("g", "a") not in deadlines
    group_of().check_invariants()


def test_a_loaded_group_is_watched(
    beat: Callable[..., Any], group_of: Callable[[], ConsumerGroup], make_step: Callable[..., Step]
) -> None:
    """All that must be scheduled is."""
    beat("a")
    beat("b")
    beat("a", member_epoch=1)
    step = make_step(5)
    for deadline in group_of().expected_deadlines():
        step.cancel(deadline)
    schedule_loaded(group_of(), step)
    assert all(step.is_scheduled(deadline) for deadline in group_of().expected_deadlines())
    assert step.is_scheduled(RevocationDeadline("g", "a"))
