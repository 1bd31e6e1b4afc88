"""DeleteGroups: groups without members go, with what they have committed."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_groups import DELETE_GROUPS, DeleteGroupsRequest


@pytest.mark.parametrize("version", range(3))
def test_each_group_has_its_answer(boot, version):
    """An empty group goes for good, one with members stays, an unknown one is an error."""
    running = boot()
    client = running.connect()
    client.create_topic("t")
    client.commit("t", 5, group="empty")
    client.join("lively")
    request = DeleteGroupsRequest(groups_names=["empty", "lively", "unknown"])
    results = client.call(DELETE_GROUPS, version, request).results
    assert [(result.group_id, result.error_code) for result in results] == [
        ("empty", ErrorCode.NONE),
        ("lively", ErrorCode.NON_EMPTY_GROUP),
        ("unknown", ErrorCode.GROUP_ID_NOT_FOUND),
    ]
    assert client.committed("t", group="empty") == -1
    assert boot().connect().committed("t", group="empty") == -1
