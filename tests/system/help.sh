. "$(dirname "$0")/lib.sh"

run "$cadre" --version
expect_output '^cadre [0-9]+\.[0-9]+\.[0-9]+$'
run "$cadre"
expect_output 'quickstart'

# Every subcommand, and theirs, has a help with examples.
commands_of() {
  sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$work/out"
}
run "$cadre" --help
for command in $(commands_of); do
  run "$cadre" "$command" --help
  inner=$(commands_of)
  [ -n "$inner" ] || expect_output '^Examples:$'
  for sub in $inner; do
    run "$cadre" "$command" "$sub" --help
    expect_output '^Examples:$'
  done
done
[ -n "$inner$command" ] || fail "the help lists no command"
