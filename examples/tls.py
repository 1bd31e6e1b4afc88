"""A broker that speaks TLS, with a certificate that is made on the spot.

Use the certificate that your machine has instead of `trustme`, which is for examples and tests.

Run it: `python examples/tls.py`. It needs `pip install dotkafka confluent-kafka trustme`.
"""

import ssl

import trustme
from confluent_kafka import KafkaError, Message, Producer

import dotkafka


def report(error: KafkaError | None, message: Message) -> None:
    """Say what became of a message."""
    print(error or f"sent over TLS: offset {message.offset()}")


def main() -> None:
    """Serve TLS, and send a secret to it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    with dotkafka.run_in_thread("localhost:0", tls=context) as server:
        settings = {
            "bootstrap.servers": server.bootstrap,
            "security.protocol": "SSL",
            "ssl.ca.pem": authority.cert_pem.bytes().decode(),
        }
        with Producer(settings) as producer:
            producer.produce("secrets", b"42", on_delivery=report)


if __name__ == "__main__":
    main()
