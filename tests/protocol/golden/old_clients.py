"""Libraries of today that speak as they did to brokers of old; `record.py` runs this.

kafka-python can be told how old the broker is, and librdkafka before 2.3 likewise (kcat, as Debian has it). A client id
says which broker was meant.
"""

import subprocess
import sys

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

BOOTSTRAP = sys.argv[1]

KAFKA_PYTHON_BROKERS = ["0.8.2", "0.9", "0.10.0", "0.10.2", "0.11", "1.0", "1.1", "2.0", "2.1", "2.3", "2.5"]
KCAT_BROKERS = ["0.8.2", "0.9.0"]


def kafka_python(broker: str) -> None:
    """Send, read in a group, commit."""
    version = tuple(map(int, broker.split(".")))
    name = f"kafka-python as of {broker}"
    settings = {"bootstrap_servers": BOOTSTRAP, "client_id": name, "api_version": version}
    partition = TopicPartition(topic(name), 0)
    for compression in (None, "gzip"):
        producer = KafkaProducer(**settings, enable_idempotence=False, compression_type=compression)
        producer.send(partition.topic, b"value", key=b"key", partition=0).get(20)
        producer.close()
    consumer = KafkaConsumer(**settings, group_id=name, auto_offset_reset="earliest", enable_auto_commit=False)
    if version >= (0, 9):
        consumer.subscribe([partition.topic])
    else:
        consumer.assign([partition])
    while not consumer.poll(20_000):
        pass
    consumer.commit({partition: OffsetAndMetadata(1, "read", -1)})
    consumer.end_offsets([partition])
    consumer.committed(partition)
    consumer.close()


def kcat(broker: str) -> None:
    """Send, read, ask for an offset, and read in a group where there were groups."""
    name = f"kcat as of {broker}"
    for compression in ("none", "gzip", "snappy"):
        run_kcat(broker, "-P", "-t", topic(name), "-p", "0", "-K", ":", "-z", compression, text="key:value\n")
    run_kcat(broker, "-C", "-t", topic(name), "-p", "0", "-o", "beginning", "-c", "1")
    run_kcat(broker, "-Q", "-t", f"{topic(name)}:0:-1")
    if broker != "0.8.2":
        run_kcat(broker, "-X", "auto.offset.reset=earliest", "-c", "1", "-G", name, topic(name))


def run_kcat(broker: str, *arguments: str, text: str = "") -> None:
    """Run kcat to its end, which must be a success."""
    settings = ("api.version.request=false", f"broker.version.fallback={broker}", f"client.id=kcat as of {broker}")
    command = ["kcat", "-b", BOOTSTRAP, *(part for setting in settings for part in ("-X", setting)), *arguments]
    subprocess.run(command, input=text, text=True, check=True)


def topic(name: str) -> str:
    """Return the topic of its own that a client has."""
    return name.replace(" ", "-")


admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
names = [f"kafka-python as of {broker}" for broker in KAFKA_PYTHON_BROKERS]
names += [f"kcat as of {broker}" for broker in KCAT_BROKERS]
for name in names:
    admin.create_topics([NewTopic(topic(name), 1, 1)])
admin.close()
for broker in KAFKA_PYTHON_BROKERS:
    kafka_python(broker)
for broker in KCAT_BROKERS:
    kcat(broker)
