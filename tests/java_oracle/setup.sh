#!/bin/sh
# Builds the program that answers with Apache Kafka's own classes, where java and mvn are installed. Quiet, and may be run again
# at any time. Without it the tests that need it are skipped, or fail where CI=true.
set -eu
cd "$(dirname "$0")"

if ! command -v java >/dev/null 2>&1 || ! command -v mvn >/dev/null 2>&1; then
    echo "tests/java_oracle: java or mvn is not installed, so it is left out" >&2
    exit 0
fi
if [ -d target/lib ] && [ -z "$(find pom.xml src -newer target/lib)" ]; then exit 0; fi
mvn --quiet --batch-mode compile
touch target/lib
