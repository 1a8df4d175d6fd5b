"""Makes cases.json: chats rendered by transformers 5.23.0 with jinja2 3.1.6, nothing random.

    python make_chat_templates.py PROGRAM

PROGRAM is tests/text/jinja_batch of a build, which knows our built-in templates. A case that the
template refuses has "refused" in place of "text"; its message is not compared.
"""

import datetime
import json
import pathlib
import subprocess
import sys

import transformers.utils.chat_template_utils as chat

from templates import BUILTIN, REQUESTS, TEMPLATES, TOKENS

NOW = datetime.datetime(2026, 3, 5, 7, 8, 9)


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source, request, marked):
    rendered, spans = chat.render_jinja_template(
        [request["messages"]], tools=request.get("tools"), documents=request.get("documents"), chat_template=source,
        return_assistant_tokens_mask=marked, continue_final_message=request.get("continue_final_message", False),
        add_generation_prompt=request.get("add_generation_prompt", True), **TOKENS, **request.get("variables", {}))
    text = rendered[0]
    bytes_of = lambda at: len(text[:at].encode())
    return {"text": text, "assistant": [[bytes_of(a), bytes_of(b)] for a, b in spans[0]] if marked else []}


def main():
    chat.datetime = FixedClock
    sources = {name: subprocess.run([sys.argv[1], name], stdout=subprocess.PIPE, check=True).stdout.decode() for name in BUILTIN}
    cases = []
    for name, source in {**sources, **TEMPLATES}.items():
        for kind, request in REQUESTS.items():
            marked = "generation %}" in source.replace("generation -%}", "generation %}")
            case = {"template": name, "request": kind}
            try:
                case |= render(source, request, marked and not request.get("continue_final_message"))
            except Exception as error:
                case["refused"] = type(error).__name__
            cases.append(case)
    document = {"now": NOW.isoformat(), "special_tokens": TOKENS, "builtin": sources, "templates": TEMPLATES,
                "requests": REQUESTS, "cases": cases}
    out = pathlib.Path(__file__).with_name("cases.json")
    out.write_text(json.dumps(document, ensure_ascii=False, indent=0) + "\n")
    refused = sum("refused" in case for case in cases)
    print(f"{len(cases)} cases, of which {refused} are refused; {out.stat().st_size} bytes")
    for case in cases:
        if "refused" in case:
            print(" ", case)


if __name__ == "__main__":
    main()
