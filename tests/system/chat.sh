# sh chat.sh PROGRAM FOLDER TERMINAL
terminal=$3
. "$(dirname "$0")/lib.sh"

make_dataset
run "$cadre" train --dataset "$work/data" --folder "$work/run" $tiny \
  --max-positions 2048 --steps 6 --threads 1
chat="$cadre chat $work/run --threads 1 --temperature 0"

# content: the answers in the last run's output, one a line, as JSON has them.
content() {
  sed -n 's/.*"content": *\("\([^"\\]\|\\.\)*"\).*/\1/p' "$work/out"
}

# One answer for each line; what is known of the prompt is not read again.
printf 'Hello\nAnd again,\\\nplease\n' >"$work/lines"
$chat -n 12 --json <"$work/lines" >"$work/out" || fail "chat from a pipe"
[ "$(wc -l <"$work/out")" -eq 2 ] || fail "two messages, $(wc -l <"$work/out") answers"
[ "$(number reused_tokens)" -gt 4 ] || fail "the second answer used no cache"
content >"$work/answers"
first=$(sed -n 1p "$work/answers")
second=$(sed -n 2p "$work/answers")

# The same conversation at once gives the same last answer.
cat >"$work/messages.json" <<END
{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": $first},
  {"role": "user", "content": "And again,\nplease"}]}
END
run $chat -n 12 --json --messages "$work/messages.json"
[ "$(content)" = "$second" ] || fail "read at once, the conversation ends in $(content), not $second"
[ "$(number reused_tokens)" -eq 0 ] || fail "a first answer cannot use a cache"

