"""A file system in memory that loses what was not synced: it tests storage engines against power cuts and full disks.

It follows the pessimistic reading of POSIX:

- Written bytes, lengths and names are durable only after `FileHandle.sync` and `FileSystem.sync_folder`. At a crash
  each unsynced sector, length and name change survives or not, each by itself, as the caller's `keep` decides. A sector
  that was written several times since its last sync may be found as any of these writes left it.
- A failed sync forgets what it should have written: the bytes can still be read, but no later sync makes them durable.
- A sector (512 bytes) is written whole or not at all.

Two ways to use it. Run a scenario once to count its `operations`; then for each of them, run it anew with
`power_cut_at(n)`, catch `PowerCut`, `crash(keep)`, open the engine again and check what it promised. Or run it once,
and `fork` before each operation, from `before_operation`, what each of `survivals` leaves.

To let every call fail in turn, reads included, pass a `FailingCalls` to `fail_when`.
"""

import errno
import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import attrs

from dotkafka.storage.spi import Buffer

SECTOR_SIZE = 512


class PowerCut(BaseException):
    """The power went off during this call. Not an Exception, so that no engine takes it for an error it can handle."""


@attrs.define(eq=False)
class _Node:
    """What a file holds: as the process sees it, and as the disk has it."""

    live: bytearray = attrs.field(factory=bytearray)
    disk: bytearray = attrs.field(factory=bytearray)
    unsynced: dict[int, list[bytes]] = attrs.field(factory=dict)
    """Sectors that the next sync will write, with what each write since the last one left in them, oldest first."""
    forgotten: dict[int, list[bytes]] = attrs.field(factory=dict)
    """Sectors that a failed sync was to write, and that no later one will."""

    def crash(self, keep: Callable[[], bool]) -> "_Node":
        """Return the file as it is found after a power cut."""
        disk = bytearray(self.disk)
        if len(self.live) != len(disk) and keep():
            _resize(disk, len(self.live))
        for sector, contents in sorted((self.forgotten | self.unsynced).items()):
            for content in reversed(contents):
                if keep():
                    _put_sector(disk, sector, content)
                    break
        return _Node(bytearray(disk), disk)

    def copy(self) -> "_Node":
        """Return the same file, to go on differently."""
        unsynced = {sector: list(contents) for sector, contents in self.unsynced.items()}
        forgotten = {sector: list(contents) for sector, contents in self.forgotten.items()}
        return _Node(bytearray(self.live), bytearray(self.disk), unsynced, forgotten)

    def write(self, position: int, data: bytes) -> None:
        """Write what the next sync is to make durable."""
        end = position + len(data)
        self.resize(max(len(self.live), end))
        self.live[position:end] = data
        self._leave_unsynced(position, end)

    def resize(self, size: int) -> None:
        """Cut the file, or lengthen it with zeros."""
        for sectors in (self.unsynced, self.forgotten):
            for sector in [sector for sector in sectors if sector * SECTOR_SIZE >= size]:
                del sectors[sector]
        end = len(self.live)
        _resize(self.live, size)
        # Where the disk still has what was cut off before, the zeros are what a sync has to write.
        self._leave_unsynced(end, min(size, len(self.disk)))

    def _leave_unsynced(self, start: int, end: int) -> None:
        for sector in range(start // SECTOR_SIZE, -(-end // SECTOR_SIZE) if end > start else 0):
            content = bytes(self.live[sector * SECTOR_SIZE : (sector + 1) * SECTOR_SIZE])
            self.unsynced.setdefault(sector, self.forgotten.pop(sector, [])).append(content)

    def sync(self) -> None:
        """Make length and sectors durable, but for forgotten ones."""
        _resize(self.disk, len(self.live))
        for sector, contents in self.unsynced.items():
            _put_sector(self.disk, sector, contents[-1])
        self.unsynced.clear()

    def forget(self) -> None:
        """Do what a failed sync does."""
        self.forgotten |= self.unsynced
        self.unsynced.clear()


@attrs.define(eq=False)
class _NameChange:
    """A rename, creation or removal that no `sync_folder` has made durable yet: what each name then stands for."""

    folder: str
    names: dict[str, _Node | None]


class FaultyFileSystem:
    """A `FileSystem` in memory with power cuts and errors on demand. Not for several threads."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        """Every call that changes something, as `"write wal/0/1.wal"`: its index is what the faults below count."""
        self.before_operation: Callable[[], None] | None = None
        """Called before each of them: what `fork` gives then is a crash between two operations, or during the last."""
        self._live: dict[str, _Node] = {}
        self._disk: dict[str, _Node] = {}
        self._name_changes: list[_NameChange] = []
        self._locks: dict[str, FaultyFolderLock] = {}
        self._power_cut_at = -1
        self._errors: dict[int, int] = {}
        self._error_for: Callable[[str], int] | None = None
        self.generation = 0
        """Counts crashes; a file opened before one is of no use after it."""

    def power_cut_at(self, operation: int) -> None:
        """Cut the power during the operation of this index: a write is then unsynced, a sync has not happened."""
        self._power_cut_at = operation

    def fail_at(self, operation: int, error_number: int) -> None:
        """Let the operation of this index fail with an errno. A failing write leaves its first half behind."""
        self._errors[operation] = error_number

    def fail_when(self, error_for: Callable[[str], int] | None) -> None:
        """Let a call fail with the errno that `error_for(call)` returns, 0 for none. None ends it.

        It is asked for every operation, and also for `open`, `read` and `list`.
        """
        self._error_for = error_for

    def crash(self, keep: Callable[[], bool] = lambda: False) -> None:
        """Lose power and start again. `keep` is asked for each unsynced change whether it reached the disk."""
        self._disk = self._after_crash(keep)
        self._live = dict(self._disk)
        self._name_changes.clear()
        self.kill_process()

    def fork(self, keep: Callable[[], bool] = lambda: False) -> "FaultyFileSystem":
        """Return a file system as `crash(keep)` would leave this one, which stays as it is."""
        other = FaultyFileSystem()
        other._disk = self._after_crash(keep)
        other._live = dict(other._disk)
        return other

    def fork_process(self) -> "FaultyFileSystem":
        """Return a file system as the end of the process leaves this one, which stays as it is.

        What is unsynced can still be read, and be lost by a crash later.
        """
        nodes = {id(node): node.copy() for node in self._nodes()}

        def copied(names: Mapping[str, _Node | None]) -> dict[str, _Node | None]:
            return {name: None if node is None else nodes[id(node)] for name, node in names.items()}

        other = FaultyFileSystem()
        other._live = {name: nodes[id(node)] for name, node in self._live.items()}
        other._disk = {name: nodes[id(node)] for name, node in self._disk.items()}
        other._name_changes = [_NameChange(change.folder, copied(change.names)) for change in self._name_changes]
        return other

    def survivals(self, most: int, seed: str) -> Iterator[Callable[[], bool]]:
        """Yield what `keep` may answer if the power goes now: nothing, everything, and every other choice.

        If there are more than `most`, so many of them, drawn by the seed. Each serves one crash.
        """
        every = list(itertools.islice(_all_answers(self._after_crash), most + 1))
        if len(every) <= most:
            yield from (partial(next, iter(answers)) for answers in every)
            return
        dice = random.Random(seed)  # noqa: S311 (the same seed gives the same choices)
        shares = (0.0, 1.0, *(dice.random() for _ in range(most - 2)))
        # The share is drawn too: nearly nothing and nearly everything are as likely as half and half.
        yield from (partial(_throw, random.Random(f"{seed} {share}"), share) for share in shares)  # noqa: S311

    def kill_process(self) -> None:
        """End the process only: what was written stays readable, synced or not; locks and open files go."""
        self._locks.clear()
        self._power_cut_at = -1
        self._errors.clear()
        self._error_for = None
        self.generation += 1

    def corrupt(self, name: str, position: int, size: int = 1) -> None:
        """Flip every bit of some bytes, on the disk and in what the process sees."""
        node = self._node(name)
        for data in (node.live, node.disk):
            for index in range(position, min(position + size, len(data))):
                data[index] ^= 0xFF

    def open(self, name: str, *, create: bool = False) -> "FaultyFile":
        """Open a file for reading and writing. With `create`, it must not exist yet and is empty."""
        if create:
            self.begin(f"create {name}")
            if name in self._live:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
            self._change_names(name, {name: _Node()})
        else:
            self.begin_reading(f"open {name}")
        return FaultyFile(self, name, self._node(name))

    def list(self, folder: str) -> Sequence[str]:
        """Return the names of the files in a folder, sorted."""
        self.begin_reading(f"list {folder}")
        return sorted(name.removeprefix(f"{folder}/") for name in self._live if _folder_of(name) == folder)

    def make_folder(self, folder: str) -> None:
        """Do nothing: here, a folder is there as soon as a file is in it."""

    def rename(self, old: str, new: str) -> None:
        """Rename a file, replacing what has the new name. Durable only after `sync_folder`."""
        self.begin(f"rename {old} {new}")
        self._change_names(new, {old: None, new: self._node(old)})

    def remove(self, name: str) -> None:
        """Remove a file. Durable only after `sync_folder`."""
        self.begin(f"remove {name}")
        self._node(name)
        self._change_names(name, {name: None})

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable."""
        self.begin(f"sync_folder {folder}")
        for change in self._name_changes:
            if change.folder == folder:
                _apply(self._disk, change.names)
        self._name_changes = [change for change in self._name_changes if change.folder != folder]

    def lock(self, name: str, holder: str) -> "FaultyFolderLock":
        """Take an exclusive lock that ends with the process; a crash releases it."""
        if name in self._locks:
            raise BlockingIOError(errno.EWOULDBLOCK, self._locks[name].holder, name)
        self._locks[name] = FaultyFolderLock(self._locks, name, holder)
        return self._locks[name]

    def begin(self, operation: str) -> None:
        """Count an operation, and let it fail if that was asked for."""
        if self.before_operation is not None:
            self.before_operation()
        index = len(self.operations)
        self.operations.append(operation)
        if 0 <= self._power_cut_at <= index:
            raise PowerCut(operation)
        if index in self._errors:
            raise OSError(self._errors[index], os.strerror(self._errors[index]), operation)
        self.begin_reading(operation)

    def begin_reading(self, call: str) -> None:
        """Let a call fail if `fail_when` asks for it."""
        error_number = self._error_for(call) if self._error_for is not None else 0
        if error_number:
            raise OSError(error_number, os.strerror(error_number), call)

    def _after_crash(self, keep: Callable[[], bool]) -> dict[str, _Node]:
        """Return the files as they are found after a power cut."""
        disk = dict(self._disk)
        for change in self._name_changes:
            if keep():
                _apply(disk, change.names)
        nodes = {id(node): node for node in disk.values()}
        after = {identity: node.crash(keep) for identity, node in nodes.items()}
        return {name: after[id(node)] for name, node in sorted(disk.items())}

    def _nodes(self) -> Iterator[_Node]:
        """Yield every file, some more than once."""
        yield from self._live.values()
        yield from self._disk.values()
        for change in self._name_changes:
            yield from (node for node in change.names.values() if node is not None)

    def _change_names(self, name: str, names: dict[str, _Node | None]) -> None:
        _apply(self._live, names)
        self._name_changes.append(_NameChange(_folder_of(name), names))

    def _node(self, name: str) -> _Node:
        if name not in self._live:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._live[name]


class FailingCalls:
    """For `FaultyFileSystem.fail_when`: lets some calls in a row fail, and remembers all calls.

    Args:
        first: index of the first one that fails, among all calls of any kind.
        error_number: the errno it fails with.
        count: how many fail.
    """

    def __init__(self, first: int, error_number: int, *, count: int = 1) -> None:
        self._failing = range(first, first + count)
        self._error_number = error_number
        self.calls: list[str] = []

    def __call__(self, call: str) -> int:
        """Return the errno with which the call fails, or 0."""
        self.calls.append(call)
        return self._error_number if len(self.calls) - 1 in self._failing else 0

    @property
    def failed(self) -> Sequence[str]:
        """The calls that were made to fail."""
        return self.calls[self._failing.start : self._failing.stop]


class FaultyFile:
    """An open file of a `FaultyFileSystem`."""

    def __init__(self, file_system: FaultyFileSystem, name: str, node: _Node) -> None:
        self._file_system = file_system
        self._name = name
        self._node = node
        self._generation = file_system.generation
        self._closed = False

    def write_at(self, position: int, parts: Sequence[Buffer]) -> None:
        """Write all `parts`, one after another, from byte `position` on; unsynced until `sync`."""
        data = b"".join(parts)
        self._check_open()
        try:
            self._file_system.begin(f"write {self._name}")
        except PowerCut:
            self._node.write(position, data)
            raise
        except OSError:
            self._node.write(position, data[: len(data) // 2])
            raise
        self._node.write(position, data)

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from byte `position`; fewer only at the end of the file."""
        self._check_open()
        self._file_system.begin_reading(f"read {self._name}")
        return bytes(self._node.live[position : position + size])

    def allocate(self, size: int) -> None:
        """Make the file `size` bytes long; the length is unsynced until `sync`."""
        self._check_open()
        try:
            self._file_system.begin(f"allocate {self._name}")
        except (PowerCut, OSError):
            self._node.resize(size // 2)
            raise
        self._node.resize(size)

    def resize(self, size: int) -> None:
        """Cut the file, or lengthen it with zeros; unsynced until `sync`."""
        self._check_open()
        self._file_system.begin(f"resize {self._name}")
        self._node.resize(size)

    def size(self) -> int:
        """Return the length of the file in bytes."""
        return len(self._node.live)

    def sync(self) -> None:
        """Make everything written durable. If it fails, no later call will."""
        self._check_open()
        try:
            self._file_system.begin(f"sync {self._name}")
        except OSError:
            self._node.forget()
            raise
        self._node.sync()

    def close(self) -> None:
        """Close the file."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed or self._generation != self._file_system.generation:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._name)


class FaultyFolderLock:
    """A lock that `FaultyFileSystem.lock` took."""

    def __init__(self, locks: "dict[str, FaultyFolderLock]", name: str, holder: str) -> None:
        self._locks = locks
        self._name = name
        self.holder = holder

    def release(self) -> None:
        """Give the lock back, if it was not lost in a crash and taken by another."""
        if self._locks.get(self._name) is self:
            del self._locks[self._name]


def _folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def _apply(namespace: dict[str, _Node], names: dict[str, _Node | None]) -> None:
    for name, node in names.items():
        if node is None:
            namespace.pop(name, None)
        else:
            namespace[name] = node


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


def _put_sector(target: bytearray, sector: int, content: bytes) -> None:
    """Write one sector, as far as the target reaches: beyond its length nothing can be read."""
    start = sector * SECTOR_SIZE
    size = min(len(content), len(target) - start)
    if size > 0:
        target[start : start + size] = content[:size]


def _all_answers(ask: Callable[[Callable[[], bool]], object]) -> Iterator[Sequence[bool]]:
    """Yield every way to answer the questions that `ask` asks; which these are may depend on the answers before."""
    answers: list[bool] = []
    while True:
        asked: list[bool] = []

        def answer(asked: list[bool] = asked, answers: list[bool] = answers) -> bool:
            asked.append(answers[len(asked)] if len(asked) < len(answers) else False)
            return asked[-1]

        ask(answer)
        yield tuple(asked)
        while asked and asked[-1]:
            asked.pop()
        if not asked:
            return
        asked[-1] = True
        answers = asked


def _throw(dice: random.Random, share: float) -> bool:
    return dice.random() < share
