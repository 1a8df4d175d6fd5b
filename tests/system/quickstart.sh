. "$(dirname "$0")/lib.sh"

# Two domains of the project's own files, large enough to be domains.
mkdir -p "$work/texts/code" "$work/texts/words"
find src tests -name '*.cc' | sort | xargs cat | split -b 20000 - "$work/texts/code/part-"
find src -name '*.h' -o -name '*.md' | sort | xargs cat | split -b 20000 - "$work/texts/words/part-"

run "$cadre" quickstart --data "$work/texts" --runs "$work/runs" --minutes 0.1
expect_output '^code '
expect_output '^words '
expect_output 'held out [0-9.]+ bits/byte'
expect_output 'generate '
[ -s "$work/runs/quickstart/report.html" ] || fail "no report"

# The second time the tokens are there already, and the first run stays.
touch "$work/stamp"
run "$cadre" quickstart --data "$work/texts" --runs "$work/runs" --minutes 0.1
[ -s "$work/runs/quickstart-2/latest/config.json" ] || fail "no second run"
[ -z "$(find "$work/runs/cache" -newer "$work/stamp" -type f)" ] || fail "the cache was not used"
