"""History: operations as they begin and end, in memory and as lines of JSON."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from dotkafka.testing.history.operations import KINDS, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

AnyOperation = TypeVar("AnyOperation", bound=Operation)


class History:
    """What the clients of one test did, in the order in which it began. Several threads may write to it.

    Args:
        operations: the beginning, if there is one.
        now: gives moments, which never go back; by default they are counted. For times to read, `time.monotonic_ns`.
    """

    def __init__(self, operations: Iterable[Operation] = (), *, now: Callable[[], int] | None = None) -> None:
        self.operations = list(operations)
        self._now = (
            now or itertools.count(1 + max((op.ended or op.began for op in self.operations), default=0)).__next__
        )

    def now(self) -> int:
        """Return the present moment."""
        return self._now()

    def begin(self, operation: AnyOperation) -> AnyOperation:
        """Note that a call is made. Before it is made: a call that returned before this one began, happened before."""
        operation.began = self._now()
        self.operations.append(operation)
        return operation

    def ok(self, operation: AnyOperation, **answer: Any) -> AnyOperation:
        """Note that a call has returned, with the fields of its answer."""
        for name, value in answer.items():
            setattr(operation, name, value)
        return self._end(operation, Outcome.OK)

    def fail(self, operation: AnyOperation) -> AnyOperation:
        """Note that a call has certainly had no effect, and will have none."""
        return self._end(operation, Outcome.FAIL)

    def unknown(self, operation: AnyOperation) -> AnyOperation:
        """Note that nobody can tell whether a call had an effect, or will."""
        return self._end(operation, Outcome.UNKNOWN)

    def add(self, operation: AnyOperation, *, began: int | None = None) -> AnyOperation:
        """Note what has no length: a poll that has returned, an assignment, a mark; or what began at a past moment."""
        self.begin(operation)
        if began is not None:
            operation.began = began
        return self.ok(operation)

    def _end(self, operation: AnyOperation, outcome: Outcome) -> AnyOperation:
        operation.ended = self._now()
        operation.outcome = outcome
        return operation

    def to_json(self) -> str:
        """Return one line of JSON for each operation."""
        return "".join(json.dumps(_as_dict(operation)) + "\n" for operation in self.operations)

    @classmethod
    def from_json(cls, lines: str) -> History:
        """Return the history that `to_json` wrote."""
        return cls(_from_dict(json.loads(line)) for line in lines.splitlines())


def _as_dict(operation: Operation) -> dict[str, Any]:
    fields = {field.name: getattr(operation, field.name) for field in attrs.fields(type(operation))}
    return {"operation": type(operation).__name__, **fields}


def _from_dict(fields: dict[str, Any]) -> Operation:
    return KINDS[fields.pop("operation")](**fields)
