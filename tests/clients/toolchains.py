"""How the program of each client is started, and what must be there for it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent


class Toolchain(NamedTuple):
    """What starts one client's program; its command and options follow."""

    executable: str
    arguments: tuple[str | Path, ...]
    built: Path | None = None
    """What tests/clients/setup.sh makes."""

    @property
    def command(self) -> list[str | Path]:
        """What to start it by."""
        return [self.executable, *self.arguments]

    @property
    def missing(self) -> str:
        """What is not there of all it needs, in words; empty if it can be started."""
        if self.built is not None and not self.built.exists():
            return f"{self.built.relative_to(HERE).parts[0]} is not built: run tests/clients/setup.sh"
        if shutil.which(self.executable) is None:
            return f"{self.executable} is not installed"
        return ""


def _python(folder: str) -> Toolchain:
    return Toolchain(sys.executable, (HERE / folder / "client.py",))


TOOLCHAINS: Mapping[str, Toolchain] = {
    "aiokafka": _python("aiokafka"),
    "confluent_kafka": _python("confluent_kafka"),
    "franz_go": Toolchain(str(HERE / "franz_go/bin/client"), (), HERE / "franz_go/bin/client"),
    "java": Toolchain(
        "java",
        (
            *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m"),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            *("-cp", f"{HERE}/java/target/classes:{HERE}/java/target/lib/*", "dotkafka.Client"),
        ),
        HERE / "java/target/lib",
    ),
    "kafka_python": _python("kafka_python"),
    "kafkajs": Toolchain("node", (HERE / "kafkajs/client.js",), HERE / "kafkajs/node_modules/kafkajs"),
    "kcat": Toolchain("kcat", ()),
    "platformatic": Toolchain(
        "node", (HERE / "platformatic/client.js",), HERE / "platformatic/node_modules/@platformatic/kafka"
    ),
}
"""By the folder of each client."""