# `generate --chat` is a conversation of one message.
run "$cadre" generate "$work/run" --threads 1 --temperature 0 -n 12 --json --chat -p Hello
[ "$(sed -n 's/.*"text": *\("\([^"\\]\|\\.\)*"\).*/\1/p' "$work/out")" = "$first" ] ||
  fail "generate --chat writes something else than chat"

# The format of the family, another by name, one from a file.
echo Hi | $chat -n 2 --show-prompt --system Short. 2>"$work/err" >"$work/out"
printf '<|endoftext|><|system|>\nShort.\n<|user|>\nHi\n<|assistant|>\n' >"$work/expected"
head -c "$(wc -c <"$work/expected")" "$work/err" | cmp - "$work/expected" || fail "OLMoE's format"
echo Hi | $chat -n 2 --show-prompt --chat-template chatml 2>"$work/err" >"$work/out"
grep -q '^<|im_start|>user$' "$work/err" || fail "ChatML's format: $(cat "$work/err")"
echo '{{ raise_exception("not today") }}' >"$work/refuses.jinja"
echo Hi >"$work/hi"
expect_error 2 'refuses.jinja:1: not today' \
  $chat --chat-template "$work/refuses.jinja" --messages "$work/messages.json"
expect_error 3 'mistral-v3' $chat --chat-template nonsense
echo '[{"content": "x"}]' >"$work/bad.json"
expect_error 2 'messages.0. has no role' $chat --messages "$work/bad.json"
echo '{"messages": [{"role": "user", "content": "x"}], "tool": []}' >"$work/bad.json"
expect_error 4 'unknown key .tool.; did you mean .tools.' $chat --messages "$work/bad.json"
expect_error 2 'draft-tokens' $chat --draft-tokens 3 --messages "$work/messages.json"

# Texts that have to have a form, whatever the model would write.
generate="$cadre generate $work/run --threads 1 --temperature 1.5 -p Hello"
run $generate --json --regex '(yes|no), [0-9]{3}'
expect_output '"text": "(yes|no), [0-9][0-9][0-9]"'
expect_output '"stop_reason": "complete"'
echo '{"type": "object", "properties": {"n": {"type": "integer", "minimum": 7, "maximum": 9}},
  "required": ["n"]}' >"$work/schema.json"
run $generate --json --json-schema "$work/schema.json"
expect_output '"text": "\{\\"n\\":[789]\}"'
echo 'root ::= "[" ("x" "y"?){2} "]"' >"$work/form.gbnf"
run $generate --json --grammar "$work/form.gbnf"
expect_output '"text": "\[xy?xy?\]"'
echo Hi | $chat -n 40 --json --json-schema '{"enum": ["red", "green"]}' >"$work/out"
expect_output '"content": "\\"(red|green)\\""'
run $generate --json --stop '"' --json-schema '{"const": "ab"}'
expect_output '"stop_reason": "stop_string"'
expect_error 5 '/properties/x: the keyword "not" is not supported' \
  $generate --json-schema '{"properties": {"x": {"not": {}}}}'
expect_error 2 'form.gbnf:1:9: the rule "x" is not defined' \
  sh -c "echo 'root ::=x' >$work/form.gbnf; exec $generate --grammar $work/form.gbnf"
expect_error 5 'back reference' $generate --regex '(a)\1'

# A conversation that outgrows the context ends in an error, or forgets its oldest turns.
awk 'BEGIN { for (i = 0; i < 5; i++) { for (j = 0; j < 300; j++) printf "word "; print i } }' \
  >"$work/long"
status=0
$chat -n 8 --json <"$work/long" >"$work/out" 2>"$work/err" || status=$?
[ "$status" -eq 6 ] || fail "exit code $status for a full context, expected 6"
$chat -n 8 --json --drop-oldest <"$work/long" >"$work/out" || fail "chat --drop-oldest"
[ "$(wc -l <"$work/out")" -eq 5 ] || fail "--drop-oldest: $(wc -l <"$work/out") answers of 5"

# In a terminal: commands, a message of several lines, Ctrl-C during an answer and at the prompt.
# An answer of up to 2048 tokens leaves time to stop it.
cat >"$work/script" <<END
? /help lists commands
? >
> /params temprature 3
? did you mean
> /params top-k 5
? top_k = 5
> /system Be brief.
? a new conversation
> /prompt
? <|system|>
> /nonsense
? unknown command /nonsense
> """one
> two"""
? ---
^C
? (stopped)
? prompt tokens read at
> /prompt
? <|user|>
? one
? two
? <|assistant|>
> /save $work/saved.json
? 3 messages saved
> /undo
? taken back: one
> /undo
? nothing to take back
> /load $work/saved.json
? 3 messages loaded
> /clear
? a new conversation
> Go on
? ---
^C
? (stopped)
? written at
? >
^C
? Ctrl-C again leaves
? >
^C
= 0
END
"$terminal" "$work/script" $chat -n 100000 --ignore-eos --verbose --show-prompt --kernels scalar || fail "chat in a terminal"
grep -q '"one\\ntwo"' "$work/saved.json" || fail "the saved conversation lacks the message"

# An answer that cannot be leaves the conversation as it was; tools come and go with the messages.
cat >"$work/tools.json" <<END
{"messages": [{"role": "user", "content": "Hi", "name": "me"}, {"role": "assistant", "content": "No."}],
 "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]}
END
echo '[{"role": "user", "content": "Hi"}]' >"$work/plain.json"
cat >"$work/script" <<END
? >
> /load $work/tools.json
? 2 messages loaded
> /params logit-bias 99999:1
? 99999
> /regenerate
? cadre: error
> /save $work/kept.json
? 2 messages saved
> /load $work/plain.json
? 1 messages loaded
> /save $work/bare.json
? 1 messages saved
? >
^D
= 0
END
"$terminal" "$work/script" $chat -n 3 || fail "/regenerate, /load and /save"
for word in '"No."' '"name": "me"' '"look"'; do
  grep -q "$word" "$work/kept.json" || fail "the saved conversation lacks $word: $(cat "$work/kept.json")"
done
! grep -q tools "$work/bare.json" || fail "tools of another conversation were saved"

# Ctrl-C ends the reading of a prompt as well.
prompt=$(awk 'BEGIN { for (i = 0; i < 20000; i++) printf "word " }')
cat >"$work/script" <<END
? word
^C
? text 0 tokens
? (cancelled)
= 0
END
"$terminal" "$work/script" "$cadre" generate "$work/run" -p "$prompt" --threads 1 --kernels scalar \
  --sinks 4 --attention-window 500 --step-tokens 1 || fail "a prompt cannot be interrupted"

printf '? >\n^D\n= 0\n' >"$work/script"
"$terminal" "$work/script" $chat || fail "Ctrl-D does not leave"
