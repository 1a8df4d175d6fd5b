#include "model/format.h"

#include <fmt/format.h>

#include <array>
#include <string>

#include "core/base/error.h"

namespace cadre::model {
namespace {

constexpr std::array kFormats = {&kHuggingFaceFormat, &kGgufFormat, &kMistralFormat, &kOlmoFormat};

}  // namespace

std::span<const Format* const> formats() { return kFormats; }

const Format* find_format(const std::filesystem::path& place) {
  if (!std::filesystem::exists(place)) return nullptr;
  for (const Format* format : kFormats) {
    if (format->matches(place)) return format;
  }
  return nullptr;
}

const Format& format_of(const std::filesystem::path& place) {
  if (const Format* format = find_format(place)) return *format;
  std::string known;
  for (const Format* format : kFormats) {
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", format->contents, format->name);
  }
  fail(ErrorKind::not_found, "{}: {}; looked for {}", place.string(),
       std::filesystem::exists(place) ? "is no model" : "is not there", known);
}

}  // namespace cadre::model
