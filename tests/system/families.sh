. "$(dirname "$0")/lib.sh"

# Arctic and Yuan from scratch: what they write does not depend on threads, and knows its family.
make_dataset
for family in arctic yuan; do
  run "$cadre" train --dataset "$work/data" --folder "$work/$family" $tiny --family $family \
    --steps 40 --learning-rate 5e-3 --json
  loss=$(number held_out_loss)
  awk "BEGIN { exit !($loss > 0 && $loss < 6.3) }" || fail "$family: held-out loss is $loss"
  grep -q "\"model_type\": \"$family\"" "$work/$family/latest/config.json" ||
    fail "$family: config.json names another family"
  for threads in 1 2; do
    run "$cadre" generate "$work/$family" --prompt 'The ' -n 30 --temperature 0 \
      --threads $threads --json
    tr -d '\n' <"$work/out" | sed 's/"[a-z]*_seconds":[^,}]*//g' >"$work/greedy$threads"
  done
  cmp "$work/greedy1" "$work/greedy2" || fail "$family: greedy text depends on the threads"
done
run "$cadre" info "$work/yuan" --json
[ "$(number filter_state_bytes_per_sequence)" -eq 192 ] ||
  fail "filter state is $(number filter_state_bytes_per_sequence), expected 2 * (32 + 16) * 2"
expect_error 5 'not grouped' "$cadre" train --dataset "$work/data" --folder "$work/no" $tiny \
  --family yuan --num-kv-heads 1 --steps 20
