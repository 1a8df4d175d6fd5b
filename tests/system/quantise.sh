. "$(dirname "$0")/lib.sh"

make_dataset
run "$cadre" train --dataset "$work/data" --folder "$work/run" $tiny --hidden-size 256 --steps 10 \
  --learning-rate 5e-3 --json
cat docs/training.md docs/routers.md >"$work/text"

# Calibrated, with the importance kept; the same file from the kept importance.
run "$cadre" quantise "$work/run" "$work/q4.gguf" --format q4_k --calibrate "$work/text" \
  --calibrate-tokens 2000 --save-importance "$work/importance.gguf"
expect_output '^layer +experts +fewest'
expect_output '^experts .*f16 x 2, q4_k x 4'
expect_output 'read back and measured'
run "$cadre" quantise "$work/run" "$work/again.gguf" --format q4_k --json \
  --importance "$work/importance.gguf" --threads 1
cmp "$work/q4.gguf" "$work/again.gguf" || fail "importance from a file gives other bytes"
grep -q '"coverage": *\[{' "$work/out" || fail "the report does not tell which experts were reached"

# The same importance where experts are read when they are needed.
expect_error 2 'expected at least [0-9]+' "$cadre" quantise "$work/run" "$work/x" --format q4_k \
  --calibrate "$work/text" --memory 1K
need=$(sed -n 's/.*expected at least \([0-9]*\).*/\1/p' "$work/err")
run "$cadre" quantise "$work/run" "$work/limited.gguf" --format q4_k --calibrate "$work/text" \
  --calibrate-tokens 2000 --memory "$need"
cmp "$work/q4.gguf" "$work/limited.gguf" || fail "a limit of memory changes what is found"
expect_error 2 'expected --calibrate' "$cadre" quantise "$work/run" "$work/x" --format q4_k \
  --memory 1G

# Bits are those of the weights; they are met within a hundredth.
run "$cadre" quantise "$work/run" "$work/target.gguf" --target 6bpw --json \
  --importance "$work/importance.gguf"
bits=$(number bits_per_weight)
awk "BEGIN { exit !($bits > 5.94 && $bits <= 6) }" || fail "$bits bits a weight, expected 6"

# A size is that of the file.
size=$(wc -c <"$work/target.gguf")
[ "$(number file_bytes)" -eq "$size" ] || fail "the report tells $(number file_bytes), not $size"
run "$cadre" quantise "$work/run" "$work/sized.gguf" --target "${size}B" \
  --importance "$work/importance.gguf"
found=$(wc -c <"$work/sized.gguf")
[ "$found" -le "$size" ] || fail "a file of $found bytes, expected at most $size"
[ "$found" -ge $((size / 100 * 98)) ] || fail "a file of $found bytes, expected about $size"

# Every kind of output opens, and eight bits change next to nothing.
for format in q8_0 int8 fp8 int4; do
  run "$cadre" quantise "$work/run" "$work/$format" --format $format
  run "$cadre" eval divergence "$work/run" "$work/$format" --text README.md --json
  kl=$(number mean_kl)
  case $format in int4) limit=0.1 ;; fp8) limit=0.01 ;; *) limit=0.001 ;; esac
  awk "BEGIN { exit !($kl < $limit) }" || fail "$format: KL is $kl, expected below $limit"
done
for expected in q8_0:q8_0 int8:int8 fp8:f8_e4m3 int4:int4; do
  run "$cadre" info "$work/${expected%:*}"
  expect_output "^stored .* ${expected#*:} \([0-9.]+ %\)"
done
run "$cadre" generate "$work/int4" --prompt 'The ' -n 4 --temperature 0
run "$cadre" quantise "$work/q4.gguf" "$work/zero" --format int4 --group 64 --zero-point

expect_error 2 'one of --format and --target' "$cadre" quantise "$work/run" "$work/x"
expect_error 2 'there are q2_k' "$cadre" quantise "$work/run" "$work/x" --format iq2_xxs
expect_error 2 'there are .*int4, int8, fp8; the nearest is q4_k' \
  "$cadre" quantise "$work/run" "$work/x" --format Q4_K_M
expect_error 2 'without .gguf' "$cadre" quantise "$work/run" "$work/x.gguf" --format int4
expect_error 2 'target 1bpw: .*least possible' "$cadre" quantise "$work/run" "$work/x" --target 1bpw
expect_error 2 'target 4.5: expected a unit' "$cadre" quantise "$work/run" "$work/x" --target 4.5
expect_error 2 'pure: expected --format' "$cadre" quantise "$work/run" "$work/x" --target 4bpw --pure
expect_error 2 'bits a weight' "$cadre" quantise "$work/run" "$work/x" --target xbpw
expect_error 2 'no tensor' "$cadre" quantise "$work/run" "$work/x" --format q4_k --tensor 'a.*=q8_0'
expect_error 2 'int4 or int8' "$cadre" quantise "$work/run" "$work/x" --format q4_k --group 64
expect_error 4 'imatrix' "$cadre" quantise "$work/run" "$work/x" --format q4_k \
  --importance "$work/q4.gguf"
expect_error 2 'holds the model' "$cadre" quantise "$work/zero" "$work" --format q8_0 --force
expect_error 2 'is there already' "$cadre" quantise "$work/run" "$work/q4.gguf" --format q4_k
[ -z "$(find "$work" -name '.*tmp*' -o -name x)" ] || fail "something was left behind"
