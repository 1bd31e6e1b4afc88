"""How much processor time the checker of histories takes.

python bench/history.py [--sends 100000]
"""

from __future__ import annotations

import argparse
import time

from dotkafka.testing.history import Commit, Committed, Healed, History, Poll, Send, check

PARTITIONS = 4
BATCH = 500


def history_of(sends: int) -> History:
    """Return a history of sends one after the other, each read by two consumers that commit as they go."""
    history = History()
    for number in range(sends):
        sent = history.begin(Send("producer", "t", number % PARTITIONS, str(number), idempotent=True))
        history.ok(sent, offset=number // PARTITIONS)
    history.add(Healed("bench"))
    for client in ("one", "other"):
        for first in range(0, sends, BATCH):
            numbers = range(first, min(first + BATCH, sends))
            records = [("t", number % PARTITIONS, number // PARTITIONS, str(number)) for number in numbers]
            history.add(Poll(client, records))
            history.add(Commit(client, client, [("t", 0, first)]))
            history.add(Committed(client, client, [("t", 0, first)]))
    return history


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sends", type=int, default=100_000)
    history = history_of(parser.parse_args().sends)
    started_s = time.process_time()
    findings = check(history)
    taken_s = time.process_time() - started_s
    print(f"{len(history.operations)} operations: {taken_s:.2f} s of processor time, {len(findings)} findings")


if __name__ == "__main__":
    main()
