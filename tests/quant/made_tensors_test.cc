// Tensors that a folder holds in fewer bits are made anew where they are read: only there, and only
// once.
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/io/float8_source.h"
#include "core/io/packed_integers.h"
#include "core/io/safetensors_set.h"
#include "model/families/family.h"
#include "quant/measure.h"
#include "quant/write_hf.h"
#include "tests/quant/quant_case.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

// Counts what of such tensors is made.
class CountingSource final : public io::TensorSource {
 public:
  explicit CountingSource(std::shared_ptr<const io::TensorSource> source)
      : source_(std::move(source)) {}
  const std::vector<io::TensorInfo>& tensors() const override { return source_->tensors(); }
  Tensor tensor(std::string_view name) const override {
    if (source_->is_made(name)) elements += find(name)->shape.elements();
    return source_->tensor(name);
  }
  std::span<const std::byte> blocks(std::string_view name) const override {
    if (source_->is_made(name)) elements += find(name)->shape.elements();
    return source_->blocks(name);
  }
  std::span<const std::byte> mapped(std::string_view name) const override {
    return source_->mapped(name);
  }
  bool is_made(std::string_view name) const override { return source_->is_made(name); }
  void make(std::string_view name, Range range, void* out) const override {
    elements += range.size();
    source_->make(name, range, out);
  }
  const std::filesystem::path& file_of(std::string_view name) const override {
    return source_->file_of(name);
  }
  void release(std::string_view name) const override { source_->release(name); }

  mutable std::atomic<int64_t> elements = 0;

 private:
  std::shared_ptr<const io::TensorSource> source_;
};

struct Written {
  Written(const char* scheme, bool zero) {
    quant::HfQuantiseOptions options;
    REQUIRE(quant::set_hf_scheme(scheme, options));
    options.integers.symmetric = !zero;
    save_quant_model(machine.ctx, folder.path() / "model");
    original = model::open_weights(folder.path() / "model", quant_spec());
    const auto place = folder.path() / "written";
    std::filesystem::create_directories(place);
    model::write_config_files(place, quant_spec(), DType::f32);
    quant::write_hf_quantised(machine.ctx, place, *original, quant_spec(), options,
                              quant::Importance(model::parameter_list(quant_spec())),
                              [](int64_t, int64_t) {});
    source = std::make_shared<const CountingSource>(io::with_packed_integers(io::with_scaled_float8(
        std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(place)))));
    weights = model::weights_in(source, model::find_family(quant_spec().architecture).layouts,
                                quant_spec(), place);
  }

  Machine machine;
  ScratchFolder folder;
  std::unique_ptr<const model::Weights> original, weights;
  std::shared_ptr<const CountingSource> source;
};

struct Scheme {
  const char* name;
  bool zero;
};
constexpr Scheme kSchemes[] = {{"fp8", false}, {"int4", false}, {"int4", true}, {"int8", false}};

TEST_CASE("tensors made anew: parts of them are those of the whole, of any range") {
  for (const Scheme& scheme : kSchemes) {
    CAPTURE(scheme.name);
    const Written w(scheme.name, scheme.zero);
    int64_t made = 0;
    for (const io::TensorInfo& info : w.source->tensors()) {
      if (!w.source->is_made(info.name)) continue;
      ++made;
      const int64_t count = info.shape.elements();
      const int64_t unit = info.blocks ? block_layout(*info.blocks).elements : 1;
      const int64_t bytes = info.blocks ? block_layout(*info.blocks).bytes : dtype_size(info.dtype);
      const std::byte* whole = info.blocks ? w.source->blocks(info.name).data() : nullptr;
      const Tensor values = info.blocks ? Tensor() : w.source->tensor(info.name);
      if (!info.blocks) whole = static_cast<const std::byte*>(values.raw());
      for (const Range units : {Range{0, count / unit}, Range{5, 6}, Range{3, 11}, Range{7, 7},
                                Range{count / unit - 9, count / unit}}) {
        std::vector<std::byte> part(static_cast<size_t>(units.size() * bytes));
        w.source->make(info.name, {units.begin * unit, units.end * unit}, part.data());
        if (part.empty()) continue;
        CHECK(std::memcmp(part.data(), whole + units.begin * bytes, part.size()) == 0);
      }
      w.source->release(info.name);
    }
    CHECK(made > 20);
  }
}

TEST_CASE("tensors made anew: parameters of them are read, not viewed, in any range") {
  for (const Scheme& scheme : kSchemes) {
    CAPTURE(scheme.name);
    Written w(scheme.name, scheme.zero);
    Context& ctx = w.machine.ctx;
    for (int64_t p = 0; p < std::ssize(w.weights->parameters()); ++p) {
      if (!w.weights->is_made(p)) continue;
      const int64_t count = w.weights->parameters()[static_cast<size_t>(p)].shape.elements();
      CHECK_FALSE(w.weights->view(p, {0, count}, DType::bf16).defined());
      CHECK(w.weights->row_views(p, DType::bf16).empty());
      for (const DType type : {DType::bf16, DType::f32}) {
        const Tensor whole = model::elements_of(ctx, *w.weights, p, {0, count}, type);
        for (const Range range : {Range{1, 700}, Range{count / 3, count / 2}}) {
          const Tensor part = model::elements_of(ctx, *w.weights, p, range, type);
          const auto* from =
              static_cast<const std::byte*>(whole.raw()) + range.begin * dtype_size(type);
          CHECK(std::memcmp(part.raw(), from, static_cast<size_t>(part.bytes())) == 0);
        }
      }
      w.weights->release(p, {0, count});
    }
  }
}

TEST_CASE(
    "tensors made anew: errors of a sample cost the sample, and those of all cost each once") {
  for (const Scheme& scheme : kSchemes) {
    CAPTURE(scheme.name);
    Written w(scheme.name, scheme.zero);
    Context& ctx = w.machine.ctx;
    const quant::Importance importance(model::parameter_list(quant_spec()));
    constexpr int64_t kSample = 4096;
    for (const quant::OutputTensor& tensor : quant::gguf_tensors(quant_spec())) {
      if (!w.weights->is_made(tensor.parameter)) continue;
      const io::StoredType types[] = {BlockType::q8_0};
      w.source->elements = 0;
      quant::sample_errors(ctx, *w.weights, importance, tensor, types, kSample);
      CHECK(w.source->elements.load() <= kSample);
      CHECK(w.source->elements.load() > 0);
    }
    int64_t all = 0;
    for (const io::TensorInfo& info : w.source->tensors()) {
      if (w.source->is_made(info.name)) all += info.shape.elements();
    }
    w.source->elements = 0;
    quant::measure_written(ctx, *w.original, *w.weights, importance, {});
    CHECK(w.source->elements.load() == all);
  }
}

}  // namespace
}  // namespace cadre
