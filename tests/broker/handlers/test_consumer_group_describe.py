"""ConsumerGroupDescribe."""

from typing import Any

import pytest

from dotkafka.broker.authorized_operations import GROUP_OPERATIONS, NOT_ASKED_FOR
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import CONSUMER_GROUP_DESCRIBE, ConsumerGroupDescribeRequest
from dotkafka.protocol.messages.consumer_group_heartbeat import CONSUMER_GROUP_HEARTBEAT, ConsumerGroupHeartbeatRequest


@pytest.mark.parametrize("version", [0, 1])
def test_a_group_and_its_members(client: Any, version: int) -> None:
    """Epochs, what members have and shall have, and from version 1 which protocol they use."""
    client.create_topic("t", 2)
    request = ConsumerGroupHeartbeatRequest(
        group_id="g",
        member_id="m",
        rack_id="r",
        rebalance_timeout_ms=1_000,
        subscribed_topic_names=["t"],
        topic_partitions=[],
    )
    client.call(CONSUMER_GROUP_HEARTBEAT, 1, request)
    describe = ConsumerGroupDescribeRequest(group_ids=["g", "none"], include_authorized_operations=True)
    group, missing = client.call(CONSUMER_GROUP_DESCRIBE, version, describe).groups
    assert (group.authorized_operations, missing.authorized_operations) == (GROUP_OPERATIONS, NOT_ASKED_FOR)
    assert (group.error_code, group.group_state, group.group_epoch, group.assignment_epoch) == (0, "Stable", 1, 1)
    assert group.assignor_name == "uniform"
    (member,) = group.members
    assert (member.member_id, member.rack_id, member.member_epoch) == ("m", "r", 1)
    assert member.client_host == "/10.0.0.7"
    assert member.member_type == (1 if version else -1)
    for assignment in (member.assignment, member.target_assignment):
        (topic,) = assignment.topic_partitions
        assert (topic.topic_name, list(topic.partitions)) == ("t", [0, 1])


def test_groups_that_are_none(client: Any) -> None:
    """Not there, of the classic protocol, or without a name: each is refused alone."""
    client.join("classic")
    request = ConsumerGroupDescribeRequest(group_ids=["none", "classic", ""])
    groups = client.call(CONSUMER_GROUP_DESCRIBE, 1, request).groups
    not_found = ErrorCode.GROUP_ID_NOT_FOUND
    assert [group.error_code for group in groups] == [not_found, not_found, ErrorCode.INVALID_GROUP_ID]
    assert groups[1].error_message == "Group classic is not a consumer group."
