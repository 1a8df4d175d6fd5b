"""Chat templates of many shapes, each for the parts of the language that it uses."""

TEMPLATES = {
    # Markers around each turn, trimmed content, the system turn given a default.
    "headers": """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "You help." %}
{%- endif %}
{{- "<|head|>system<|/head|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: tools\\n" }}
{%- endif %}
{{- "Today: " + strftime_now("%d %b %Y") + "\\n\\n" }}
{{- system_message + "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one tool call at a time") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot|>" }}
    {%- elif message.role == "tool" %}
        {{- "<|head|>ipython<|/head|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\\n\\n' }}
{%- endif %}
""",
    # Roles renamed, alternation enforced, no system turn.
    "alternating": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<turn>' + role + '\n' + message['content'] | trim + '<end>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<turn>model\n'}}{% endif %}""",
    # Tools as lines of JSON in the system turn, results gathered under the user's role, reasoning.
    "gathered": """{%- if tools %}
    {{- '<|s|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|e|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|s|>system\\n' + messages[0].content + '<|e|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|s|>' + message.role + '\\n' + content + '<|e|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|s|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|s|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|s|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|e|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|s|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|e|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|s|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    # Schemas of tools written out by macros that call each other, with defaults and keyword arguments.
    "schema_macros": """{%- macro type_name(spec, depth=0) -%}
    {%- if spec.type == "array" -%}
        {%- if spec['items'] -%}{{ type_name(spec['items'], depth=depth + 1) }}[]{%- else -%}any[]{%- endif -%}
    {%- elif spec.type is iterable and spec.type is not string -%}
        {{- spec.type | join(" | ") -}}
    {%- elif spec.enum is defined and spec.enum -%}
        "{{ spec.enum|join('" | "') }}"
    {%- elif spec.type == "object" -%}
        {%- if spec.properties -%}
{
            {%- for name, inner in spec.properties.items() %}
{{ "  " * (depth + 1) }}{{ name }}{{ "?" if name not in (spec.required or []) }}: {{ type_name(inner, depth + 1) }},
            {%- endfor %}
{{ "  " * depth }}}
        {%- else -%}object{%- endif -%}
    {%- else -%}
        {{- spec.type|default('any') -}}
    {%- endif -%}
{%- endmacro -%}
{%- macro tool_list(name, tools) %}
{{- "## " + name + "\\n" }}
{%- for tool in tools %}
    {%- set tool = tool.function %}
    {{- "\\n// " + (tool.description or "no description") + "\\n" }}
    {{- "type " + tool.name + " = (_: " + type_name(tool.parameters) + ") => any;" }}
    {{- "\\n" }}
{%- endfor %}
{{- "}" }}
{%- endmacro -%}
{%- if tools %}{{ tool_list("functions", tools) }}{% endif %}
{%- for message in messages -%}
<{{ message.role }}>{{ message.content if message.content is string else message.content|map(attribute='text')|join('\\n') }}</{{ message.role }}>
{% endfor %}
{%- if add_generation_prompt -%}<assistant>{% endif %}""",
    # Blocks in the open: what trim_blocks and lstrip_blocks leave.
    "open_blocks": """{# a comment
   of two lines #}
{% for message in messages %}
  {% if message.role == 'user' %}
User: {{ message.content }}
  {% elif message.role == 'system' %}
    {%+ if true %}Instructions:{% endif %} {{ message.content }}
  {% else %}
Bot: {{ message.content or '' }}{{ eos_token }}
  {%- endif +%}

{% endfor %}
{% if add_generation_prompt %}
Bot:
{%- endif %}

""",
    # Documents, and a preamble from a set block with a filter.
    "documents": """{% set preamble | trim %}
  {% if messages[0].role == 'system' %}{{ messages[0].content }}{% else %}Answer from the documents.{% endif %}

{% endset %}
{{- bos_token }}<|sys|>{{ preamble }}
{%- if documents %}

<results>
{% for document in documents -%}
Document: {{ loop.index0 }}
{% for key, value in document|items if key not in ['id'] -%}
{{ key }}: {{ value }}
{%- if not loop.last %}

{% endif %}
{%- endfor %}
{{- '\\n' if not loop.last }}
{% endfor %}</results>
{%- endif %}
{%- for message in messages|rejectattr('role', 'equalto', 'system') %}
<|{{ message.role|upper }}|>{{ message.content }}
{%- endfor %}
{%- if add_generation_prompt %}
<|ASSISTANT|>{% endif %}""",
    # The assistant's part marked, for training.
    "marked": """{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
<a>{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}
{% else -%}
<{{ message.role[0] }}>{{ message.content }}
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<a>{%- endif -%}""",
    # break, continue, previtem, nextitem, cycle; slices; a loop over pairs.
    "loops": """{%- for message in messages -%}
{%- if message.role == 'system' -%}{%- continue -%}{%- endif -%}
{%- if loop.index > 6 -%}{%- break -%}{%- endif -%}
[{{ loop.cycle('odd', 'even') }} {{ loop.index }}/{{ loop.length }} {{ loop.revindex0 }}
{{- ' after ' ~ loop.previtem.role if loop.previtem is defined }}
{{- ' before ' ~ loop.nextitem.role if loop.nextitem }}] {{ (message.content or '')[:12] }}{{ '...' if message.content and message.content|length > 12 }}
{% else %}nothing
{% endfor %}
{%- for first, second in [('a', 1), ('b', 2)] %}{{ first }}{{ second }};{% endfor %}
{%- for c in 'h\u00e9!' %}({{ c }}){% endfor %}""",
    # What the tools look like: every form of tojson.
    "json_forms": """{%- set sep = joiner('\\n---\\n') -%}
{%- for tool in tools or [] -%}
{{ sep() }}{{ tool|tojson }}
{{ tool|tojson(indent=2) }}
{{ tool.function.parameters|tojson(separators=(',', ':'), sort_keys=true) }}
{{ tool.function|tojson(ensure_ascii=true, indent=0) }}
{%- endfor -%}
{{ {'a': 1.0, 'b': [none, true, 1e-7, 12345678901234567], 'c': {}, 'd': [], 'e': 'q"\\\\/<>&\\'\\u2028\\x7f\\n\\t'}|tojson(indent=1) }}""",
    # Text methods and filters.
    "text_tools": """{%- set names = messages|map(attribute='role')|unique|list -%}
{{ names|join('+') }} {{ names|sort(reverse=true) }} {{ names|first }} {{ names|last|title }}
{% for message in messages -%}
{%- set text = message.content if message.content is string else '' -%}
{{ text.split()|length }}:{{ text.upper().replace('E', '_', 2) }}:{{ text.strip().rpartition(' ')[2] }}:{{ '%-8s|%05.1f'|format(message.role, loop.index / 3) }}:{{ '{:>6}/{!r}'.format(message.role[:3], text[:5]) }}:{{ text|indent(2, true) }}
{% endfor -%}
{{ messages|selectattr('role', 'in', ['user', 'tool'])|list|length }} {{ messages|map(attribute='content')|select('string')|map('length')|sum }}
{{ (7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 / 2, 2 ** 10, 2 ** -1, 1e16, 1e-5, 0.1 + 0.2) }}""",
    # Calls with a body, varargs and kwargs; with and filter blocks.
    "calls": """{%- macro turn(role, end='</t>') -%}
<t {{ role }}{% for k, v in kwargs|dictsort %} {{ k }}={{ v }}{% endfor %}{{ varargs or '' }}>{{ caller(role|upper) }}{{ end }}
{%- endmacro -%}
{%- for message in messages %}
{%- call(shown) turn(message.role, n=loop.index, a='x') %}{{ shown }}: {{ message.content }}{% endcall %}
{% endfor %}
{%- with a = 1, b = messages|length %}{{ a + b }}{% endwith %}
{% filter upper|replace('A', '4') %}shouted {{ messages[-1].role }}{% endfilter %}
{%- if add_generation_prompt %}{{ turn.name }}{% raw %}{{ raw }}{% endraw %}{% endif %}""",
}

# Named as a built-in template of ours in place of a source.
BUILTIN = ["olmoe", "mistral-v1", "mistral-v3", "mistral-v3-spm", "chatml", "yuan"]

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather \u2014 now & then",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "such as Z\u00fcrich"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": ["integer", "null"]},
        "hours": {"type": "array", "items": {"type": "number"}},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}}}}}}}
