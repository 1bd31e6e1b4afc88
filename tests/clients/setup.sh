#!/bin/sh
# Makes the programs of tests/clients ready to run: each language whose toolchain is here; the others are named and left out
# (their tests are then skipped, or fail where CI=true). Quiet, and may be run again at any time.
#
#   tests/clients/setup.sh                 all of them
#   tests/clients/setup.sh kafkajs java    only these
set -eu
cd "$(dirname "$0")"

has() { command -v "$1" >/dev/null 2>&1; }
missing() { echo "tests/clients: $1 is not installed, so $2 is left out" >&2; }

# npm_project DIRECTORY: what package-lock.json says, unless that is what is there already.
npm_project() {
    if ! has npm; then missing npm "$1"; return; fi
    if [ -f "$1/node_modules/.package-lock.json" ] && [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ]; then return; fi
    (cd "$1" && npm ci --silent --no-fund --no-audit)
}

setup_kafkajs() { npm_project kafkajs; }
setup_platformatic() { npm_project platformatic; }

setup_franz_go() {
    if ! has go; then missing go franz_go; return; fi
    (cd franz_go && go build -o bin/client .)
}

setup_java() {
    if ! has java || ! has mvn; then missing "java or mvn" java; return; fi
    if [ -d java/target/lib ] && [ -z "$(find java/pom.xml java/src -newer java/target/lib)" ]; then return; fi
    (cd java && mvn --quiet --batch-mode compile)
    touch java/target/lib
}

setup_kcat() {
    if has kcat; then return; fi
    if ! has apt-get || [ "$(id -u)" != 0 ]; then missing kcat kcat; return; fi
    apt-get install -y -qq --no-install-recommends kcat >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends kcat; } >/dev/null 2>&1 ||
        missing kcat kcat
}

for client in ${*:-kafkajs platformatic franz_go java kcat}; do
    "setup_$client"
done
