// GGUF files as one of the formats that model/format.h lists.
#include "model/format.h"

#include "core/io/gguf_source.h"
#include "model/gguf/names.h"
#include "model/gguf/spec.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

bool matches(const fs::path& place) {
  return place.extension() == ".gguf" || io::is_gguf_file(place);
}

std::shared_ptr<const io::GgufFile> open(const fs::path& place) {
  auto file = io::GgufFile::open(place);
  if (const int64_t parts = file->integer_or("split.count", 1); parts > 1) {
    fail(ErrorKind::unsupported, "{} = {}: files in parts are not supported, expected one file",
         file->where("split.count"), parts);
  }
  return file;
}

ModelSpec read_spec(const fs::path& place) { return gguf::read_spec(*open(place)); }

std::unique_ptr<const Weights> open_weights(const fs::path& place, const ModelSpec& spec) {
  auto source = std::make_shared<const io::GgufSource>(open(place));
  return weights_in(std::move(source), gguf::layouts(gguf::architecture_of(spec)), spec, place);
}

}  // namespace

const Format kGgufFormat = {"GGUF", "a file that begins with \"GGUF\"", matches, read_spec,
                            open_weights};

}  // namespace cadre::model
