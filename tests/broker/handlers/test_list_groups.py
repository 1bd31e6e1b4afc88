"""ListGroups: all groups, or those in some states or of some types."""

import pytest

from dotkafka.protocol.messages.list_groups import LIST_GROUPS, ListGroupsRequest


@pytest.fixture
def groups(client):
    """A group with a member, and one that has only committed offsets."""
    client.create_topic("t")
    client.sync(client.join("lively"), "lively")
    client.commit("t", 1, group="empty")
    return client


def names(client, version, **filters):
    """The ids of the groups that are listed."""
    response = client.call(LIST_GROUPS, version, ListGroupsRequest(**filters))
    assert response.error_code == 0
    return sorted(group.group_id for group in response.groups)


@pytest.mark.parametrize("version", range(6))
def test_all(groups, version):
    """Every group is there, whatever its state."""
    assert names(groups, version) == ["empty", "lively"]


def test_what_is_said_of_a_group(groups):
    """Its protocol type, its state from version 4, and its type from version 5."""
    listed = {group.group_id: group for group in groups.call(LIST_GROUPS, 5, ListGroupsRequest()).groups}
    assert [(group.protocol_type, group.group_state, group.group_type) for _, group in sorted(listed.items())] == [
        ("", "Empty", "classic"),
        ("consumer", "Stable", "classic"),
    ]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"states_filter": ["Stable"]}, ["lively"]),
        ({"states_filter": ["empty", "stable"]}, ["empty", "lively"]),
        ({"states_filter": ["Dead"]}, []),
        ({"types_filter": ["classic"]}, ["empty", "lively"]),
        ({"types_filter": ["consumer"]}, []),
        ({"types_filter": ["classic"], "states_filter": ["Empty"]}, ["empty"]),
    ],
)
def test_filters(groups, filters, found):
    """A group must pass both filters; letters may be large or small."""
    assert names(groups, 5, **filters) == found
