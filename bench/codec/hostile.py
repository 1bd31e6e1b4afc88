"""How long the dearest messages of 1 MiB keep the decoder busy, accepted or refused.

    python bench/codec/hostile.py [API ...]

The APIs are numbers of keys; without any, those are tried that a broker of one node serves. Each message is of as many
elements as it can hold, and damaged at its very end: see `dotkafka.testing.costly_messages`. The garbage collector is
on.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from dotkafka.errors import DecodeError
from dotkafka.protocol.apis import api_for
from dotkafka.testing.costly_messages import costly_messages

SIZE_BYTES = 1024 * 1024
ATTEMPTS = 3
SHOWN = 10
SERVED = (*range(4), *range(8, 24), 32, 33, 35, 37, 42, 44, 47, 60, 74, 75)


def main() -> None:
    """Measure, and print the slowest."""
    keys = [int(key) for key in sys.argv[1:]] or SERVED
    found = []
    for key in keys:
        message = api_for(key).request
        for version in {message.versions.lowest, message.versions.highest}:
            for name, data in costly_messages(message, version, SIZE_BYTES):
                milliseconds = []
                for _ in range(ATTEMPTS):
                    start = time.process_time()
                    with suppress(DecodeError):
                        message.decode(version, data[:-1])
                    milliseconds.append((time.process_time() - start) * 1e3)
                found.append(
                    (min(milliseconds) * SIZE_BYTES / len(data), f"{message.struct.__name__} v{version} {name}")
                )
    print(f"| the slowest of {len(found)} | CPU ms per MiB |\n|---|---:|")
    for milliseconds_per_mib, name in sorted(found, reverse=True)[:SHOWN]:
        print(f"| {name} | {milliseconds_per_mib:.1f} |")


if __name__ == "__main__":
    main()
