"""DescribeGroups: state, protocol, members and assignments."""

import pytest

from dotkafka.broker.authorized_operations import GROUP_OPERATIONS, NOT_ASKED_FOR
from dotkafka.errors import MAX_MESSAGE_CHARACTERS
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest


@pytest.mark.parametrize("version", range(7))
def test_a_stable_group(client, version):
    """Everything that an operator wants to know of a group and its members."""
    joined = client.join()
    client.sync(joined)
    (group,) = client.call(DESCRIBE_GROUPS, version, DescribeGroupsRequest(groups=["g"])).groups
    assert (group.error_code, group.group_id, group.group_state) == (0, "g", "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    (member,) = group.members
    assert (member.member_id, member.client_id, member.client_host) == (joined.member_id, "test-client", "/10.0.0.7")
    assert (member.member_metadata, member.member_assignment) == (b"about range", b"all")


@pytest.mark.parametrize(("version", "error"), [(0, 0), (5, 0), (6, ErrorCode.GROUP_ID_NOT_FOUND)])
def test_an_unknown_group(client, version, error):
    """Until version 5 it is a dead one, from version 6 an error (KIP-1043); others are described beside it."""
    client.join("known")
    unknown, known = client.call(DESCRIBE_GROUPS, version, DescribeGroupsRequest(groups=["g", "known"])).groups
    assert (unknown.group_id, unknown.error_code, unknown.group_state) == ("g", error, "Dead")
    assert (known.group_id, known.error_code, known.group_state) == ("known", 0, "CompletingRebalance")


def test_a_group_id_as_long_as_there_can_be(client):
    """The message that quotes it is cut short, so that it fits the answer."""
    group_id = "g" * 32767
    (group,) = client.call(DESCRIBE_GROUPS, 6, DescribeGroupsRequest(groups=[group_id])).groups
    assert (group.group_id, group.error_code) == (group_id, ErrorCode.GROUP_ID_NOT_FOUND)
    assert len(group.error_message) == MAX_MESSAGE_CHARACTERS


def test_what_the_client_may_do(client):
    """From version 3, where it asks, and of groups that are there: everything."""
    client.join("known")
    request = DescribeGroupsRequest(groups=["known", "g"], include_authorized_operations=True)
    known, unknown = client.call(DESCRIBE_GROUPS, 6, request).groups
    assert (known.authorized_operations, unknown.authorized_operations) == (GROUP_OPERATIONS, NOT_ASKED_FOR)
    (known,) = client.call(DESCRIBE_GROUPS, 3, DescribeGroupsRequest(groups=["known"])).groups
    assert known.authorized_operations == NOT_ASKED_FOR
