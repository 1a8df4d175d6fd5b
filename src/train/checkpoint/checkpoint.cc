#include "train/checkpoint/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/file.h"
#include "core/io/checksum.h"
#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "core/io/safetensors_writer.h"
#include "model/hf.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "checksums.json";
constexpr const char* kState = "trainer_state.json";
constexpr const char* kOptimizer = "optimizer.safetensors";

void write_optimizer(const fs::path& path, const StateTensors& tensors, bool with_masters) {
  std::vector<io::TensorEntry> entries;
  for (size_t i = 0; i < tensors.names.size(); ++i) {
    const Shape& shape = tensors.m[i].shape();
    if (with_masters) entries.push_back({tensors.names[i] + "/master", DType::f32, shape});
    entries.push_back({tensors.names[i] + "/m", DType::f32, shape});
    entries.push_back({tensors.names[i] + "/v", DType::f32, shape});
  }
  io::SafetensorsWriter writer(path, std::move(entries));
  for (size_t i = 0; i < tensors.names.size(); ++i) {
    if (with_masters) writer.write(tensors.names[i] + "/master", tensors.masters[i]);
    writer.write(tensors.names[i] + "/m", tensors.m[i]);
    writer.write(tensors.names[i] + "/v", tensors.v[i]);
  }
  writer.finish();
}

void sync_file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) {
    fail(ErrorKind::exhausted, "{}: cannot sync: {}", path.string(), std::strerror(error));
  }
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Reads back what was written, so the manifest vouches for the files, not for our buffers.
void write_manifest(const fs::path& folder) {
  io::JsonValue files = io::JsonValue::object();
  for (const fs::path& file : files_of(folder)) {
    sync_file(file);
    const auto mapped = MappedFile::open(file);
    io::JsonValue entry = io::JsonValue::object();
    entry.set("bytes", mapped->bytes().size())
        .set("xxh3", io::to_hex(io::checksum(mapped->bytes())));
    files.set(file.filename().string(), std::move(entry));
  }
  io::JsonValue manifest = io::JsonValue::object();
  manifest.set("format", 1).set("files", std::move(files));
  write_file_atomically(folder / kManifest, manifest.pretty() + "\n");
}

std::optional<std::string> check_file(const fs::path& folder, const std::string& name,
                                      const io::JsonView& entry) {
  if (name.find('/') != std::string::npos || name == "..")
    return "\"" + name + "\" is no file name";
  uint64_t expected = 0;
  if (!io::from_hex(entry.string("xxh3"), expected)) return name + ": unreadable checksum";
  if (!fs::is_regular_file(folder / name)) return name + " is missing";
  const auto file = MappedFile::open(folder / name);
  const auto bytes = static_cast<int64_t>(file->bytes().size());
  if (bytes != entry.integer("bytes")) {
    return fmt::format("{} has {} bytes, expected {}", name, bytes, entry.integer("bytes"));
  }
  if (io::checksum(file->bytes()) != expected) return name + ": checksum does not match";
  return std::nullopt;
}

std::optional<std::string> check_manifest(const fs::path& folder) {
  const io::JsonView manifest = io::JsonView::read_file(folder / kManifest);
  const io::JsonView files = manifest.object("files");
  for (const char* name : {"config.json", kState, kOptimizer}) {
    if (!files.has(name)) return fmt::format("{} does not list {}", kManifest, name);
  }
  for (const std::string& name : files.keys()) {
    if (const auto damage = check_file(folder, name, files.object(name))) return damage;
  }
  return std::nullopt;
}

void copy_elements(Context& ctx, const Tensor& from, const Tensor& to, const std::string& what) {
  expect_dtype(from, DType::f32, what);
  expect_shape(from, to.shape(), what);
  ctx.for_rows(to.bytes(), 1, [&](Range bytes) {
    std::memcpy(static_cast<std::byte*>(to.raw()) + bytes.begin,
                static_cast<const std::byte*>(from.raw()) + bytes.begin,
                static_cast<size_t>(bytes.size()));
  });
}

}  // namespace

