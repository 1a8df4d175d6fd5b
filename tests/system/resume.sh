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

# Killed at random moments, several times, and started again.
folder=$work/killed
resume=
for round in 1 2 3 4 5; do
  if [ -e "$folder/latest" ]; then resume="--resume $folder"; else
    rm -rf "$folder"
    resume="$options --folder $folder"
  fi
  "$cadre" train $resume >"$work/out" 2>"$work/err" &
  pid=$!
  sleep "0.$((round * 13 % 10))5"
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
done
[ -e "$folder/latest" ] || run "$cadre" train $options --folder "$folder"

for run in stopped killed; do
  run "$cadre" train --resume "$work/$run"
  checkpoint_sums "$work/$run" >"$work/found"
  cmp "$work/expected" "$work/found" || fail "the $run run ended with other weights"
done
