"""The context of a request."""

import attrs
import pytest

from dotkafka.coordinator.request_context import RequestContext


def test_cannot_be_changed() -> None:
    """One context may be shared by whoever works on the request."""
    context = RequestContext(9, "client", "/127.0.0.1")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        context.api_version = 8  # type: ignore[misc]
