"""What the tests against other implementations share: random values of any message, the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.testing.random_messages import RandomValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.schema import Message

VALUES_PER_VERSION = 6


@pytest.fixture(scope="session")
def random_values() -> Callable[..., Iterator[Any]]:
    """Return a function that gives some random values of a message at one version."""

    def values(message: Message[Any], version: int, *, unknown_tags: bool = True) -> Iterator[Any]:
        layout = message.layout(version)
        for number in range(VALUES_PER_VERSION):
            seed = f"{message.struct.__name__} {version} {number}"
            yield RandomValues(seed, unknown_tags=unknown_tags).struct(layout)

    return values
