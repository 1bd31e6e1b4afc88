"""A broker beside an ordinary, synchronous program: it runs in a thread, for the time of a `with` block.

Here confluent-kafka talks to it; any other client, in any language, does too. For a broker that stays, with its data in
a directory, use `dotkafka.run_in_thread("127.0.0.1:9092", data="data")` in the same way.

Run it: `python examples/embed_sync.py`. It needs `pip install dotkafka confluent-kafka`.
"""

from confluent_kafka import Consumer, Producer

import dotkafka.testing


def main() -> None:
    """Send three orders, read them in a group, commit, and look at all of it from inside the broker."""
    with dotkafka.testing.running_broker() as kafka:
        kafka.create_topic("orders", partitions=2)

        with Producer({"bootstrap.servers": kafka.bootstrap}) as producer:
            for key, value in (("alice", "3 apples"), ("bob", "1 melon"), ("alice", "2 pears")):
                producer.produce("orders", key=key, value=value)

        settings = {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "kitchen",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        with Consumer(settings) as consumer:
            consumer.subscribe(["orders"])
            for message in consumer.consume(3, timeout=10):
                print(f"cooking for {message.key()!r}: {message.value()!r}")
            consumer.commit(asynchronous=False)

        print(f"in the log: {len(kafka.records('orders'))} records")
        print(f"committed by the kitchen: {sum(kafka.committed('kitchen').values())} records")


if __name__ == "__main__":
    main()
