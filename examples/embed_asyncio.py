"""A broker inside an asyncio program, used by aiokafka in the same event loop.

Run it: `python examples/embed_asyncio.py`. It needs `pip install dotkafka aiokafka`.
"""

import asyncio
import tempfile

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

import dotkafka


async def main() -> None:
    """Start a broker, send five greetings, and read them back."""
    with tempfile.TemporaryDirectory() as directory:
        async with dotkafka.serve("127.0.0.1:0", data=directory) as server:
            print(f"a broker at {server.bootstrap}")

            async with AIOKafkaProducer(bootstrap_servers=server.bootstrap) as producer:
                for number in range(5):
                    sent = await producer.send_and_wait("greetings", f"hello {number}".encode())
                    print(f"sent, and on disk: offset {sent.offset}")

            async with AIOKafkaConsumer(
                "greetings", bootstrap_servers=server.bootstrap, group_id="readers", auto_offset_reset="earliest"
            ) as consumer:
                for _ in range(5):
                    message = await consumer.getone()
                    print(f"read: offset {message.offset}, {message.value.decode()}")


if __name__ == "__main__":
    asyncio.run(main())
