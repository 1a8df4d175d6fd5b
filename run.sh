#!/bin/sh
# Trains a small mixture-of-experts language model on text that this machine has, in about three
# minutes, and shows what it learnt. Installs and builds what that needs first.
#
#   ./run.sh                  on documentation, C headers and Python sources of this machine
#   ./run.sh --data FOLDER    on your own text
#   ./run.sh --help           all options
set -eu
caller=$PWD
cd "$(dirname "$0")"
. tools/toolchain.sh
CADRE_CONFIGURE=

tools/setup.sh
build release cadre
program=$PWD/build/release/src/cli/cadre
if [ "$caller" = "$PWD" ]; then
  exec "$program" quickstart "$@"
fi
# Paths that the caller gives are relative to where they stand; the run folder stays in the project.
runs=$PWD/runs
cd "$caller"
exec "$program" quickstart --runs "$runs" "$@"
