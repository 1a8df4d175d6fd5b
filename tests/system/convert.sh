. "$(dirname "$0")/lib.sh"
model=tests/golden/olmoe/plain

run "$cadre" convert $model "$work/bf16" --dtype bf16 --max-shard-size 20KB --json
grep -q '"checked": true' "$work/out" || fail "the output was not checked"
[ -s "$work/bf16/model.safetensors.index.json" ] || fail "there are no shards"

# The converted model computes what the original does, to the rounding of its weights.
run "$cadre" logits "$work/bf16" --tokens 5,6,7 --dtype f32 --output "$work/logits.safetensors"

# There and back again: the same bytes.
run "$cadre" convert $model "$work/packed" --to hf-packed
run "$cadre" convert "$work/packed" "$work/back"
run "$cadre" convert "$model" "$work/direct"
cmp "$work/direct/model.safetensors" "$work/back/model.safetensors" || fail "bytes differ"

run "$cadre" convert tests/golden/native/mixtral_stacked "$work/mixtral"
run "$cadre" convert "$work/mixtral" "$work/native" --to mistral
[ -s "$work/native/params.json" ] || fail "there is no params.json"
run "$cadre" convert $model "$work/model.gguf" --dtype q8_0
run "$cadre" info "$work/model.gguf"
run "$cadre" convert "$work/model.gguf" "$work/from-gguf" --dtype bf16

# What is there stays, unless --force says otherwise; a failure leaves nothing behind.
expect_error 2 'is there already' "$cadre" convert $model "$work/bf16"
run "$cadre" convert $model "$work/bf16" --force
expect_error 2 'holds the model' "$cadre" convert "$work/bf16" "$work/bf16" --force
mkdir -p "$work/above/.cache"
cp -r $model "$work/above/.cache/olmoe"
expect_error 2 'holds the model' "$cadre" convert "$work/above/.cache/olmoe" "$work/above" --force
[ -s "$work/above/.cache/olmoe/model.safetensors" ] || fail "the source is gone"
(cd "$work" && run "$cadre" convert "$root/$model" beside && run "$cadre" convert "$root/$model" \
  ./above/inside) || fail "an output named from here was refused"
expect_error 2 'hf, hf-packed, mistral or gguf' "$cadre" convert $model "$work/x" --to onnx
expect_error 2 'f32, bf16 or f16' "$cadre" convert $model "$work/x" --dtype q8_0
expect_error 2 'size "5XB"' "$cadre" convert $model "$work/x" --max-shard-size 5XB
expect_error 3 'absent' "$cadre" convert "$work/absent" "$work/x"
expect_error 3 'is not there' "$cadre" convert $model "$work/no/folder"
expect_error 5 'cannot express' "$cadre" convert $model "$work/x" --to mistral
[ -z "$(find "$work" -name '.*tmp*' -o -name x)" ] || fail "something was left behind"
mkdir "$work/notes"
echo kept >"$work/notes/thesis.txt"
expect_error 2 'other things than a model' "$cadre" convert $model "$work/notes" --force
[ -s "$work/notes/thesis.txt" ] || fail "a folder of other things was replaced"
