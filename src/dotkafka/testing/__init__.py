"""What helps to test with dotkafka: a broker for a test's lifetime, a clock moved by hand, checks for storage engines.

With pytest, see also the fixtures of `dotkafka.pytest_plugin`.
"""

from dotkafka.testing.clock import ManualClock
from dotkafka.testing.running_broker import ConsumedRecord, RunningBroker, running_broker

__all__ = ["ConsumedRecord", "ManualClock", "RunningBroker", "running_broker"]
