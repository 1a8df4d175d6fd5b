#!/bin/sh
# Fails, naming them, for sources beyond 400 lines: at that size a file holds two concepts.
set -eu
cd "$(dirname "$0")/.."
find src tests bench tools \( -name '*.cc' -o -name '*.h' -o -name '*.py' -o -name '*.sh' \) \
  -exec wc -l {} + |
  awk '$2 != "total" && $1 > 400 {
         print $2 ": " $1 " lines, expected at most 400"; failed = 1
       }
       END { exit failed }'
