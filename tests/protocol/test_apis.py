"""Promises of the API table: all keys, definitions on demand, a clear error for the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dotkafka.errors import DecodeError
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.messages.fetch import FETCH


def test_all_keys_are_there() -> None:
    """Kafka 4.3 has the keys 0 to 92."""
    assert [key.value for key in ApiKey] == list(range(93))


def test_a_key_leads_to_its_definition() -> None:
    """By number or by name, to the object that the module defines."""
    assert api_for(1) is api_for(ApiKey.FETCH) is FETCH


@pytest.mark.parametrize("key", [-1, 93, 32767])
def test_a_key_of_no_api_is_a_decode_error(key: int) -> None:
    """A key comes from a peer: whatever it is, the error is one for peers."""
    with pytest.raises(DecodeError, match=f"no API has the key {key}"):
        api_for(key)


@pytest.mark.parametrize("key", ApiKey)
def test_every_key_has_its_definition(key: ApiKey) -> None:
    """Those of the APIs that went with ZooKeeper too: a captured stream of any age can be read."""
    assert api_for(key).key == key


def test_only_what_is_asked_for_is_imported() -> None:
    """Asking for an API imports its module and that of no other."""
    program = (
        "import sys; from dotkafka.protocol.apis import api_for; api_for(0), api_for(1), api_for(3);"
        "print(*[name for name in sys.modules if name.startswith('dotkafka.protocol.messages.')])"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.split() == [f"dotkafka.protocol.messages.{name}" for name in ("produce", "fetch", "metadata")]
