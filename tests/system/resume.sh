. "$(dirname "$0")/lib.sh"

make_dataset
options="--dataset $work/data $tiny --steps 300 --checkpoint-every 7 --sample-every -1"
run "$cadre" train $options --folder "$work/whole"
checkpoint_sums "$work/whole" >"$work/expected"

# Stopped politely in the middle: a checkpoint is written.
"$cadre" train $options --folder "$work/stopped" >"$work/out" 2>"$work/err" &
pid=$!
while [ ! -e "$work/stopped/latest" ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -TERM $pid 2>/dev/null || true
status=0
wait $pid || status=$?
[ "$status" -eq 143 ] || fail "a run that SIGTERM stops ends with exit code $status, expected 143"

# Killed at random moments, several times, and started again with what was there.
folder=$work/killed
for round in 1 2 3 4 5; do
  resume="$options --folder $folder"
  [ ! -e "$folder/config.toml" ] || resume="--resume $folder"
  "$cadre" train $resume >"$work/out" 2>"$work/err" &
  pid=$!
  sleep "0.$((round * 13 % 10))5"
  kill -KILL $pid 2>/dev/null || true
  status=0
  wait $pid 2>/dev/null || status=$?
  [ "$status" -eq 137 ] || [ "$status" -eq 0 ] ||
    fail "a killed run ended with exit code $status: $(head -c 500 "$work/err")"
  # A kill between the first checkpoint and its link is all that may leave no `latest`.
  count=$(find "$folder/checkpoints" -maxdepth 1 -name 'step-*' 2>/dev/null | wc -l)
  if [ "$count" -gt 1 ] || [ -L "$folder/latest" ]; then
    [ -s "$folder/latest/config.json" ] || fail "after kill $round latest leads nowhere"
  fi
done
[ -e "$folder/config.toml" ] || run "$cadre" train $options --folder "$folder"

for run in stopped killed; do
  run "$cadre" train --resume "$work/$run"
  checkpoint_sums "$work/$run" >"$work/found"
  cmp "$work/expected" "$work/found" || fail "the $run run ended with other weights"
done

# Steps that are asked for go before the minutes that a run began with.
run "$cadre" train --dataset "$work/data" $tiny --minutes 0.05 --folder "$work/timed"
done=$(readlink "$work/timed/latest" | tr -dc 0-9 | sed 's/^0*//')
run "$cadre" train --resume "$work/timed" --steps $((done + 2))
more=$(readlink "$work/timed/latest" | tr -dc 0-9 | sed 's/^0*//')
[ "$more" -eq $((done + 2)) ] || fail "a run of $done steps went on to $more, expected 2 more"

expect_error 2 'goes on in its own folder' \
  "$cadre" train --resume "$work/stopped" --folder "$work/elsewhere" --steps 99
# A run folder stands for its latest checkpoint.
run "$cadre" train --init-from "$work/stopped" --dataset "$work/data" --folder "$work/on" \
  --steps 1 --sequence-length 32 --micro-batch 2
# It brings its shape and its tokens.
expect_error 2 'model.hidden_size = 64 beside model.init_from' "$cadre" train \
  --init-from "$work/stopped" --dataset "$work/data" --folder "$work/other" --hidden-size 64
run "$cadre" data build "$root/docs" --include .md --vocab-size 600 -o "$work/other_data"
expect_error 2 "other_data: token [0-9]+ is .*with that model's tokenizer" "$cadre" train \
  --init-from "$work/stopped" --dataset "$work/other_data" --folder "$work/other" --steps 1
