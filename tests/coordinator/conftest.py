"""What the tests of the coordinator share: the flag that rewrites scenarios, a step, and members."""

from collections.abc import Callable

import pytest

from dotkafka.clock import Instant
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline
from dotkafka.coordinator.step import Step


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag to pytest."""
    parser.addoption(
        "--rewrite-scenarios",
        action="store_true",
        help="write what happens into tests/coordinator/scenarios/*.txt; the diff is the review",
    )


@pytest.fixture
def rewrite_scenarios(request: pytest.FixtureRequest) -> bool:
    """Whether scenarios are to be rewritten. The flag is known only where this directory is named to pytest."""
    return bool(request.config.getoption("--rewrite-scenarios", default=False))


@pytest.fixture
def deadlines() -> Deadlines[GroupDeadline]:
    """The deadlines that `step` sets."""
    return Deadlines()


@pytest.fixture
def step(deadlines: Deadlines[GroupDeadline]) -> Step:
    """A step at moment 0 of the monotonic clock."""
    return Step(Instant(0, 1_000_000), GroupConfig(), deadlines, lambda: "uuid")


@pytest.fixture
def make_member() -> Callable[..., ClassicMember]:
    """Make a consumer of which only these things matter."""

    def make(
        member_id: str,
        *protocols: str,
        metadata: bytes = b"",
        instance: str | None = None,
        rebalance_timeout_ms: int = 5_000,
    ) -> ClassicMember:
        return ClassicMember(
            member_id,
            group_instance_id=instance,
            client_id="client",
            client_host="/127.0.0.1",
            rebalance_timeout_ms=rebalance_timeout_ms,
            session_timeout_ms=6_000,
            protocol_type="consumer",
            protocols=dict.fromkeys(protocols or ("range",), metadata),
        )

    return make
