#include "text/jinja/format_spec.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

std::string padded(Budget& budget, std::string body, std::string prefix, const FormatSpec& spec,
                   char align) {
  const int64_t missing = spec.width - length_of(body) - length_of(prefix);
  if (missing <= 0) return prefix + body;
  budget.string(missing * static_cast<int64_t>(spec.fill.size()));
  const auto fill = [&](int64_t count) {
    std::string out;
    for (; count > 0; --count) out += spec.fill;
    return out;
  };
  switch (align) {
    case '<':
      return prefix + body + fill(missing);
    case '^':
      return fill(missing / 2) + prefix + body + fill(missing - missing / 2);
    case '=':
      return prefix + fill(missing) + body;
    default:
      return fill(missing) + prefix + body;
  }
}

// 1234567.5 -> 1,234,567.5
std::string grouped(const std::string& digits, char separator, size_t group) {
  const size_t end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % group == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(end);
}

std::string sign_of(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

std::string float_digits(double magnitude, const FormatSpec& spec) {
  if (!std::isfinite(magnitude)) {
    const std::string name = std::isnan(magnitude) ? "nan" : "inf";
    return std::isupper(static_cast<unsigned char>(spec.type)) != 0 ? upper(name) : name;
  }
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case 'e':
      return fmt::format("{:.{}e}", magnitude, precision);
    case 'E':
      return fmt::format("{:.{}E}", magnitude, precision);
    case 'g':
    case 'n':
      return fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
    case 'G':
      return fmt::format("{:.{}G}", magnitude, std::max(precision, 1));
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100.0, precision);
    default:
      break;
  }
  if (spec.precision < 0) return float_repr(magnitude);
  std::string digits = fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
  if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
  return digits;
}

std::string integer_digits(uint64_t magnitude, char type) {
  switch (type) {
    case 'x':
      return fmt::format("{:x}", magnitude);
    case 'X':
      return fmt::format("{:X}", magnitude);
    case 'o':
      return fmt::format("{:o}", magnitude);
    case 'b':
      return fmt::format("{:b}", magnitude);
    default:
      return fmt::format("{}", magnitude);
  }
}

std::string format_number(Budget& budget, const Value& value, const FormatSpec& spec) {
  static constexpr std::string_view kInteger = "dnxXobc";
  const bool whole =
      value.integer() && (spec.type == 0 || kInteger.find(spec.type) != std::string_view::npos);
  std::string body;
  bool negative = false;
  std::string prefix;
  if (whole) {
    if (spec.precision >= 0) raise("Precision not allowed in integer format specifier");
    const int64_t number = *value.integer();
    if (spec.type == 'c') {
      if (number < 0 || number > 0x10ffff || (number >= 0xd800 && number < 0xe000)) {
        raise("%c arg not in range(0x110000)");
      }
      append_utf8(static_cast<char32_t>(number), body);
      return padded(budget, body, "", spec, spec.align == 0 ? '<' : spec.align);
    }
    negative = number < 0;
    body = integer_digits(
        negative ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number), spec.type);
    if (spec.alternate && spec.type != 0 && spec.type != 'd' && spec.type != 'n') {
      prefix = std::string("0") + spec.type;
    }
  } else {
    if (spec.type != 0 && std::string_view("eEfFgGn%").find(spec.type) == std::string_view::npos) {
      raise("Unknown format code '{}' for object of type '{}'", spec.type, value.type_name());
    }
    if (spec.precision > 1000) raise("precision too big");
    const double number = *value.number();
    negative = std::signbit(number) && !std::isnan(number);
    body = float_digits(std::abs(number), spec);
  }
  if (spec.grouping != 0) body = grouped(body, spec.grouping, prefix.empty() ? 3 : 4);
  return padded(budget, body, sign_of(negative, spec.sign) + prefix, spec,
                spec.align == 0 ? '>' : spec.align);
}

}  // namespace

int64_t parse_width(const Budget& budget, std::string_view text, size_t& at) {
  int64_t width = -1;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    width = std::max<int64_t>(width, 0) * 10 + (text[at] - '0');
    if (width > budget.limits().max_string) raise("width or precision too big");
  }
  return width;
}

