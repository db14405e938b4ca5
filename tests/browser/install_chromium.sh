#!/bin/sh
# Install Debian's Chromium for the browser tests, where that can be done without asking anybody.
set -e
if command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
    exit 0
fi
echo "Chromium is not installed, and installing it needs root on Debian: the browser tests will be skipped, loudly." >&2
