. "$(dirname "$0")/lib.sh"

make_dataset
for threads in 1 2 3 4; do
  run "$cadre" train --dataset "$work/data" $tiny --steps 50 --sample-every -1 \
    --folder "$work/run$threads" --threads $threads
  checkpoint_sums "$work/run$threads" >"$work/sums$threads"
  cmp "$work/sums1" "$work/sums$threads" || fail "$threads threads give other weights than one"
done
