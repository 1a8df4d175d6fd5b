#include <charconv>
#include <optional>

#include "core/base/error.h"
#include "model/families/family.h"

namespace cadre::model {
namespace {

// The layer of a name such as "blocks.12.router", if `pattern` is "blocks.{l}.router"; -1 if the
// pattern has no {l} and equals the name.
std::optional<int64_t> match(std::string_view pattern, std::string_view name) {
  const size_t at = pattern.find("{l}");
  if (at == std::string_view::npos) {
    return pattern == name ? std::optional<int64_t>(-1) : std::nullopt;
  }
  const std::string_view tail = pattern.substr(at + 3);
  if (name.size() <= at + tail.size() || name.substr(0, at) != pattern.substr(0, at) ||
      name.substr(name.size() - tail.size()) != tail) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(at, name.size() - at - tail.size());
  int64_t layer = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return layer;
}

std::string substitute(std::string_view pattern, std::string_view mark, int64_t value) {
  std::string result(pattern);
  const size_t at = result.find(mark);
  if (at != std::string::npos) result.replace(at, mark.size(), std::to_string(value));
  return result;
}

void add_parts(const NameRule& rule, int64_t layer, const ParameterSpec& parameter, int64_t index,
               std::vector<FilePart>& parts) {
  const std::string theirs = substitute(rule.theirs, "{l}", layer);
  const Shape& shape = parameter.shape;
  if (rule.part == Part::whole) {
    parts.push_back({theirs, shape, index, 0});
    return;
  }
  if (rule.part == Part::gate || rule.part == Part::up) {
    const int64_t rows = shape.dim(0) / 2;
    const int64_t offset = rule.part == Part::up ? rows * shape.dim(1) : 0;
    parts.push_back({theirs, {rows, shape.dim(1)}, index, offset});
    return;
  }
  const int64_t matrix = shape.dim(1) * shape.dim(2);
  const bool half = rule.part != Part::expert;
  const int64_t rows = half ? shape.dim(1) / 2 : shape.dim(1);
  const int64_t start = rule.part == Part::expert_up ? rows * shape.dim(2) : 0;
  for (int64_t e = 0; e < shape.dim(0); ++e) {
    parts.push_back(
        {substitute(theirs, "{e}", e), {rows, shape.dim(2)}, index, e * matrix + start});
  }
}

}  // namespace

std::vector<FilePart> file_parts(const NameLayout& layout,
                                 std::span<const ParameterSpec> parameters) {
  std::vector<FilePart> parts;
  for (size_t index = 0; index < parameters.size(); ++index) {
    const size_t before = parts.size();
    for (const NameRule& rule : layout.rules) {
      const std::optional<int64_t> layer = match(rule.ours, parameters[index].name);
      if (layer) add_parts(rule, *layer, parameters[index], static_cast<int64_t>(index), parts);
    }
    if (parts.size() == before) {
      fail(ErrorKind::internal, "no name rule for \"{}\"", parameters[index].name);
    }
  }
  return parts;
}

}  // namespace cadre::model
