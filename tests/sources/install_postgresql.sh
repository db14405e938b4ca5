#!/bin/sh
# Install Debian's PostgreSQL for the tests of databases, where that can be done without asking anybody.
set -e
if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
    exit 0
fi
echo "PostgreSQL is not installed, and installing it needs root on Debian: its tests will be skipped, loudly." >&2
