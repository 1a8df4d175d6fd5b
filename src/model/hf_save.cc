#include <cstring>
#include <unordered_map>

#include "core/io/safetensors_writer.h"
#include "model/families/family.h"
#include "model/hf.h"

namespace cadre::model {

void save_model(Context& ctx, const std::filesystem::path& folder, const ModelSpec& spec,
                const SaveOptions& options,
                const std::function<Tensor(int64_t parameter)>& source) {
  const std::vector<ParameterSpec> parameters = parameter_list(spec);
  const Family& family = find_family(spec.architecture);
  std::unordered_map<std::string, FilePart> parts;
  std::vector<io::TensorEntry> entries;
  for (FilePart& part : file_parts(family.layouts.front(), parameters)) {
    entries.push_back({part.name, options.dtype, part.shape});
    parts.emplace(part.name, std::move(part));
  }
  write_config_files(folder, spec, options.dtype);
  io::ShardedSafetensorsWriter writer(folder, std::move(entries), options.max_shard_bytes);
  for (const io::TensorEntry& entry : writer.entries()) {
    const FilePart& part = parts.at(entry.name);
    const Tensor whole = source(part.parameter);
    expect_shape(whole, parameters[static_cast<size_t>(part.parameter)].shape, entry.name);
    const std::byte* data =
        static_cast<const std::byte*>(whole.raw()) + part.offset * dtype_size(whole.dtype());
    if (whole.dtype() == options.dtype) {
      writer.write(entry.name, {data, static_cast<size_t>(entry.bytes())});
      continue;
    }
    const Tensor converted = ctx.empty(entry.shape, options.dtype);
    const kernels::CastArgs args = {data, whole.dtype(), converted.raw(), options.dtype};
    ctx.for_rows(converted.elements(), dtype_size(options.dtype),
                 [&](Range elements) { ctx.kernels().cast(args, elements); });
    writer.write(entry.name, converted);
  }
  writer.finish();
}

}  // namespace cadre::model
