"""A test of a program that uses Kafka, with a real broker for each test: the fixture `kafka` comes with dotkafka.

Run it: `python -m pytest examples/pytest_example.py`. It needs `pip install dotkafka pytest confluent-kafka`.
"""

from confluent_kafka import Producer

from dotkafka.testing import RunningBroker


def announce(bootstrap: str, names: list[str]) -> None:
    """Tell the topic "guests" who has come: the program under test."""
    with Producer({"bootstrap.servers": bootstrap}) as producer:
        for name in names:
            producer.produce("guests", name.encode())


def test_guests_are_announced_in_order(kafka: RunningBroker) -> None:
    """What was announced is in the log, in the order in which they came."""
    kafka.create_topic("guests")
    announce(kafka.bootstrap, ["Ada", "Grace"])
    assert [record.value for record in kafka.records("guests")] == [b"Ada", b"Grace"]


def test_every_test_has_a_broker_of_its_own(kafka: RunningBroker) -> None:
    """Nothing is left of the guests of another test."""
    assert kafka.topics() == {}
