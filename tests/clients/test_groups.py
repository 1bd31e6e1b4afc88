"""Groups through the eyes of each client library: sharing, joining, dying.

The members commit what they have read before the next step is taken, so that each record must be seen exactly once by
the whole group, whatever happens to its members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.clients.group_under_test import PARTITIONS, is_shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Program, Record
    from tests.clients.group_under_test import Group

MEMBERS = {
    "kafkajs": ("kafkajs", {}),
    "confluent-kafka, range": ("confluent_kafka", {"assignor": "range"}),
    "confluent-kafka, roundrobin": ("confluent_kafka", {"assignor": "roundrobin"}),
    "confluent-kafka, cooperative-sticky": ("confluent_kafka", {"assignor": "cooperative-sticky"}),
    "aiokafka": ("aiokafka", {"assignor": "roundrobin"}),
    "kafka-python": ("kafka_python", {"assignor": "range"}),
    "java, range": ("java", {"assignor": "range"}),
    "java, cooperative-sticky": ("java", {"assignor": "cooperative-sticky"}),
    "confluent-kafka, consumer protocol": ("confluent_kafka", {"protocol": "consumer"}),
    "java, consumer protocol": ("java", {"protocol": "consumer", "assignor": "range"}),
    "franz-go": ("franz_go", {"assignor": "cooperative-sticky"}),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_members_share_join_and_die(
    make_group: Callable[..., Group],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    name: str,
) -> None:
    """Two members share the partitions, a third takes its part, one is killed and the others take over."""
    library, options = MEMBERS[name]
    group = make_group(**options)

    def assert_all_read() -> None:
        group.wait_until_read(group.members[-1])
        assert_all_once_in_order(group.sent, group.received())
        for member in group.members:
            assert_offsets_rise(member)

    first, second = group.join(library), group.join(library)
    second.wait_until(lambda: is_shared([first, second]))
    group.send(make_records(60, PARTITIONS, "two"))
    assert_all_read()

    third = group.join(library)
    third.wait_until(lambda: is_shared([first, second, third]))
    group.send(make_records(60, PARTITIONS, "three"))
    assert_all_read()

    second.kill()
    group.send(make_records(60, PARTITIONS, "after the kill"))
    third.wait_until(lambda: is_shared([first, third]))
    assert_all_read()

    third.stop()
    first.wait_until(lambda: is_shared([first]))
    first.stop()


def assert_offsets_rise(member: Program) -> None:
    """A member reads each partition forwards."""
    offsets: dict[int, int] = {}
    for event in member.of("record"):
        assert offsets.get(event["partition"], -1) < event["offset"], event
        offsets[event["partition"]] = event["offset"]
