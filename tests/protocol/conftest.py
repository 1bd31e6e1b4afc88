"""What the protocol tests share: all messages, and compiled code that may not fall back."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import dotkafka.protocol.messages
from dotkafka.protocol.schema import Api, Message
from dotkafka.testing.strategies import messages


def _all_messages() -> dict[str, Message[Any]]:
    messages: dict[str, Message[Any]] = {}
    for module_info in pkgutil.iter_modules(dotkafka.protocol.messages.__path__):
        module = importlib.import_module(f"dotkafka.protocol.messages.{module_info.name}")
        for value in vars(module).values():
            found = (value.request, value.response) if isinstance(value, Api) else (value,)
            messages |= {item.struct.__name__: item for item in found if isinstance(item, Message)}
    return messages


MESSAGES = _all_messages()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `any_message` once for each message that dotkafka defines."""
    if "any_message" in metafunc.fixturenames:
        metafunc.parametrize("any_message", MESSAGES.values(), ids=MESSAGES.keys())


@pytest.fixture(scope="session")
def message_values() -> Any:
    """Return the function from a `Message` to the strategy for (version, value)."""
    return messages


@pytest.fixture(scope="session")
def all_messages() -> dict[str, Message[Any]]:
    """Return each message that dotkafka defines, by the name of its outermost struct."""
    return MESSAGES


@pytest.fixture(scope="session")
def without_interpreter() -> Any:
    """Return a function that makes a compiled function fail where it would hand over to the interpreter."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("handed over to the interpreter")

    def forbid(function: Any) -> Any:
        for name in ("decode_again", "encode_again"):
            if name in function.__globals__:
                function.__globals__[name] = refuse
        return function

    return forbid
