# Inference is measured over batches and depths, on stored and on random models.
. "$(dirname "$0")/lib.sh"
model=tests/golden/olmoe/plain

run "$cadre" bench $model -p 16 -n 4 -b 1,3 -d 0,20 -r 2 --chunk 8 --json --threads 2
for pattern in '"test": "pp16"' '"test": "tg4"' '"depth": 20' '"batch": 3' '"share_of_limit"'; do
  expect_output "$pattern"
done
run "$cadre" bench --random $model/config.json --weights q8_0 -p 8 -n 2 -r 1 --threads 1
expect_output 'pp8 +1 +0 '
expect_error 5 'expected a multiple of 32' "$cadre" bench $model -p 8 -n 0 --cache-type int8 --threads 1
# A prompt may fill the whole context of 64.
run "$cadre" bench $model -p 64 -n 0 -r 1 --threads 1
expect_output 'pp64 +1 +0 '
expect_error 2 'bench: -d and -n together are 65 tokens' "$cadre" bench $model -p 0 -n 64 --threads 1
expect_error 2 'bench: -d and -p together are 80 tokens' "$cadre" bench $model -p 16 -n 0 -d 64 --threads 1
expect_error 2 'either a model or --random' "$cadre" bench $model --random $model --threads 1
expect_error 2 '"q3", expected stored, dense, q8_0' "$cadre" bench $model --weights q3 --threads 1
