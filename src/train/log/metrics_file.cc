#include "train/log/metrics_file.h"

#include <string_view>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json.h"

namespace cadre::train {

uint64_t read_metrics(const std::filesystem::path& file, int64_t last_step,
                      const std::function<void(const io::JsonValue& record)>& take) {
  if (last_step < 0 || !std::filesystem::exists(file)) return 0;
  const auto mapped = MappedFile::open(file);
  const std::string_view text(reinterpret_cast<const char*>(mapped->bytes().data()),
                              mapped->bytes().size());
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    try {
      const io::JsonValue record = io::parse_json(text.substr(begin, end - begin), file.string());
      const io::JsonValue* step = record.find("step");
      const auto* number = step != nullptr ? step->get_if<int64_t>() : nullptr;
      if (number == nullptr || *number > last_step) break;
      take(record);
    } catch (const Error&) {
      break;  // damaged from here on
    }
    begin = end + 1;
  }
  return begin;
}

}  // namespace cadre::train
