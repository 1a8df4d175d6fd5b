#!/bin/sh
# Fails, naming them, if files are not laid out as clang-format lays them out.
set -eu
cd "$(dirname "$0")/.."
find src tests bench -name '*.cc' -o -name '*.h' | sort | xargs clang-format --dry-run -Werror
