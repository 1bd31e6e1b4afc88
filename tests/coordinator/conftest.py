"""What the tests of the coordinator share: the flag that rewrites scenarios."""

import pytest


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
