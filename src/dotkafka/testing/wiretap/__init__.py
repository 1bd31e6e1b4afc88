"""A history of what clients did, read off the wire: for clients in any language, that know nothing of it.

    tap = Wiretap(history := History())
    connection = tap.connect()  # for each connection of a proxy, which hands on what it has fed
    ...
    connection.feed_requests(data)  # before the broker has it
    connection.feed_responses(data)  # before the client has it
    connection.close()
    ...
    assert check(history) == []

It does no I/O; see `docs/histories.md` for what it notes, and what a proxy has to do.
"""

from dotkafka.testing.wiretap.tap import TappedConnection, Wiretap

__all__ = ["TappedConnection", "Wiretap"]
