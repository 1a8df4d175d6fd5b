. "$(dirname "$0")/lib.sh"
# A model larger than the memory it gets writes what it writes in memory; routing can be seen and
# changed.
golden=tests/golden/olmoe/plain
run "$cadre" convert $golden "$work/m.gguf" --dtype q8_0
prompt='--prompt-tokens 5,6,7,8,9,10,11,12,13,14 --temperature 0 -n 20 --ignore-eos'

# tokens: those that the last run wrote.
tokens() {
  tr -d ' \n' <"$work/out" | sed 's/.*"tokens":\(\[[^]]*\]\).*/\1/'
}

for model in "$work/m.gguf" $golden; do
  run "$cadre" generate $model $prompt --json
  whole=$(tokens)
  [ "${#whole}" -gt 20 ] || fail "no tokens: $whole"
  grep -q '"hit_rate"' "$work/out" && fail "a whole model has a cache"
  expect_error 2 'expected at least [0-9]+' "$cadre" generate $model $prompt --memory 1K
  need=$(sed -n 's/.*expected at least \([0-9]*\).*/\1/p' "$work/err")
  for threads in 1 3; do
    run "$cadre" generate $model $prompt --memory "$need" --threads $threads --json
    [ "$(tokens)" = "$whole" ] || fail "$model in $need bytes: $(tokens), expected $whole"
    expect_output '"read_bytes": ?[1-9]'
  done
  run "$cadre" generate $model $prompt --memory 1G --json
  grep -q '"hit_rate"' "$work/out" && fail "1 GiB does not hold a model of 100 KiB"
  run "$cadre" generate $model $prompt --memory "$need"
  grep -Eq '^experts: [0-9]+ of [0-9]+ in memory' "$work/err" || fail "no report: $(cat "$work/err")"
done
expect_error 2 'expected at least' "$cadre" bench "$work/m.gguf" --memory 1K
need=$(sed -n 's/.*expected at least \([0-9]*\).*/\1/p' "$work/err")
run "$cadre" bench "$work/m.gguf" --memory "$need" -p 16 -n 4 -r 1 --threads 1 --json
expect_output '"share_of_disk"'
expect_output '"share_of_disk_while_reading"'
expect_error 2 'needs a stored model' "$cadre" bench --random $golden/config.json --memory 1M

# One line for each token and layer; the last token that is written meets no expert.
run "$cadre" generate "$work/m.gguf" $prompt --trace-experts "$work/trace.jsonl" --expert-counts \
  --json
expect_output '"expert_counts"'
lines=$(wc -l <"$work/trace.jsonl")
layers=$(grep -c '"position": \?0,' "$work/trace.jsonl")
[ "$lines" -eq $((layers * 29)) ] || fail "$lines lines of $layers layers, expected 29 each"
run "$cadre" generate "$work/m.gguf" $prompt --active-experts 1 --trace-experts "$work/one.jsonl"
one=$(tr -d ' ' <"$work/one.jsonl" | grep -c '"experts":\[[0-9]*\]')
[ "$one" -eq "$lines" ] || fail "$one of $lines lines have one expert"
expect_error 2 'active_experts = 100, expected 1 to' \
  "$cadre" generate "$work/m.gguf" $prompt --active-experts 100
