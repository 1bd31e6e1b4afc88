"""The checker of histories flags each class of defects, and not what only looks like one."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.testing.history import (
    Anomaly,
    Assigned,
    Commit,
    Committed,
    Compaction,
    DeleteRecords,
    DeleteTopic,
    EndTransaction,
    Finding,
    Healed,
    Heartbeat,
    History,
    Mark,
    Poll,
    Polled,
    Revoked,
    Seek,
    Send,
    Watermarks,
    check,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def send(history: History, values: str, offset: int = 0, client: str = "producer", **fields: Any) -> list[Send]:
    """One record a letter, each acknowledged before the next is sent, from that offset on."""
    return [
        history.ok(history.begin(Send(client, "t", 0, value, **fields)), offset=at)
        for at, value in enumerate(values, offset)
    ]


def poll(history: History, values: str, offset: int = 0, client: str = "consumer", **fields: Any) -> Poll:
    """One record a letter, from that offset on; a dot is a gap."""
    records = [("t", 0, at, value) for at, value in enumerate(values, offset) if value != "."]
    return history.add(Poll(client, records, **fields))


def commit(history: History, offset: int | None, client: str = "member", **fields: Any) -> Commit:
    """An acknowledged commit of group g."""
    return history.add(Commit(client, "g", [("t", 0, offset)], **fields))


def fetch(history: History, offset: int | None) -> Committed:
    """The committed offset of group g, as found."""
    return history.add(Committed("asker", "g", [("t", 0, offset)]))


def assign(history: History, client: str, generation: int | None, *partitions: int) -> Assigned:
    """A member of group g learns what it owns."""
    return history.add(Assigned(client, "g", [("t", number) for number in partitions], generation=generation))


def heal(history: History) -> None:
    """From here on nothing is disturbed."""
    history.add(Healed("test"))


def anomalies(history: History) -> list[Anomaly]:
    """The classes of all findings; they are the same after a way through JSON."""
    findings = check(history)
    assert list(map(str, check(History.from_json(history.to_json())))) == list(map(str, findings))
    assert all(finding.operations for finding in findings)
    return [finding.anomaly for finding in findings]


@pytest.fixture(name="history")
def fixture_history() -> History:
    """An empty history."""
    return History()


def test_a_finding_says_what_is_wrong_and_where(history: History) -> None:
    """In a sentence, with the operations that show it."""
    sent = send(history, "abc")
    first, second = poll(history, "a"), poll(history, "c", offset=2, client="consumer")
    (finding,) = check(history)
    assert finding.operations == (sent[1], second)
    assert first not in finding.operations
    assert str(finding) == (
        "lost write: t-0 acknowledged 'b' at offset 1; nobody ever reads it, and consumer finds the log to go on"
        " without it"
    )


# Writes --------------------------------------------------------------------------------------------------------------


def test_lost_write(history: History) -> None:
    """A consumer reads on over what was acknowledged, and nobody ever reads it."""
    send(history, "abc")
    poll(history, "a.c")
    assert anomalies(history) == [Anomaly.LOST_WRITE]


def test_lost_write_at_the_beginning(history: History) -> None:
    """A consumer that reads from the beginning finds another first record."""
    send(history, "ab")
    history.add(Seek("consumer", "t", 0, to_beginning=True))
    poll(history, "b", offset=1)
    assert anomalies(history) == [Anomaly.LOST_WRITE]


def test_lost_write_at_the_end(history: History) -> None:
    """The log is said to end before it: the watermark has gone back as well."""
    send(history, "ab")
    history.add(Watermarks("consumer", "t", 0, 0, 1))
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS, Anomaly.LOST_WRITE]


@pytest.mark.parametrize("end", ["unknown", "fail", "pending"])
def test_a_write_without_an_acknowledgement_may_be_lost(history: History, end: str) -> None:
    """A timeout promises nothing."""
    sent = history.begin(Send("other", "t", 0, "b"))
    if end != "pending":
        getattr(history, end)(sent)
    send(history, "a")
    send(history, "c", offset=2)
    poll(history, "a.c")
    assert anomalies(history) == []


@pytest.mark.parametrize("commit_outcome", ["abort", "none", "unknown", "fail"])
def test_a_write_of_an_open_or_aborted_transaction_may_be_lost(history: History, commit_outcome: str) -> None:
    """Only a commit that was acknowledged makes its records last."""
    send(history, "ab", transaction="tx")
    send(history, "c", offset=3)
    if commit_outcome == "abort":
        history.add(EndTransaction("producer", "tx", commit=False))
    elif commit_outcome != "none":
        getattr(history, commit_outcome)(history.begin(EndTransaction("producer", "tx", commit=True)))
    history.add(Seek("consumer", "t", 0, 0))
    poll(history, "c", offset=3, read_committed=True)
    heal(history)
    assert anomalies(history) == []


def test_a_committed_write_is_lost_to_those_who_read_what_is_committed(history: History) -> None:
    """As any other."""
    send(history, "ab", transaction="tx")
    history.add(EndTransaction("producer", "tx", commit=True))
    send(history, "c", offset=3)
    poll(history, "a..c", read_committed=True)
    assert anomalies(history) == [Anomaly.LOST_WRITE]


@pytest.mark.parametrize(
    "removal",
    [DeleteRecords("admin", "t", 0, 2), Watermarks("admin", "t", 0, 2, 3), Compaction("admin", "t")],
    ids=lambda removal: type(removal).__name__,
)
def test_what_may_have_been_removed_is_not_lost(history: History, removal: Any) -> None:
    """By DeleteRecords, by retention (the log is seen to start later) or by compaction."""
    send(history, "abc")
    history.add(removal)
    poll(history, "a")
    poll(history, "c", offset=2)
    heal(history)
    assert anomalies(history) == []


def test_a_consumer_that_starts_later_has_not_lost_what_is_before(history: History) -> None:
    """As long as the history may go on, somebody may still read it."""
    send(history, "abc")
    poll(history, "c", offset=2)
    assert anomalies(history) == []


def test_unseen(history: History) -> None:
    """Nobody has read it when everything has healed."""
    send(history, "ab")
    heal(history)
    poll(history, "a")
    assert anomalies(history) == [Anomaly.UNSEEN]
    poll(history, "b", offset=1)
    assert anomalies(history) == []


def test_what_was_acknowledged_without_an_offset_must_be_seen_too(history: History) -> None:
    """Some retries are answered so."""
    history.add(Send("producer", "t", 0, "a"))
    heal(history)
    assert anomalies(history) == [Anomaly.UNSEEN]
    poll(history, "a", offset=7)
    assert anomalies(history) == []


def test_a_deleted_topic_is_not_unseen(history: History) -> None:
    """Nor is what may have been deleted; one of the same name begins at 0 again, with values of its own."""
    send(history, "ab")
    history.unknown(history.begin(DeleteTopic("admin", "t")))
    send(history, "c")
    heal(history)
    assert anomalies(history) == []


def test_a_topic_that_was_deleted_begins_anew(history: History) -> None:
    """Offsets, watermarks and places of consumers are those of one life; a late poll belongs to the one before."""
    send(history, "ab", idempotent=True)
    history.add(Watermarks("admin", "t", 0, 0, 2))
    poll(history, "a")
    history.add(DeleteTopic("admin", "t"))
    poll(history, "b", offset=1)
    history.add(Watermarks("admin", "t", 0, 0, 0))
    (sent,) = send(history, "c", idempotent=True)
    poll(history, "c")
    assert anomalies(history) == []
    sent.offset = 1
    assert anomalies(history) == [Anomaly.DUPLICATE]


def test_duplicate(history: History) -> None:
    """One record of an idempotent producer at two offsets; of a plain one it may be a retry."""
    (sent,) = send(history, "a", idempotent=True)
    poll(history, "aa")
    assert anomalies(history) == [Anomaly.DUPLICATE]
    sent.idempotent = False
    assert anomalies(history) == []


def test_inconsistent_offset(history: History) -> None:
    """Two records at one offset, acknowledged or read."""
    send(history, "ab")
    poll(history, "a")
    poll(history, "b", client="other")
    assert anomalies(history) == [Anomaly.INCONSISTENT_OFFSET]


def test_one_record_read_twice_is_consistent(history: History) -> None:
    """By two consumers; and offsets of other partitions are other offsets."""
    send(history, "ab")
    history.ok(history.begin(Send("producer", "t", 1, "c")), offset=0)
    poll(history, "ab")
    poll(history, "ab", client="other")
    history.add(Poll("other", [("t", 1, 0, "c")]))
    assert anomalies(history) == []


def test_nonmonotonic_send(history: History) -> None:
    """A record stands before one that was there when it was sent."""
    send(history, "a", offset=5)
    send(history, "b", offset=4, client="other")
    assert anomalies(history) == [Anomaly.NONMONOTONIC_SEND]


def test_nonmonotonic_send_below_a_watermark(history: History) -> None:
    """Or before an end that was known."""
    history.add(Watermarks("asker", "t", 0, 0, 9))
    send(history, "a", offset=4)
    assert anomalies(history) == [Anomaly.NONMONOTONIC_SEND]


def test_sends_at_the_same_time_have_no_order(history: History) -> None:
    """But those of one idempotent producer have: it numbers them."""
    first, second = (history.begin(Send("producer", "t", 0, value)) for value in "ab")
    history.ok(second, offset=0)
    history.ok(first, offset=1)
    assert anomalies(history) == []
    first.idempotent = second.idempotent = True
    assert anomalies(history) == [Anomaly.NONMONOTONIC_SEND]


def test_watermark_regress(history: History) -> None:
    """The end or the start of a log goes back."""
    history.add(Watermarks("asker", "t", 0, 3, 5))
    later = history.add(Watermarks("asker", "t", 0, 2, 5))
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS]
    later.low, later.high = 3, 4
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS]
    later.high = 5
    assert anomalies(history) == []


def test_watermarks_asked_for_at_the_same_time_have_no_order(history: History) -> None:
    """The answers may cross; so may that to DeleteRecords, but not once it is there."""
    first, second = (history.begin(Watermarks(client, "t", 0)) for client in "xy")
    history.ok(second, low=0, high=5)
    history.ok(first, low=0, high=4)
    deletion = history.begin(DeleteRecords("admin", "t", 0, 2))
    asked = history.add(Watermarks("x", "t", 0, 0, 5))
    history.ok(deletion)
    assert anomalies(history) == []
    deletion.ended = asked.began - 1
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS]


def test_the_last_stable_offset_may_stand_behind(history: History) -> None:
    """Behind a transaction that is open; but it does not go back either."""
    send(history, "abc", transaction="tx")
    history.add(Watermarks("asker", "t", 0, 0, 0, read_committed=True))
    assert anomalies(history) == []
    history.add(Watermarks("asker", "t", 0, 0, 4, read_committed=True))
    history.add(Watermarks("asker", "t", 0, 0, 3, read_committed=True))
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS]


# Reads ---------------------------------------------------------------------------------------------------------------


def test_nonmonotonic_poll(history: History) -> None:
    """A consumer goes back, in one poll or from one to the next."""
    send(history, "ab")
    poll(history, "ab")
    poll(history, "b", offset=1)
    assert anomalies(history) == [Anomaly.NONMONOTONIC_POLL]


@pytest.mark.parametrize(
    "rewind",
    [
        Seek("consumer", "t", 0, 0),
        Seek("consumer", "t", 0),
        Assigned("consumer", "g", [("t", 0)]),
        Revoked("consumer", "g"),
    ],
    ids=repr,
)
def test_a_consumer_may_be_sent_back(history: History, rewind: Any) -> None:
    """By itself or by its group."""
    send(history, "ab")
    poll(history, "ab")
    history.add(rewind)
    poll(history, "ab")
    assert anomalies(history) == []


def test_skipped_poll(history: History) -> None:
    """A consumer jumps over a record that another one has read."""
    send(history, "abc")
    poll(history, "abc", client="other")
    poll(history, "a.c")
    assert anomalies(history) == [Anomaly.SKIPPED_POLL]


def test_gaps_that_hold_nothing_are_not_skipped(history: History) -> None:
    """Such as markers of transactions, and for those who read what is committed, what was aborted."""
    send(history, "a")
    send(history, "b", offset=1, transaction="tx")
    history.add(EndTransaction("producer", "tx", commit=False))
    send(history, "c", offset=3)
    poll(history, "ab.c", client="other")
    poll(history, "a..c", read_committed=True)
    assert anomalies(history) == []


def test_a_consumer_that_fell_out_of_the_log_may_be_sent_anywhere(history: History) -> None:
    """To the end, if its policy says so."""
    send(history, "abcd")
    poll(history, "abcd", client="other")
    poll(history, "a")
    history.unknown(history.begin(DeleteRecords("admin", "t", 0, 2)))
    poll(history, "d", offset=3)
    assert anomalies(history) == []


def test_phantom(history: History) -> None:
    """Nobody sent it, or not to there."""
    send(history, "a")
    poll(history, "a")
    history.add(Poll("consumer", [("t", 1, 0, "a")]))
    assert anomalies(history) == [Anomaly.PHANTOM]


def test_phantom_that_was_refused(history: History) -> None:
    """What was refused cannot be there; what timed out can."""
    sent = history.fail(history.begin(Send("producer", "t", 0, "a")))
    poll(history, "a")
    assert anomalies(history) == [Anomaly.PHANTOM]
    history.unknown(sent)
    assert anomalies(history) == []


def test_phantom_before_it_was_sent(history: History) -> None:
    """A poll that had returned cannot hold it; one that had only begun can."""
    polled = poll(history, "a")
    (sent,) = send(history, "a")
    assert anomalies(history) == [Anomaly.PHANTOM]
    polled.ended = sent.ended
    assert anomalies(history) == []


def test_uncommitted_read(history: History) -> None:
    """A consumer that wants what is committed gets what was aborted, or is not committed yet."""
    send(history, "a", transaction="tx")
    polled = poll(history, "a", read_committed=True)
    assert anomalies(history) == [Anomaly.UNCOMMITTED_READ]
    history.add(EndTransaction("producer", "tx", commit=True))
    assert anomalies(history) == [Anomaly.UNCOMMITTED_READ]
    polled.read_committed = False
    assert anomalies(history) == []


def test_a_commit_under_way_may_be_read(history: History) -> None:
    """Nobody knows when it takes effect, or whether."""
    send(history, "a", transaction="tx")
    history.begin(EndTransaction("producer", "tx", commit=True))
    poll(history, "a", read_committed=True)
    assert anomalies(history) == []


# Groups --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [3, None, -1001])
def test_lost_commit(history: History, found: int | None) -> None:
    """An older offset is found, or none."""
    commit(history, 3)
    commit(history, 5)
    fetch(history, found)
    assert anomalies(history) == [Anomaly.LOST_COMMIT]


def test_commits_that_may_be_found(history: History) -> None:
    """The last one, be it lower; one under way, or not; one that timed out, however late."""
    fetch(history, None)
    commit(history, 5)
    commit(history, 3)
    fetch(history, 3)
    under_way = history.begin(Commit("member", "g", [("t", 0, 7)]))
    fetch(history, 7)
    fetch(history, 3)
    history.ok(under_way)
    history.unknown(history.begin(Commit("member", "g", [("t", 0, 9)])))
    fetch(history, 7)
    commit(history, 8)
    fetch(history, 9)
    assert anomalies(history) == []


def test_a_fetch_that_began_before_a_commit_may_miss_it(history: History) -> None:
    """They were under way at the same time."""
    commit(history, 3)
    fetched = history.begin(Committed("asker", "g"))
    commit(history, 5)
    history.ok(fetched, offsets=[("t", 0, 3)])
    assert anomalies(history) == []


def test_offsets_may_be_deleted(history: History) -> None:
    """By themselves, or with their topic."""
    commit(history, 3)
    commit(history, None)
    fetch(history, None)
    commit(history, 4)
    history.begin(DeleteTopic("admin", "t"))
    fetch(history, None)
    assert anomalies(history) == []


def test_phantom_commit(history: History) -> None:
    """An offset that nobody had committed, or whose commit was refused."""
    refused = history.fail(history.begin(Commit("member", "g", [("t", 0, 4)])))
    commit(history, 3)
    fetch(history, 4)
    assert anomalies(history) == [Anomaly.PHANTOM_COMMIT]
    history.unknown(refused)
    assert anomalies(history) == []


def test_stale_commit(history: History) -> None:
    """A member commits as of a generation after which its partition was given to another one."""
    assign(history, "old", 4, 0)
    assign(history, "new", 5, 0)
    commit(history, 3, client="old", generation=4)
    assert anomalies(history) == [Anomaly.STALE_COMMIT]


def test_commits_that_are_not_stale(history: History) -> None:
    """One that was refused, one under way when the partition moved, one of a partition that did not move."""
    assign(history, "old", 4, 0, 1)
    under_way = history.begin(Commit("old", "g", [("t", 0, 3)], generation=4))
    assign(history, "new", 5, 0)
    history.ok(under_way)
    history.fail(history.begin(Commit("old", "g", [("t", 0, 4)], generation=4)))
    history.add(Commit("old", "g", [("t", 1, 7)], generation=4))
    commit(history, 5, client="new", generation=5)
    assert anomalies(history) == []


def test_a_group_that_begins_anew_counts_its_generations_anew(history: History) -> None:
    """It was empty, and deleted or taken over by the other protocol. A late answer shows no such thing."""
    assign(history, "old", 4, 0)
    late = history.begin(Assigned("late", "g", [("t", 0)], generation=2))
    assign(history, "new", 5, 0)
    history.add(Revoked("new", "g"))
    assign(history, "first", 1, 0)
    commit(history, 3, client="first", generation=1)
    assert anomalies(history) == []
    history.operations = history.operations[:3]
    history.ok(late)
    commit(history, 3, client="late", generation=2)
    assert anomalies(history) == [Anomaly.STALE_COMMIT]


def test_double_assignment(history: History) -> None:
    """Two members own a partition in one generation."""
    assign(history, "x", 4, 0, 1)
    assign(history, "y", 4, 1, 2)
    assert anomalies(history) == [Anomaly.DOUBLE_ASSIGNMENT]


def test_double_assignment_by_a_move_without_revocation(history: History) -> None:
    """A partition goes straight from one member to another, and both are in the new generation."""
    assign(history, "x", 4, 0, 1)
    assign(history, "y", 5, 1)
    assign(history, "x", 5, 0)
    assert anomalies(history) == [Anomaly.DOUBLE_ASSIGNMENT]


def test_double_assignment_by_an_owner_that_stays(history: History) -> None:
    """Who had a partition is told that it still has it, though another one was given it meanwhile."""
    assign(history, "x", 4, 0, 1)
    assign(history, "y", 5, 1)
    history.add(Heartbeat("x", "g", generation=4))
    assert anomalies(history) == [Anomaly.DOUBLE_ASSIGNMENT]


def test_heartbeats_that_are_no_double_assignment(history: History) -> None:
    """One that was under way, one that was refused, one after letting go, one of who got it back."""
    assign(history, "x", 4, 0, 1)
    under_way = history.begin(Heartbeat("x", "g", generation=4))
    assign(history, "y", 5, 1)
    history.ok(under_way)
    history.fail(history.begin(Heartbeat("x", "g", generation=4)))
    history.add(Revoked("x", "g", [("t", 1)]))
    history.add(Heartbeat("x", "g", generation=5))
    history.add(Revoked("y", "g"))
    assign(history, "x", 6, 0, 1)
    history.add(Heartbeat("x", "g", generation=6))
    assert anomalies(history) == []


def test_assignments_that_are_not_double(history: History) -> None:
    """A move after a revocation, a place after a death, a fenced member that knows nothing, another group."""
    assign(history, "x", 4, 0, 1)
    history.add(Revoked("x", "g", [("t", 1)]))
    assign(history, "y", 5, 1)
    assign(history, "x", 5, 0)
    history.add(Revoked("x", "g"))
    assign(history, "x's successor", 5, 0)
    assign(history, "z", 6, 0, 1)
    history.add(Assigned("x", "other group", [("t", 0)], generation=6))
    assert anomalies(history) == []


def test_assignments_without_generations_are_not_compared(history: History) -> None:
    """Not every client tells its generation."""
    assign(history, "x", None, 0)
    assign(history, "y", None, 0)
    assert anomalies(history) == []


# Compaction ----------------------------------------------------------------------------------------------------------


def test_of_each_key_the_newest_record_is_not_compacted_away(history: History) -> None:
    """A record that nobody reads, though it is the newest of its key."""
    history.add(Compaction("admin", "t"))
    send(history, "abc", key="k")
    send(history, "d", 3, key="other")
    poll(history, "a..d")
    assert anomalies(history) == [Anomaly.LOST_WRITE]


def test_what_compaction_may_take(history: History) -> None:
    """An older one, one without a key, a tombstone, one that an open write may have replaced."""
    history.add(Compaction("admin", "t"))
    send(history, "ab", key="k")
    send(history, "c", 2)
    send(history, "d", 3, key="other", is_tombstone=True)
    send(history, "e", 4, key="open")
    history.unknown(history.begin(Send("producer", "t", 0, "?", key="open")))
    send(history, "f", 5, key="last")
    poll(history, ".b...f")
    heal(history)
    assert anomalies(history) == []


def test_a_tombstone_that_is_kept(history: History) -> None:
    """It must not vanish before its time, or who reads late never hears that its key is gone."""
    history.add(Compaction("admin", "t", keeps_tombstones=True))
    send(history, "a", key="k")
    send(history, "b", 1, key="k", is_tombstone=True)
    send(history, "c", 2, key="other")
    poll(history, "a.c")
    assert anomalies(history) == [Anomaly.LOST_WRITE]


def test_resurrected(history: History) -> None:
    """A deleted key comes back: its tombstone was gone already."""
    history.add(Compaction("admin", "t"))
    send(history, "ab", key="k")
    send(history, "c", 2, key="k", is_tombstone=True)
    send(history, "d", 3, key="other")
    poll(history, "ab.d")
    poll(history, "a..d", client="late")
    assert anomalies(history) == [Anomaly.RESURRECTED]


def test_keys_that_are_not_resurrected(history: History) -> None:
    """One read while it was compacted away, one of another key, one with all that is newer, from a cache."""
    history.add(Compaction("admin", "t"))
    send(history, "ab", key="k")
    send(history, "c", 2, key="other")
    send(history, "d", 3, key="k")
    under_way = history.begin(Poll("slow"))
    poll(history, "a.cd")
    history.ok(under_way, records=[Polled("t", 0, 0, "a"), Polled("t", 0, 2, "c")])
    poll(history, "abcd", client="cache")
    assert anomalies(history) == []


# Progress ------------------------------------------------------------------------------------------------------------


def test_stuck(history: History) -> None:
    """A call has not returned when everything has healed; without that, the history may just have been cut."""
    history.begin(Send("producer", "t", 0, "a"))
    history.add(Mark("test", "broker killed"))
    assert anomalies(history) == []
    heal(history)
    assert anomalies(history) == [Anomaly.STUCK]


def test_stuck_with_timeouts(history: History) -> None:
    """A client gets nothing done since everything has healed; one that gets something done may time out."""
    history.unknown(history.begin(Send("producer", "t", 0, "a")))
    heal(history)
    assert anomalies(history) == []
    history.unknown(history.begin(Send("producer", "t", 0, "b")))
    assert anomalies(history) == [Anomaly.STUCK]
    send(history, "c")
    poll(history, "c")
    assert anomalies(history) == []


# Histories -----------------------------------------------------------------------------------------------------------


def test_values_must_be_unique(history: History) -> None:
    """In each partition; else nobody could tell which was read."""
    history.add(Send("producer", "t", 1, "a"))
    send(history, "a")
    history.add(Send("producer", "t", 0, "a"))
    with pytest.raises(ValueError, match="'a' was sent twice to t-0"):
        check(history)


def test_an_answer_has_no_other_fields(history: History) -> None:
    """A slip of the pen is an error."""
    with pytest.raises(AttributeError):
        history.ok(history.begin(Send("producer", "t", 0, "a")), ofset=3)


def test_moments_are_counted_or_given(history: History) -> None:
    """Each is later than the one before, also behind a history that was read; or as a clock gives them."""
    assert [(sent.began, sent.ended) for sent in send(history, "abc")] == [(1, 2), (3, 4), (5, 6)]
    assert History.from_json(history.to_json()).add(Healed("test")).began == 7
    timed = History(now=time.monotonic_ns)
    before = time.monotonic_ns()
    assert before <= timed.add(Healed("test")).began <= time.monotonic_ns()


def test_coarse_clocks_raise_nothing() -> None:
    """What happened at one moment has no order."""
    history = History(now=itertools.repeat(7).__next__)
    poll(history, "ab", read_committed=True)
    send(history, "a", offset=0)
    send(history, "b", offset=1, transaction="tx")
    history.add(EndTransaction("producer", "tx", commit=True))
    fetch(history, 3)
    commit(history, 3)
    fetch(history, None)
    assert anomalies(history) == []


def test_findings_are_few_for_many_records(history: History) -> None:
    """A stretch of log that was lost is one finding, and its sentence is short."""
    values = "".join(map(chr, range(0x4E00, 0x4E00 + 500)))
    send(history, values)
    poll(history, values[0] + "." * 498 + values[-1])
    findings: Sequence[Finding] = check(history)
    (finding,) = findings
    assert len(finding.operations) == 499
    assert "and 493 more" in finding.sentence