FormatSpec parse_format_spec(const Budget& budget, std::string_view text) {
  FormatSpec spec;
  size_t at = 0;
  if (!text.empty()) {
    const auto first = static_cast<size_t>(decode_at(text, 0).size);
    if (first < text.size() && is_align(text[first])) {
      spec.fill = text.substr(0, first);
      spec.align = text[first];
      at = first + 1;
    } else if (is_align(text[0])) {
      spec.align = text[at++];
    }
  }
  const auto next_is = [&](std::string_view any) {
    return at < text.size() && any.find(text[at]) != std::string_view::npos;
  };
  if (next_is("+- ")) spec.sign = text[at++];
  if (next_is("#")) {
    spec.alternate = true;
    ++at;
  }
  if (next_is("0")) {
    if (spec.align == 0) {
      spec.fill.assign(1, '0');
      spec.align = '=';
    }
    ++at;
  }
  spec.width = std::max<int64_t>(parse_width(budget, text, at), 0);
  if (next_is(",_")) spec.grouping = text[at++];
  if (next_is(".")) {
    ++at;
    spec.precision = parse_width(budget, text, at);
    if (spec.precision < 0) raise("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) raise("Invalid format specifier '{}'", text);
  return spec;
}

std::string format_value(Budget& budget, const Value& value, const FormatSpec& spec) {
  if (value.number()) return format_number(budget, value, spec);
  if (spec.type != 0 && spec.type != 's') {
    raise("Unknown format code '{}' for object of type '{}'", spec.type, value.type_name());
  }
  std::string text = to_text(budget, value);
  if (spec.precision >= 0) text.resize(offset_of(text, spec.precision));
  const char align = spec.align == 0 || spec.align == '=' ? '<' : spec.align;
  return padded(budget, std::move(text), "", spec, align);
}

std::string formatted(Budget& budget, const Value& value, std::string_view spec) {
  if (spec.empty()) return to_text(budget, value);
  if (!value.string() && !value.number()) {
    raise("unsupported format string passed to {}.__format__", value.type_name());
  }
  const FormatSpec parsed = parse_format_spec(budget, spec);
  if (value.string()) {
    if (parsed.sign != '-') raise("Sign not allowed in string format specifier");
    if (parsed.grouping != 0) raise("Cannot specify '{}' with 's'.", parsed.grouping);
    if (parsed.alternate) raise("Alternate form (#) not allowed in string format specifier");
    // '=' may come from a leading 0, which then only fills.
    if (parsed.align == '=' && parsed.fill != "0") {
      raise("'=' alignment not allowed in string format specifier");
    }
  }
  return format_value(budget, value, parsed);
}

std::string percent_format(Budget& budget, std::string_view text, const Value& arguments) {
  const Tuple* tuple = arguments.tuple();
  const Dict* dict = arguments.dict();
  // What can be indexed might be a mapping, and need not be used up.
  const bool mapping =
      dict != nullptr || arguments.list() || arguments.is_undefined() || arguments.holds<Range>();
  size_t used = 0;
  const auto next = [&]() -> Value {
    if (tuple != nullptr ? used < tuple->items.size() : used == 0) {
      return tuple != nullptr ? tuple->items[used++] : (++used, arguments);
    }
    raise("not enough arguments for format string");
  };
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      out += text[at++];
      continue;
    }
    ++at;
    std::optional<Value> value;
    if (at < text.size() && text[at] == '(') {
      const size_t close = text.find(')', at);
      if (close == std::string_view::npos) raise("incomplete format key");
      if (dict == nullptr) raise("format requires a mapping");
      const Value* found = dict->find(text.substr(at + 1, close - at - 1));
      if (found == nullptr) raise("KeyError: '{}'", text.substr(at + 1, close - at - 1));
      value = *found;
      at = close + 1;
    }
    FormatSpec spec;
    spec.align = '>';
    for (; at < text.size() && std::string_view("#0- +").find(text[at]) != std::string_view::npos;
         ++at) {
      if (text[at] == '#') spec.alternate = true;
      if (text[at] == '-') spec.align = '<';
      if (text[at] == '0' && spec.align != '<') {
        spec.align = '=';
        spec.fill.assign(1, '0');
      }
      if (text[at] == '+' || (text[at] == ' ' && spec.sign != '+')) spec.sign = text[at];
    }
    if (spec.align == '<') spec.fill.assign(1, ' ');
    spec.width = std::max<int64_t>(parse_width(budget, text, at), 0);
    if (at < text.size() && text[at] == '.') {
      ++at;
      spec.precision = std::max<int64_t>(parse_width(budget, text, at), 0);
    }
    if (at == text.size()) raise("incomplete format");
    spec.type = text[at++];
    if (spec.type == '%') {
      out += '%';
      continue;
    }
    if (!value) value = next();
    if (value->is_undefined() && spec.type != 's' && spec.type != 'r') raise_undefined(*value);
    if (spec.type == 's' || spec.type == 'r' || spec.type == 'a') {
      if (spec.type != 's') value = repr(budget, *value);
      if (!value->string()) value = to_text(budget, *value);
      spec.type = 's';
      if (spec.align == '=') {
        spec.align = '>';
        spec.fill.assign(1, ' ');
      }
    } else if (!value->number()) {
      raise("%{} format: a number is required, not {}", spec.type, value->type_name());
    } else if (spec.type == 'd' || spec.type == 'i' || spec.type == 'u') {
      const double number = *value->number();
      if (!value->integer() && !(std::abs(number) < 9e18)) raise("cannot convert float to integer");
      value = value->integer() ? *value->integer() : static_cast<int64_t>(number);
      spec.type = 'd';
      spec.precision = -1;
    }
    out += format_value(budget, *value, spec);
    budget.string(static_cast<int64_t>(out.size() / 16));
  }
  const size_t given = tuple != nullptr ? tuple->items.size() : 1;
  if (!mapping && used < given) raise("not all arguments converted during string formatting");
  return out;
}

}  // namespace cadre::text::jinja
