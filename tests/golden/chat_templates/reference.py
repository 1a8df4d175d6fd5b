"""The reference: jinja2 as transformers sets it up, and as text for both sides."""

import datetime
import json
import signal

import transformers.utils.chat_template_utils as chat

COMPILE = chat._compile_jinja_template.__wrapped__


class Timeout(Exception):
    pass


def render(source, variables, now=None):
    """(text, spans of {% generation %} in bytes), or raises."""
    template = COMPILE(source)
    if now is not None:
        template.environment.globals["strftime_now"] = lambda form: now.strftime(form)
        template = template.environment.from_string(source)
    variables = json.loads(json.dumps(variables))
    blocks, indices = [], []
    with template.environment.activate_tracker(blocks, indices):
        for block in template.generate(**variables):
            blocks.append(block)
        text = "".join(blocks)
    spans = [[len(text[:a].encode()), len(text[:b].encode())] for a, b in indices]
    return text, spans


def try_render(source, variables, seconds=5):
    """{"text": ..., "generations": ...} or {"error": ...}."""

    def alarm(*_):
        raise Timeout()

    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(seconds)
    try:
        text, spans = render(source, variables)
        return {"text": text, "generations": spans}
    except Timeout:
        return {"error": "timeout"}
    except Exception as error:  # every kind of error counts as "refused"
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    finally:
        signal.alarm(0)
