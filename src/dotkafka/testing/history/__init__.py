"""Judge a broker by what its clients saw: a recorder of histories, and a checker of them.

    history = History()
    sent = history.begin(Send("producer", "orders", 0, "17"))
    ...
    history.ok(sent, offset=3)  # or history.fail(sent), history.unknown(sent)
    history.add(Poll("consumer", [("orders", 0, 3, "17")]))
    assert check(history) == []

After the model of Jepsen's workload for Kafka. A finding is certain under what was recorded: what a timeout, an open
transaction, retention, a deletion or calls under way at the same time may explain is none.
"""

from __future__ import annotations

from dotkafka.testing.history.consumers import check_consumers
from dotkafka.testing.history.findings import Anomaly, Finding
from dotkafka.testing.history.groups import check_groups
from dotkafka.testing.history.logs import Logs
from dotkafka.testing.history.operations import (
    Assigned,
    Commit,
    Committed,
    Compaction,
    DeleteRecords,
    DeleteTopic,
    EndTransaction,
    Healed,
    Heartbeat,
    Mark,
    Operation,
    Outcome,
    Partition,
    Poll,
    Polled,
    Position,
    Revoked,
    Seek,
    Send,
    Watermarks,
)
from dotkafka.testing.history.progress import check_progress
from dotkafka.testing.history.recorder import History
from dotkafka.testing.history.records import check_records

__all__ = [
    "Anomaly",
    "Assigned",
    "Commit",
    "Committed",
    "Compaction",
    "DeleteRecords",
    "DeleteTopic",
    "EndTransaction",
    "Finding",
    "Healed",
    "Heartbeat",
    "History",
    "Mark",
    "Operation",
    "Outcome",
    "Partition",
    "Poll",
    "Polled",
    "Position",
    "Revoked",
    "Seek",
    "Send",
    "Watermarks",
    "check",
]


def check(history: History) -> list[Finding]:
    """Return all that is wrong with a history; in n log n of its operations and records.

    Raises:
        ValueError: one value was sent twice to a partition, so that nobody could tell which of them was read.
    """
    operations = sorted(history.operations, key=lambda operation: operation.began)
    logs = Logs(operations)
    return [
        *check_records(logs, operations),
        *check_consumers(logs, operations),
        *check_groups(operations),
        *check_progress(operations),
    ]
