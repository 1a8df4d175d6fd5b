# Sourced by the system tests: sh NAME.sh PROGRAM FOLDER, run from the root of the repository.
set -eu
cadre=$1
work=$2
root=$PWD
rm -rf "$work"
mkdir -p "$work"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# run COMMAND...: it must succeed; its output goes to $work/out, shown if it does not.
run() {
  if ! "$@" >"$work/out" 2>"$work/err" </dev/null; then
    cat "$work/out" "$work/err" >&2
    fail "$*"
  fi
}

# expect_error CODE PATTERN COMMAND...: it must end with that exit code and one line of error that
# matches the extended regular expression.
expect_error() {
  code=$1
  pattern=$2
  shift 2
  status=0
  "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
  [ "$status" -eq "$code" ] ||
    fail "exit code $status, expected $code: $* ($(head -c 500 "$work/err"))"
  [ "$(grep -c '^cadre: error: ' "$work/err")" -eq 1 ] ||
    fail "expected one line 'cadre: error: ...': $* ($(head -c 500 "$work/err"))"
  grep -Eq "$pattern" "$work/err" ||
    fail "expected an error like /$pattern/: $* ($(head -c 500 "$work/err"))"
}

# expect_output PATTERN: the last run's standard output matches.
expect_output() {
  grep -Eq "$1" "$work/out" || fail "expected output like /$1/, found: $(head -c 800 "$work/out")"
}

# number KEY: the number of a member of the JSON object in the last run's output.
number() {
  tr -d ' \n' <"$work/out" | sed -n "s/.*\"$1\":\([-0-9.e+]*\).*/\1/p"
}

# The project's own text in two domains, tokenised: $work/data.
make_dataset() {
  run "$cadre" data build --source prose="$root/docs,$root/README.md,$root/CONTRIBUTING.md" \
    --source code="$root/src" --include .md,.cc,.h --vocab-size 600 --held-out 0.1 -o "$work/data"
}

# A model small enough for a hundred steps a second.
tiny='--hidden-size 32 --num-layers 2 --num-heads 2 --num-experts 4 --top-k 2 --expert-size 16
  --sequence-length 64 --micro-batch 4 --validation-tokens 512 --peak-gflops 1 --warmup-steps 5'

# Files of weights, moments and masters of a run, with their checksums.
checkpoint_sums() {
  (cd "$1/latest/" && find . -name '*.safetensors' | sort | xargs cksum)
}
