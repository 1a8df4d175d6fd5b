#!/bin/sh
# Builds Cadre with its tests and runs them. Installs what that needs first.
#
#   ./test.sh                     everything but fuzzing
#   ./test.sh --fast              the fast suite: under a minute
#   ./test.sh --slow              everything, and each fuzz target for a minute
#   ./test.sh --sanitize asan     the fast suite under address and undefined-behaviour sanitizers
#   ./test.sh --sanitize tsan     ... under the thread sanitizer
#   ./test.sh --only REGEX        tests whose name matches; combines with the others
set -eu
cd "$(dirname "$0")"
. tools/toolchain.sh
# What decides about a change lets no warning pass; elsewhere an unknown compiler may warn.
CADRE_CONFIGURE=
if [ "${CI:-}" = true ]; then CADRE_CONFIGURE=-DCADRE_WERROR=ON; fi

preset=release
label='fast|slow'
only=.
fuzz=
while [ $# -gt 0 ]; do
  case $1 in
    --fast) label=fast ;;
    --slow) fuzz=yes ;;
    --sanitize)
      preset=${2:-}
      label=fast
      case $preset in
        asan | tsan) ;;
        *)
          echo "test.sh: --sanitize $preset, expected asan or tsan" >&2
          exit 2
          ;;
      esac
      shift
      ;;
    --only)
      only=${2:?"test.sh: --only needs a regular expression"}
      shift
      ;;
    -h | --help)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"
      exit 0
      ;;
    *)
      echo "test.sh: unknown argument $1; see ./test.sh --help" >&2
      exit 2
      ;;
  esac
  shift
done

tools/setup.sh ${fuzz:+--fuzz}
build "$preset"
status=0
jobs=$(nproc)
ctest=$(find_cmake | sed 's/cmake$/ctest/')
# Sanitized code is several times slower, and its tests would trip over each other's time limits.
"$ctest" --test-dir "build/$preset" --output-on-failure --progress -j "$jobs" -L "$label" \
  -R "$only" --no-tests=error </dev/null || status=$?
if [ -n "$fuzz" ]; then
  tools/check_format.sh || status=$?
  build fuzz fuzz_targets
  "$ctest" --test-dir build/fuzz --output-on-failure -j "$jobs" -L fuzz -R "$only" </dev/null ||
    status=$?
fi
exit "$status"
