"""Groups of up to twenty members of each library: they start at once, some are killed, some leave, more come.

Under both protocols; each record is seen once by the whole group, and no partition is owned twice, as what passes
between clients and broker shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.clients.group_under_test import is_shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Record
    from tests.clients.group_under_test import Group

WAIT_S = 80.0


class Crowd(NamedTuple):
    """What a group is made of: members of one library, with these options."""

    library: str
    options: dict[str, Any]
    size: int = 20
    killed: int = 3
    leaving: int = 2


CROWDS = {
    "kafkajs": Crowd("kafkajs", {}),
    "confluent-kafka, roundrobin": Crowd("confluent_kafka", {"assignor": "roundrobin"}),
    # It takes librdkafka two rebalances to move a partition, and it takes its time for each.
    "confluent-kafka, cooperative-sticky": Crowd("confluent_kafka", {"assignor": "cooperative-sticky"}, 5, 2, 0),
    "confluent-kafka, consumer protocol": Crowd("confluent_kafka", {"protocol": "consumer"}),
    "aiokafka": Crowd("aiokafka", {"assignor": "roundrobin"}),
    "kafka-python": Crowd("kafka_python", {"assignor": "roundrobin"}),
    "franz-go": Crowd("franz_go", {"assignor": "cooperative-sticky"}),
    # Each is a virtual machine of its own, which takes a second of processor time before it is a member.
    "java, cooperative-sticky": Crowd("java", {"assignor": "cooperative-sticky"}, 8),
    "java, consumer protocol": Crowd("java", {"protocol": "consumer"}, 8),
}


@pytest.mark.parametrize("name", CROWDS)
def test_many_members(
    make_group: Callable[..., Group],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    name: str,
) -> None:
    """Twenty, fifteen, seventeen; after each change there are records for all of them."""
    crowd = CROWDS[name]
    group = make_group(2 * crowd.size, **crowd.options)
    members = [group.join(crowd.library) for _ in range(crowd.size)]

    def settle(prefix: str) -> None:
        members[-1].wait_until(lambda: is_shared(members, group.partitions), WAIT_S)
        group.send(make_records(4 * group.partitions, group.partitions, prefix))
        group.wait_until_read(members[-1])

    settle("all")
    for _ in range(crowd.killed):
        members.pop(0).kill()
    for _ in range(crowd.leaving):
        members.pop(0).stop()
    settle("fewer")
    members += [group.join(crowd.library) for _ in range(2)]
    settle("more")
    assert_all_once_in_order(group.sent, group.received())
