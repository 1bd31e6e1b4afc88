"""Server processes from outside: started, listened to, killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
FIRST_PORT = 20_000
PORTS = 10_000
PORTS_EACH = 16
"""How many ports a process tries before it comes to those that its neighbour tries first."""


class ServerProcess:
    """One process of `fuzz.breaking.server`, until it dies.

    Args:
        port: where it listens; the next one takes the same.
        data: its directory.
        log: the file that takes what it says on standard error.
        die_at: the point at which it is to kill itself, and at which passing of it.
        mistake: what is planted in it.
    """

    def __init__(
        self, port: int, data: Path, log: Path, *, die_at: str = "", passes: int = 1, mistake: str = ""
    ) -> None:
        self.passed: set[str] = set()
        self.died_at = ""
        self._log = log
        self._heard = threading.Condition()
        self.is_listening = False
        self._has_ended = False
        began_s = time.monotonic()
        command = [sys.executable, "-m", "fuzz.breaking.server", "--listen", f"127.0.0.1:{port}", "--data", str(data)]
        command += ["--die-at", die_at, "--passes", str(passes), "--mistake", mistake]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT)
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout, began_s), daemon=True)
        self.start_s = 0.0
        """How long it took until it listened."""
        self._reader.start()

    def _read(self, stdout: IO[str], began_s: float) -> None:
        for line in stdout:
            said, _, point = line.rstrip("\n").partition(" ")
            with self._heard:
                if said == "listening":
                    self.is_listening = True
                    self.start_s = time.monotonic() - began_s
                elif said == "passed":
                    self.passed.add(point)
                else:
                    self.died_at = point.removeprefix("at ")
                self._heard.notify_all()
        with self._heard:
            self._has_ended = True
            self._heard.notify_all()

    def wait_until_listening(self) -> bool:
        """Return whether it has come to serve; False if it ended before.

        Raises:
            TimeoutError: neither, for long.
        """
        with self._heard:
            if not self._heard.wait_for(lambda: self.is_listening or self._has_ended, START_TIMEOUT_S):
                raise TimeoutError(f"the server neither listens nor ends; {self}")
            return self.is_listening

    def has_ended_within(self, timeout_s: float) -> bool:
        """Wait for its end; return whether it came."""
        with self._heard:
            return self._heard.wait_for(lambda: self._has_ended, timeout_s)

    def wait_until_passed(self, points: set[str], timeout_s: float) -> None:
        """Return when it has passed these points, has ended, or time is up."""
        with self._heard:
            self._heard.wait_for(lambda: points <= self.passed or self._has_ended, timeout_s)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> int:
        """Kill it with SIGKILL if it still runs; return how it has ended, as `Popen.returncode` does."""
        self.process.kill()
        return self.end()

    def end(self) -> int:
        """Wait for its end; return how it came."""
        status = self.process.wait(START_TIMEOUT_S)
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def __str__(self) -> str:
        return f"{self._log}:\n{self._log.read_text(errors='replace')[-3000:]}"


def free_port() -> int:
    """Return a port that nothing listens on, below those that outgoing connections are given.

    A client that keeps trying to reach a closed port among those can end up connected to itself. Processes that run at
    the same time look in different places: the port has to stay free while no server listens.
    """
    for number in range(PORTS):
        port = FIRST_PORT + (os.getpid() * PORTS_EACH + number) % PORTS
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
