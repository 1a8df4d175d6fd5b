. "$(dirname "$0")/lib.sh"

make_dataset
run "$cadre" data info "$work/data" --verify --json
[ "$(number vocab_size)" -eq 600 ] || fail "vocab_size is $(number vocab_size), expected 600"

# Text survives the way to tokens and back.
run "$cadre" tokenizer decode "$work/data" --file /dev/stdin <<'END'
END
"$cadre" tokenizer encode "$work/data" --file src/README.md >"$work/ids"
"$cadre" tokenizer decode "$work/data" --file "$work/ids" >"$work/text"
cmp src/README.md "$work/text" || fail "decoding does not give back what was encoded"

run "$cadre" train --dataset "$work/data" --folder "$work/run" $tiny --steps 60 \
  --learning-rate 5e-3 --json
[ "$(number step)" -eq 60 ] || fail "step is $(number step), expected 60"
for file in config.toml metrics.jsonl report.html latest/config.json latest/tokenizer.json \
  latest/model.safetensors; do
  [ -s "$work/run/$file" ] || fail "the run has no $file"
done
ls "$work/run"/events.out.tfevents.* >/dev/null || fail "the run has no TensorBoard events"
# The untrained model knows nothing: ln 600 nats. Sixty steps must help.
loss=$(number held_out_loss)
awk "BEGIN { exit !($loss > 0 && $loss < 6.0) }" || fail "held-out loss is $loss, expected below 6"

# Another router over the same text, compared with the first.
run "$cadre" train --dataset "$work/data" --folder "$work/switch" $tiny --steps 10 \
  --router-kind switch --router-capacity-factor 0.5 --validate-every -1 --json
run "$cadre" report "$work/run" "$work/switch" -o "$work/comparison.html"
expect_output '^switch +- +- .* [0-9.]*%'
expect_output '^run +[0-9.]+ +[0-9.]+ '
[ -s "$work/comparison.html" ] || fail "there is no comparison"

expect_error 2 'holds a run already' \
  "$cadre" train --dataset "$work/data" --folder "$work/run" $tiny --steps 60

run "$cadre" info "$work/run" --json
[ "$(number num_experts)" -eq 4 ] || fail "num_experts is $(number num_experts), expected 4"

# The same seed writes the same text; without chance the seed does not matter.
for seed in 1 2; do
  run "$cadre" generate "$work/run" --prompt 'The ' -n 24 --temperature 0 --seed $seed --json
  tr -d '\n' <"$work/out" | sed 's/"[a-z]*_seconds":[^,}]*//g' >"$work/greedy$seed"
done
cmp "$work/greedy1" "$work/greedy2" || fail "greedy text depends on the seed"

# A GGUF file of the model holds its tokenizer and writes the same text.
run "$cadre" convert "$work/run" "$work/run.gguf"
run "$cadre" generate "$work/run.gguf" --prompt 'The ' -n 24 --temperature 0 --json
tr -d '\n' <"$work/out" | sed 's/"[a-z]*_seconds":[^,}]*//g' >"$work/greedy3"
cmp "$work/greedy1" "$work/greedy3" || fail "the GGUF file writes another text"

# Many prompts at once write what each writes alone, in the order of the file; guesses change nothing.
cat >"$work/prompts.jsonl" <<'END'
{"prompt": "The ", "id": "first"}
"The "
{"prompt": "A model", "max_tokens": 3}
END
many="$cadre generate $work/run --prompts $work/prompts.jsonl -n 24 --temperature 0"
run $many --parallel 2
mv "$work/out" "$work/many"
[ "$(wc -l <"$work/many")" -eq 3 ] || fail "three prompts, $(wc -l <"$work/many") texts"
alone=$(sed -n 's/.*"text": *\("\([^"\\]\|\\.\)*"\).*/\1/p' "$work/greedy1")
for line in 1 2; do
  together=$(sed -n "${line}s/.*\"text\": *\(\"\([^\"\\\\]\|\\\\.\)*\"\).*/\1/p" "$work/many")
  [ "$together" = "$alone" ] || fail "together the text is $together, alone $alone"
done
sed -n 1p "$work/many" | grep -q '"id": *"first"' || fail "the id of a prompt is lost"
sed -n 3p "$work/many" | grep -q '"tokens": *3,' || fail "max_tokens of a prompt is ignored"
run $many --parallel 3 --lookup 5 --draft "$work/run" --cache-tokens 256 --threads 1
cmp "$work/out" "$work/many" || fail "guesses or a small cache change a text"
run $many --answers 2
[ "$(wc -l <"$work/out")" -eq 6 ] || fail "two answers to three prompts, $(wc -l <"$work/out") texts"
run $many --logprobs 1
[ "$(grep -c '"logprobs": *\[{"id"' "$work/out")" -eq 3 ] || fail "--prompts writes no log probabilities"
[ "$(grep -c '"token": *"[^"]*", *"bytes": *\[[0-9]' "$work/out")" -eq 3 ] || fail "log probabilities without the tokens' bytes"
expect_error 2 'logprobs' "$cadre" generate "$work/run" -p The --logprobs 1
expect_error 2 'draft' "$cadre" generate "$work/run" -p The --draft-tokens 3
echo '{"text": 1}' >"$work/wrong.jsonl"
expect_error 4 'wrong.jsonl:1: the key .prompt. is missing' "$cadre" generate "$work/run" --prompts "$work/wrong.jsonl"
echo '{"prompt": "The", "max_token": 1}' >"$work/wrong.jsonl"
expect_error 4 'wrong.jsonl:1: unknown key .max_token.; did you mean .max_tokens.' "$cadre" generate "$work/run" --prompts "$work/wrong.jsonl"

run "$cadre" eval perplexity "$work/run" --text src/README.md --json
bits=$(number bits_per_byte)
awk "BEGIN { exit !($bits > 0 && $bits < 8) }" || fail "$bits bits per byte, expected below 8"

# The GGUF file's predictions are those of the folder.
run "$cadre" eval divergence "$work/run" "$work/run.gguf" --text src/README.md --json
awk "BEGIN { exit !($(number same_top) == 1) }" || fail "the likeliest tokens agree at $(number same_top) only"
run "$cadre" eval divergence "$work/run" "$work/run.gguf" --text src/README.md
expect_output '^routing, layer 1 '

run "$cadre" logits "$work/run" --tokens 5,6,7 --output "$work/logits.safetensors"
[ -s "$work/logits.safetensors" ] || fail "no logits were written"

# A damaged model is refused by name.
cp -rL "$work/run/latest" "$work/model"
head -c 2000 "$work/run/latest/model.safetensors" >"$work/model/model.safetensors"
expect_error 4 'model.safetensors' "$cadre" generate "$work/model" --prompt a
