"""FindCoordinator: this broker, for every group."""

import pytest

from dotkafka.errors import StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from dotkafka.protocol.messages.produce import PRODUCE


@pytest.mark.parametrize("version", [0, 1, 3])
def test_one_group(client, version):
    """The coordinator is where the client has come to."""
    answer = client.call(FIND_COORDINATOR, version, FindCoordinatorRequest(key="g"))
    assert (answer.error_code, answer.node_id, answer.host, answer.port) == (0, 1, "broker.test", 9092)


@pytest.mark.parametrize("version", [4, 6])
def test_many_groups(client, version):
    """From version 4 each key has its answer, in order."""
    answer = client.call(FIND_COORDINATOR, version, FindCoordinatorRequest(coordinator_keys=["g", "h"]))
    assert [(one.key, one.error_code, one.host, one.port) for one in answer.coordinators] == [
        ("g", 0, "broker.test", 9092),
        ("h", 0, "broker.test", 9092),
    ]


def test_advertised_listener(boot):
    """Behind a port mapping the operator says what clients are to connect to."""
    client = boot(advertised_listener=("kafka.example", 19092), node_id=7).connect()
    answer = client.call(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="g"))
    assert (answer.node_id, answer.host, answer.port) == (7, "kafka.example", 19092)


@pytest.mark.parametrize("key_type", [1, 2, 3, -1])
def test_other_coordinators(client, key_type):
    """Transactions and share groups are not served, and said so."""
    answer = client.call(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="x", key_type=key_type))
    assert (answer.error_code, answer.node_id, answer.port) == (ErrorCode.INVALID_REQUEST, -1, -1)
    assert answer.error_message
    (answer,) = client.call(
        FIND_COORDINATOR, 4, FindCoordinatorRequest(coordinator_keys=["x"], key_type=key_type)
    ).coordinators
    assert (answer.key, answer.error_code) == ("x", ErrorCode.INVALID_REQUEST)


def test_creates_the_offsets_topic_once_and_durably(boot):
    """The first to ask has the topic made that keeps what groups commit; its answer waits for that."""
    running = boot(offsets_topic_num_partitions=3)
    client = running.connect()
    client.send(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="g"))
    assert list(client.received()) == []
    running.settle()
    assert len(list(client.received())) == 1
    topic = running.broker.metadata.topics_by_name["__consumer_offsets"]
    assert topic.partition_count == 3
    client.call(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="h"))
    assert running.broker.metadata.topics_by_name["__consumer_offsets"] is topic


def test_while_nothing_can_be_written(client, running, machine, batch):
    """No coordinator until it can keep what it is told."""
    client.create_topic("t")
    machine.wal.errors.append(StorageUnavailable("no space"))
    other = running.connect()
    other.send(PRODUCE, 9, other.produce_request("t", batch(b"a")))
    running.settle()
    client.send(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="g"))
    (answer,) = client.received()
    assert answer.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