TIME = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


SIMPLE = [turn("user", "  What is 5 + 5?\n")]
SYSTEM = [turn("system", "Be brief. "), turn("user", "Na\u00efve \u4f60\u597d \U0001f600?")]
LONG = [turn("user", "Hello"), turn("assistant", "Hi there!"), turn("user", "And again,\nplease"), turn("assistant", "As you like."), turn("user", "Thanks")]
ANSWERED = [turn("system", "You count."), turn("user", "One?"), turn("assistant", "Two \u00e9"), turn("user", "Three?"), turn("assistant", "Four.")]
CALLS = [turn("system", "Use tools."), turn("user", "Weather in Z\u00fcrich?"),
         turn("assistant", None, tool_calls=[{"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Z\u00fcrich", "days": 2, "f": 1.50}}}]),
         turn("tool", "{\"t\": 21}", name="get_weather", tool_call_id="call12345")]
TWO_CALLS = [turn("user", "Both?"),
             turn("assistant", "", tool_calls=[{"id": "a", "function": {"name": "now", "arguments": {}}}, {"id": "b", "function": {"name": "get_weather", "arguments": "{\"city\": \"Bern\"}"}}]),
             turn("tool", "noon", tool_call_id="a"), turn("tool", "rain", tool_call_id="b"),
             turn("assistant", "Noon, and it rains."), turn("user", "Thanks.")]
PARTS = [turn("user", [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}])]
THOUGHT = [turn("user", "Think."), turn("assistant", "<think>\nhm\n</think>\n\nDone."), turn("user", "More."), turn("assistant", "Ok.", thinking="let me see")]
DOCUMENTS = [{"id": 1, "title": "A", "text": "First.\nLine."}, {"title": "B", "text": "Second \u00e9"}]

REQUESTS = {
    "simple": {"messages": SIMPLE},
    "system": {"messages": SYSTEM},
    "long": {"messages": LONG},
    "answered": {"messages": ANSWERED, "add_generation_prompt": False},
    "continued": {"messages": ANSWERED[:4] + [turn("assistant", "Four is ")], "add_generation_prompt": False, "continue_final_message": True},
    "tools": {"messages": SYSTEM, "tools": [WEATHER, TIME]},
    "calls": {"messages": CALLS, "tools": [WEATHER]},
    "two_calls": {"messages": TWO_CALLS, "tools": [TIME, WEATHER]},
    "parts": {"messages": PARTS},
    "thought": {"messages": THOUGHT, "add_generation_prompt": False},
    "no_thinking": {"messages": SIMPLE, "variables": {"enable_thinking": False}},
    "documents": {"messages": SYSTEM, "documents": DOCUMENTS},
}
