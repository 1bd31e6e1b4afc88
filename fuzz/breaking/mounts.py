"""Mounts of our own: the process goes on in a mount namespace, so that nobody else sees them and none is left."""

from __future__ import annotations

import ctypes.util
import errno
import importlib.util
import os
import shutil
import subprocess
import sys
from typing import IO, TYPE_CHECKING, NoReturn

from fuzz.breaking.process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CANNOT = 77
"""The exit status where the system lacks something; what it lacks has been printed."""
INSIDE = "DOTKAFKA_IN_OWN_MOUNTS"


def cannot(reason: str) -> NoReturn:
    """End, and say why."""
    print(f"cannot run here: {reason}")
    sys.exit(CANNOT)


def enter_own_mounts(module: str) -> None:
    """Begin the module anew in a namespace of its own, as root there; return if it is in one."""
    if os.environ.get(INSIDE):
        return
    unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    if shutil.which("unshare") is None:
        cannot("unshare (util-linux) is not installed")
    refused = subprocess.run([*unshare, "true"], check=False, capture_output=True, text=True)
    if refused.returncode != 0:
        cannot(f"no mount namespace: {refused.stderr.strip()}")
    os.environ[INSIDE] = "yes"
    os.execvp(unshare[0], [*unshare, sys.executable, "-m", module, *sys.argv[1:]])


def mount(*arguments: str) -> str:
    """Run the command of this name; return what it complains about, empty if it has done it."""
    result = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    return result.stderr.strip() if result.returncode != 0 else ""


def what_fuse_lacks() -> str:
    """Return what has to be there for `MountedDisk` and is not; empty if all is."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse is not there, or not for us"
    if ctypes.util.find_library("fuse3") is None:
        return "libfuse3 is not installed: apt-get install fuse3 libfuse3-dev pkg-config"
    if importlib.util.find_spec("pyfuse3") is None:
        return "pyfuse3 is not installed: pip install -r requirements/fuse.txt, with fuse3, libfuse3-dev and pkg-config"
    return ""


class MountedDisk:
    """A `fuzz.breaking.lying_disk` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "fuzz.breaking.lying_disk", str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.unsynced = 0
        """How many things the power cuts found unsynced: sectors, lengths, names."""
        self.kept = 0
        if self._stdout.readline() != "mounted\n":
            _, errors = self._process.communicate()
            cannot(f"the mount is refused: {errors.strip().splitlines()[-1]}")

    @property
    def _stdout(self) -> IO[str]:
        if self._process.stdout is None:
            raise OSError(errno.EBADF, "no pipe")
        return self._process.stdout

    def _ask(self, line: str) -> list[str]:
        if self._process.stdin is None:
            raise OSError(errno.EBADF, "no pipe")
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._stdout.readline().split()

    def cut_power(self, seed: str) -> None:
        """Drop what is unsynced, or some of it."""
        _, unsynced, kept = self._ask(f"cut {seed}")
        self.unsynced += int(unsynced)
        self.kept += int(kept)

    def fail(self, number: int) -> None:
        """Let all that would change something fail with an errno; 0 ends it."""
        self._ask(f"fail {number}")

    def unmount(self) -> None:
        """End it; what is in it is gone."""
        self._process.communicate()
