"""What the tests against other implementations share: random values of any message, the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.testing.random_messages import RandomValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.layout import FieldLayout
    from dotkafka.protocol.schema import Message

VALUES_PER_VERSION = 6


class FittedValues(RandomValues):
    """Draws as `RandomValues` does, and puts what `fit` makes of a field's value in its place."""

    def __init__(self, seed: str, *, unknown_tags: bool, fit: Callable[[FieldLayout, Any], Any] | None) -> None:
        super().__init__(seed, unknown_tags=unknown_tags)
        self.fit = fit

    def field(self, item: FieldLayout) -> Any:
        """Return what one field holds; null stays null."""
        value = super().field(item)
        return value if self.fit is None or value is None else self.fit(item, value)


@pytest.fixture(scope="session")
def random_values() -> Callable[..., Iterator[Any]]:
    """Return a function that gives some random values of a message at one version.

    `fit` may put another value in the place of what a field has drawn, for who cannot hold all that Kafka can.
    """

    def values(
        message: Message[Any],
        version: int,
        *,
        unknown_tags: bool = True,
        fit: Callable[[FieldLayout, Any], Any] | None = None,
    ) -> Iterator[Any]:
        layout = message.layout(version)
        for number in range(VALUES_PER_VERSION):
            seed = f"{message.struct.__name__} {version} {number}"
            yield FittedValues(seed, unknown_tags=unknown_tags, fit=fit).struct(layout)

    return values
