// Jinja templates, the part of the language that chat templates use, with the results of Python's
// jinja2 as transformers sets it up: sandboxed and immutable, trim_blocks and lstrip_blocks on,
// with
// {% break %}, {% continue %} and {% generation %}.
//
// Left out are blocks, inheritance and inclusion, recursive loops, and filters for web pages.
// Filters such as map compute at once what Python computes when it is asked. Integers have 64 bits.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/json_value.h"
#include "text/jinja/limits.h"

namespace cadre::text::jinja {

struct Node;

struct Rendered {
  std::string text;
  // What stands between {% generation %} and {% endgeneration %}: [begin, end) in bytes of text.
  std::vector<std::pair<size_t, size_t>> generations;
};

// Immutable and cheap to copy; threads may share it.
class Template {
 public:
  // `where` begins the messages of errors, which go on with the line. Throws Error(corrupt_data)
  // for what is no template, Error(unsupported) for what Jinja has and Cadre has not,
  // Error(exhausted) beyond the limits.
  static Template parse(std::string_view source, std::string where, const Limits& limits = {});

  // Throws Error(invalid_input) for what the template refuses, by raise_exception or by an
  // operation on values that Python refuses, and Error(exhausted) beyond the limits. `now` is what
  // strftime_now reads, the local time if empty.
  Rendered render(const std::vector<std::pair<std::string, io::JsonValue>>& variables,
                  const std::function<std::tm()>& now = {}) const;

 private:
  Template(std::shared_ptr<const Node> body, std::string where, Limits limits)
      : body_(std::move(body)), where_(std::move(where)), limits_(limits) {}

  std::shared_ptr<const Node> body_;
  std::string where_;
  Limits limits_;
};

}  // namespace cadre::text::jinja
