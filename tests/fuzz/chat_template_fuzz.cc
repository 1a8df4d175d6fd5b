// Chat templates: the language's parser and its interpreter, with little of everything allowed.
#include "core/io/json.h"
#include "tests/fuzz/fuzz.h"
#include "text/chat_template_files.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  text::jinja::Limits limits;
  limits.max_steps = 100'000;
  limits.max_bytes = 16 << 20;
  limits.max_string = 4 << 20;
  const auto parsed = text::jinja::Template::parse(bytes, "template", limits);
  static const io::JsonValue kVariables = io::parse_json(
      R"({"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true, "documents": null,
  "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": " h\u00e9llo "},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "function": {"name": "f",
      "arguments": {"a": [1, 2.5, true]}}}]},
    {"role": "tool", "tool_call_id": "1", "content": [{"text": "t", "type": "text"}]}],
  "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]})",
      "variables");
  const auto rendered =
      parsed.render(kVariables.get_if<io::JsonValue::Object>()->members, [] { return std::tm{}; });
  for (const auto& [begin, end] : rendered.generations) {
    if (begin > end) fail(ErrorKind::internal, "a span from {} to {}", begin, end);
  }
}

std::vector<std::string> seeds() {
  std::vector<std::string> seeds = {
      "{%- set ns = namespace(a=1, b='x') -%}\n{% for m in messages if m.role != 'tool' %}\n"
      "  {%- set ns.a = ns.a + loop.index %}{{ m.content|default('', true)|trim|upper }}\n"
      "{% else %}none{% endfor %}{{ ns.a }}{{ tools|tojson(indent=2) }}",
      "{% macro m(a, b=2, c='d') %}{{ a }}{{ kwargs }}{{ varargs }}{{ caller(1) }}{% endmacro %}"
      "{% call(x) m(1, 2, 3, 4, z=5) %}{{ x }}{% endcall %}{% raw %}{{ }}{% endraw %}{# c #}",
      "{{ 'a,b'.split(',')[::-1]|join('-') ~ '%5.2f|%s' % (1.5, [1]) ~ '{:>8}'.format(3) }}"
      "{{ (1 + 2 * 3 ** 2 // 4 % 5 - -6) / 7 }}{{ messages[1:]|map(attribute='role')|list }}"
      "{{ 1 if x is defined and not y else [1, {'a': (2, 3)}] }}{{ range(5)|select('odd')|sum }}",
      "{% with a = 1, b = [2] %}{% filter upper %}{{ a }}{{ b }}{% endfilter %}{% endwith %}"
      "{% set x %}y{% endset %}{% generation %}{{ x }}{% endgeneration %}{% set j = joiner() %}"
      "{{ j() }}{{ j() }}{% for a, b in messages[1].items() %}{{ loop.changed(a) }}"
      "{% if loop.last %}{% break %}{% endif %}{% endfor %}{{ strftime_now('%Y') }}",
      "{{ messages|selectattr('content', 'string')|map(attribute='content')|map('length')|list }}"
      "{{ messages|sort(attribute='role')|batch(2)|list }}{{ 'x'|center(9)|replace('x', 'yy') }}"
      "{{ messages[0]|dictsort|tojson }}{{ 'A b'.title().partition(' ')|string|indent(2) }}",
  };
  for (const char* name : {"mistral-v3", "chatml"}) {
    seeds.push_back(*text::builtin_chat_template(name));
  }
  return seeds;
}

}  // namespace cadre::fuzz