StateTensors live_tensors(const AdamW& optimizer) {
  StateTensors tensors;
  for (int64_t i = 0; i < optimizer.parameters().size(); ++i) {
    tensors.names.push_back(optimizer.parameters().specs()[static_cast<size_t>(i)].name);
    tensors.masters.push_back(optimizer.master(i));
    tensors.m.push_back(optimizer.m(i));
    tensors.v.push_back(optimizer.v(i));
  }
  return tensors;
}

StateTensors empty_tensors(Context& ctx, const AdamW& optimizer) {
  StateTensors tensors = live_tensors(optimizer);
  for (std::vector<Tensor>* list : {&tensors.masters, &tensors.m, &tensors.v}) {
    for (Tensor& tensor : *list) tensor = ctx.empty_like(tensor);
  }
  return tensors;
}

void copy_tensors(Context& ctx, const StateTensors& from, const StateTensors& to) {
  for (size_t i = 0; i < from.names.size(); ++i) {
    copy_elements(ctx, from.masters[i], to.masters[i], from.names[i]);
    copy_elements(ctx, from.m[i], to.m[i], from.names[i]);
    copy_elements(ctx, from.v[i], to.v[i], from.names[i]);
  }
}

int64_t snapshot_bytes(const AdamW& optimizer) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < optimizer.parameters().size(); ++i) bytes += 3 * optimizer.m(i).bytes();
  return bytes;
}

void write_checkpoint(Context& ctx, const fs::path& path, const model::ModelSpec& spec,
                      const StateTensors& tensors, const RunState& state,
                      const CheckpointOptions& options) {
  const fs::path temporary = path.parent_path() / (".tmp-" + path.filename().string());
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    model::SaveOptions save;
    save.dtype = options.dtype;
    model::save_model(ctx, temporary, spec, save,
                      [&](int64_t i) { return tensors.masters[static_cast<size_t>(i)]; });
    if (!options.generation_config.empty()) {
      write_file_atomically(temporary / "generation_config.json", options.generation_config);
    }
    if (!options.tokenizer_folder.empty()) {
      model::copy_tokenizer_files(options.tokenizer_folder, temporary);
    }
    write_optimizer(temporary / kOptimizer, tensors, options.dtype != DType::f32);
    write_file_atomically(temporary / kState, to_json_text(state));
    write_manifest(temporary);
    sync_folder(temporary);
    fs::rename(temporary, path);
    sync_folder(path.parent_path());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

std::optional<std::string> find_damage(const fs::path& path) {
  try {
    return check_manifest(path);
  } catch (const Error& error) {
    // A file that this process may not or cannot read now (rights, memory, descriptors) says
    // nothing about the checkpoint, which must not be set aside for it.
    if (error.kind() != ErrorKind::corrupt_data && error.kind() != ErrorKind::not_found) throw;
    return error.what();
  } catch (const fs::filesystem_error& error) {
    if (error.code() != std::errc::no_such_file_or_directory) throw;
    return error.what();
  }
}

RunState read_run_state(const fs::path& path) {
  return run_state_from_json(io::JsonView::read_file(path / kState));
}

RunState load_checkpoint(Context& ctx, const fs::path& path, const model::ModelSpec& spec,
                         AdamW& optimizer) {
  const auto file = io::SafetensorsFile::open(path / kOptimizer);
  const auto& specs = optimizer.parameters().specs();
  const bool has_masters = !specs.empty() && file->find(specs[0].name + "/master") != nullptr;
  const size_t expected = specs.size() * (has_masters ? 3 : 2);
  if (file->tensors().size() != expected) {
    fail(ErrorKind::invalid_input, "{}: {} tensors, expected {}: it is of another model",
         (path / kOptimizer).string(), file->tensors().size(), expected);
  }
  if (!has_masters) {
    model::load_tensors(ctx, path, spec, [&](int64_t i) { return optimizer.master(i); });
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const auto restore = [&](const char* part, const Tensor& target) {
      const std::string name = specs[i].name + part;
      copy_elements(ctx, file->tensor(name), target, path.filename().string() + ": " + name);
    };
    if (has_masters) restore("/master", optimizer.master(index));
    restore("/m", optimizer.m(index));
    restore("/v", optimizer.v(index));
  }
  optimizer.publish(ctx);
  RunState state = read_run_state(path);
  optimizer.set_steps(state.optimizer_steps);
  return state;
}

}  // namespace cadre::train
