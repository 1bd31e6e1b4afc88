"""Purgatory: who waits is woken by what it watches, or expires, and is answered once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dotkafka.broker.purgatory import Purgatory
from dotkafka.clock import Instant
from dotkafka.log.partition_log import PartitionLog
from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.storage.spi import TopicIdPartition


class Waiter:
    """A request that waits until it is woken for the given time."""

    def __init__(self, wakes_needed):
        self.wakes_needed = wakes_needed
        self.answers = []

    def wake(self, now):
        """Answer if this was the last wake needed."""
        self.wakes_needed -= 1
        if self.wakes_needed > 0:
            return False
        self.answers.append("woken")
        return True

    def expire(self, now):
        """Answer because time is over."""
        self.answers.append("expired")


class PurgatoryMachine(RuleBasedStateMachine):
    """Any order of waits, advances and time."""

    def __init__(self):
        super().__init__()
        self.purgatory = Purgatory()
        self.logs = [PartitionLog(TopicIdPartition(bytes(16), index)) for index in range(3)]
        self.now_ms = 0
        self.waiting = {}
        """By waiter: which logs it watches, its deadline, and how many wakes it still needs."""
        self.expected = {}

    @rule(watched=st.lists(st.integers(0, 2)), patience_ms=st.integers(1, 20), wakes=st.integers(1, 3))
    def add(self, watched, patience_ms, wakes):
        """A request begins to wait; it may name a partition twice."""
        waiter = Waiter(wakes)
        self.purgatory.add(waiter, [self.logs[index] for index in watched], self.now_ms + patience_ms)
        self.waiting[waiter] = [set(watched), self.now_ms + patience_ms, wakes]
        self.expected[waiter] = []

    @rule(index=st.integers(0, 2))
    def advance_log(self, index):
        """A partition advances: each of its watchers looks once."""
        self.purgatory.wake(self.logs[index], Instant(self.now_ms, 0))
        for waiter, entry in list(self.waiting.items()):
            if index in entry[0]:
                entry[2] -= 1
                if entry[2] == 0:
                    self.expected[waiter].append("woken")
                    del self.waiting[waiter]

    @rule(milliseconds=st.integers(0, 10))
    def pass_time(self, milliseconds):
        """Those whose time is over are answered."""
        self.now_ms += milliseconds
        self.purgatory.expire(Instant(self.now_ms, 0))
        for waiter, (_, deadline_ms, _) in list(self.waiting.items()):
            if deadline_ms <= self.now_ms:
                self.expected[waiter].append("expired")
                del self.waiting[waiter]

    @rule()
    def stop(self):
        """The end of the broker answers everybody."""
        self.purgatory.expire_all(Instant(self.now_ms, 0))
        for waiter in self.waiting:
            self.expected[waiter].append("expired")
        self.waiting.clear()

    @invariant()
    def answered_once_and_nothing_left_over(self):
        """All have got what they should, and an empty purgatory holds nothing."""
        assert {waiter: waiter.answers for waiter in self.expected} == self.expected
        assert len(self.purgatory) == len(self.waiting)
        deadlines = [deadline_ms for _, deadline_ms, _ in self.waiting.values()]
        assert self.purgatory.next_deadline_ms() == min(deadlines, default=None)
        assert len(self.purgatory._watchers) == len(
            {index for watched, *_ in self.waiting.values() for index in watched}
        )


PurgatoryMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
TestPurgatory = PurgatoryMachine.TestCase


def test_wakes_in_order_of_arrival():
    """Who came first is answered first."""
    purgatory, order = Purgatory(), []

    class Recorder(Waiter):
        def wake(self, now):
            order.append(self)
            return True

    log = PartitionLog(TopicIdPartition(bytes(16), 0))
    waiters = [Recorder(1) for _ in range(5)]
    for number, waiter in enumerate(waiters):
        purgatory.add(waiter, [log], 100 - number)
    purgatory.wake(log, Instant(0, 0))
    assert order == waiters


def test_a_fetch_that_names_a_partition_twice(client, values):
    """A request that watches a partition twice is woken and answered like any other."""
    client.create_topic("t")
    reader = client.running.connect()
    request = reader.fetch_request("t", max_wait_ms=10_000)
    request.topics = [*request.topics, *request.topics]
    reader.send(FETCH, 11, request)
    client.produce("t", b"a")
    (response,) = reader.received()
    assert values(response.responses[0].partitions[0].records) == [b"a"]


def test_shutdown_answers_waiting_fetches(client, running):
    """Nobody is left waiting when the broker stops."""
    client.create_topic("t")
    client.send(FETCH, 11, client.fetch_request("t", max_wait_ms=10_000))
    running.broker.begin_shutdown(running.machine.now)
    (response,) = client.received()
    assert response.responses[0].partitions[0].error_code == 0
