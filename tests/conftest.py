"""What holds for all tests."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are drawn says more about the machine than about the code. Runs by hand look for new ones; CI tries
# the same ones each time, so that a failure there is about the change.
settings.register_profile("by hand", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("by hand"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "by hand")

# Programs that the tests start inherit that a signal is ignored, as it is for a job in the background of a script.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

JAVA_ORACLE = Path(__file__).parent / "java_oracle"


@pytest.fixture(scope="session")
def ask_java() -> Iterator[Callable[..., dict[str, Any]]]:
    """The program that answers with Apache Kafka's own code; that an answer is an error is left to the caller.

    Without java and mvn the tests that ask it are skipped, or fail where CI is true.
    """
    missing = "java is not installed" if shutil.which("java") is None else ""
    if not (JAVA_ORACLE / "target" / "lib").exists():
        missing = "tests/java_oracle/setup.sh has not been run, or had no java or mvn"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    options = ("-XX:+UseSerialGC", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
    command = ("java", *options, "-cp", "target/classes:target/lib/*", "dotkafka.Oracle")
    with subprocess.Popen(
        command, cwd=JAVA_ORACLE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def ask(**question: Any) -> dict[str, Any]:
            questions.write(json.dumps(question) + "\n")
            questions.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield ask
        questions.close()
    assert process.returncode == 0
