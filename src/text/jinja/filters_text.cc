// Filters on text. Most take any value and work on its str().
#include <algorithm>
#include <array>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/string_format.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

template <std::string (*Change)(std::string_view)>
Value changed(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("filter", arguments, {});
  const std::string text = to_text(interpreter.budget(), operand);
  interpreter.budget().string(static_cast<int64_t>(2 * text.size()));
  return Change(text);
}

std::string unchanged_text(std::string_view text) { return std::string(text); }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Value escape(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("escape", arguments, {});
  const std::string text = to_text(interpreter.budget(), operand);
  interpreter.budget().string(static_cast<int64_t>(5 * text.size()));
  return escaped(text);
}

// Jinja's own notion: a word begins after white space, a hyphen or an opening bracket.
std::string title_words(std::string_view text) {
  std::string out;
  bool inside = false;
  std::string rest;
  const auto finish = [&] {
    out += lower(rest);
    rest.clear();
  };
  for (const std::string_view character : characters(text)) {
    const char32_t value = decode_at(character, 0).value;
    const bool separates = is_space(value) || value == '-' || value == '(' || value == '{' ||
                           value == '[' || value == '<';
    if (separates || !inside) {
      finish();
      out += separates ? std::string(character) : upper(character);
      inside = !separates;
    } else {
      rest += character;
    }
  }
  finish();
  return out;
}

Value trimmed(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("trim", arguments, {"chars"});
  return strip(to_text(interpreter.budget(), operand), Side::both, bound.optional_text(0));
}

Value replaced(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
  Budget& budget = interpreter.budget();
  const int64_t most = bound.has(2) && bound.at(2).is_none() ? -1 : bound.integer_or(2, -1);
  return replace_checked(budget, to_text(budget, operand), to_text(budget, bound.at(0)),
                         to_text(budget, bound.at(1)), most);
}

Value centred(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("center", arguments, {"width"});
  Budget& budget = interpreter.budget();
  return justify(budget, to_text(budget, operand), bound.integer_or(0, 80), '^', " ");
}

Value indented(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("indent", arguments, {"width", "first", "blank"});
  Budget& budget = interpreter.budget();
  if (operand.is_undefined()) raise_undefined(operand);
  if (!operand.string()) raise("indent: a {}, expected a str", operand.type_name());
  std::string indention;
  if (bound.has(0) && bound.at(0).string()) {
    indention = bound.text(0);
  } else {
    const int64_t width = std::max<int64_t>(bound.integer_or(0, 4), 0);
    budget.string(width);
    indention.assign(static_cast<size_t>(width), ' ');
  }
  const bool blank = bound.truth_or(2, false);
  const std::string text = *operand.string() + "\n";
  std::string out = bound.truth_or(1, false) ? indention : "";
  bool is_first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!is_first) {
      out += '\n';
      if (blank || !line.empty()) out += indention;
    }
    is_first = false;
    out += line;
    budget.string(static_cast<int64_t>(indention.size() + line.size()));
  }
  return out;
}

Value formatted_text(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Budget& budget = interpreter.budget();
  if (!arguments.named.empty() && !arguments.positional.empty()) {
    raise("can't handle positional and keyword arguments at the same time");
  }
  Value values = Value::tuple(budget, arguments.positional);
  if (!arguments.named.empty()) {
    auto dict = std::make_shared<Dict>();
    for (const auto& [name, value] : arguments.named) dict->set(budget, name, value);
    values = Shared<Dict>(std::move(dict));
  }
  return percent_format(budget, to_text(budget, operand), values);
}

Value truncated(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const std::string end = bound.has(2) ? bound.text(2) : "...";
  const int64_t size = bound.integer_or(0, 255);
  const int64_t leeway = bound.has(3) && !bound.at(3).is_none() ? bound.integer_or(3, 5) : 5;
  const int64_t end_size = length_of(end);
  if (size < end_size) raise("expected length >= {}, got {}", end_size, size);
  if (leeway < 0) raise("expected leeway >= 0, got {}", leeway);
  // What is short enough may be of any kind.
  const auto given = length(operand);
  if (given && *given - leeway <= size) return operand;
  if (!operand.string()) raise("truncate: a {}, expected a str", operand.type_name());
  const std::string& text = *operand.string();
  interpreter.budget().string(static_cast<int64_t>(text.size() + end.size()));
  const std::string kept = text.substr(0, offset_of(text, size - end_size));
  if (bound.truth_or(1, false)) return kept + end;
  const size_t space = kept.rfind(' ');
  return kept.substr(0, space) + end;  // npos keeps all
}

Value word_count(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("wordcount", arguments, {});
  const std::string text = to_text(interpreter.budget(), operand);
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    const bool part = point.value == '_' || is_alphabetic(point.value) || is_numeric(point.value);
    if (part && !inside) ++count;
    inside = part;
    at += static_cast<size_t>(point.size);
  }
  return count;
}

constexpr std::array<Filter, 16> kTextFilters = {{
    {"capitalize", changed<capitalize>},
    {"center", centred},
    {"e", escape},
    {"escape", escape},
    {"forceescape", escape},
    {"format", formatted_text},
    {"indent", indented},
    {"lower", changed<lower>},
    {"replace", replaced},
    {"safe", changed<unchanged_text>},
    {"string", changed<unchanged_text>},
    {"title", changed<title_words>},
    {"trim", trimmed},
    {"truncate", truncated},
    {"upper", changed<upper>},
    {"wordcount", word_count},
}};

}  // namespace

std::span<const Filter> text_filters() { return kTextFilters; }

}  // namespace cadre::text::jinja
