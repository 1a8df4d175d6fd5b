. "$(dirname "$0")/lib.sh"

# --- wrong use: 2
expect_error 2 'unknown command "tokeniser"; did you mean "tokenizer"' "$cadre" tokeniser
expect_error 2 'unknown command "buidl"; did you mean "build"' "$cadre" data buidl
expect_error 2 'unknown option "--top-kk"; did you mean "--top-k"' "$cadre" generate x --top-kk 3
expect_error 2 'unknown option "--ctx-size"; the context is as long as' "$cadre" generate x --ctx-size 3
expect_error 2 'unknown option "-ngl"; all layers run' "$cadre" generate x -p a -ngl 99
expect_error 2 'unknown command "frobnicate"; see cadre --help' "$cadre" frobnicate
expect_error 2 '\-\-temperature.*hot' "$cadre" generate x --temperature hot
expect_error 2 '\-\-kernels.*avx3.*scalar' "$cadre" generate x --prompt a --kernels avx3
expect_error 2 'required' "$cadre" tokenizer info
expect_error 2 'data.dataset' "$cadre" train --folder "$work/run"
printf '[model]\nhiden_size = 3\n' >"$work/run.toml"
expect_error 2 'run.toml:2.*hiden_size.*hidden_size' "$cadre" train "$work/run.toml"
printf '[model]\nhidden_size = \n' >"$work/run.toml"
expect_error 2 'run.toml:2' "$cadre" train "$work/run.toml"

# --- not there: 3
expect_error 3 'absent' "$cadre" info "$work/absent"
expect_error 3 'absent' "$cadre" tokenizer info "$work/absent.json"
expect_error 3 'absent' "$cadre" data build "$work/absent" --vocab-size 300 -o "$work/d"
expect_error 3 'absent' "$cadre" train "$work/absent.toml"
expect_error 3 'name is not known' "$cadre" train --lr 1e-3
expect_error 3 'absent' "$cadre" train --resume "$work/absent"
expect_error 3 'absent' "$cadre" quickstart --data "$work/absent" --runs "$work/runs"

# --- damaged: 4
printf '{"model": ' >"$work/tokenizer.json"
expect_error 4 'tokenizer.json' "$cadre" tokenizer info "$work/tokenizer.json"
make_dataset
cp -r "$work/data" "$work/damaged"
shard=$(find "$work/damaged" -type f ! -name '*.json' | sort | head -n 1)
# One byte in the middle.
size=$(wc -c <"$shard")
printf '\377' | dd of="$shard" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect_error 4 "$(basename "$shard")" "$cadre" data info "$work/damaged" --verify
head -c $((size / 3)) "$shard" >"$shard.cut"
mv "$shard.cut" "$shard"
expect_error 4 "$(basename "$shard")" "$cadre" data info "$work/damaged" --verify
head -c 100 "$work/data/dataset.json" >"$work/damaged/dataset.json"
expect_error 4 'dataset.json' "$cadre" data info "$work/damaged"

# --- no room: 6
if [ -e /dev/full ]; then
  status=0
  "$cadre" --help >/dev/full 2>"$work/err" || status=$?
  [ "$status" -eq 6 ] || fail "writing to a full disk gave exit code $status, expected 6"
fi

# A reader that goes away is no error.
status=$(
  {
    "$cadre" tokenizer encode "$work/data" --file "$root/src/README.md" --pieces
    echo $? >"$work/status"
  } | head -n 1 >/dev/null
  cat "$work/status"
)
[ "$status" -eq 0 ] || fail "a closed pipe gave exit code $status"
