// Models larger than the memory they are given compute what they would compute in it.
#include "model/expert_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/pages.h"
#include "core/base/random.h"
#include "model/hf.h"
#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/resident_limit.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

using model::LoadedModel;
using model::LoadOptions;
using model::WeightFormat;

// Some tokens in passes of different sizes, without a cache of keys: hidden states of all.
std::vector<Tensor> hidden_of(Context& ctx, const LoadedModel& loaded) {
  std::vector<Tensor> result;
  const RandomStream random(3);
  uint64_t next = 0;
  for (const int64_t count : {1, 2, 1, 23, 1, 1, 7, 1}) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < count; ++i) {
      const double draw = random.uniform_f64_at(next++);
      tokens.push_back(
          static_cast<int32_t>(draw * static_cast<double>(loaded.decoder->spec().vocab_size)));
    }
    const int64_t start = 0;
    result.push_back(
        loaded.decoder->hidden(ctx, model::packed_input(std::move(tokens), {&start, 1}), nullptr));
  }
  return result;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool equal = a.size() == b.size();
  for (size_t i = 0; equal && i < a.size(); ++i) equal = same_values(a[i], b[i]);
  return equal;
}

// The least limit that is accepted, as the message for a smaller one says.
int64_t least_limit(Context& ctx, const std::filesystem::path& place, LoadOptions options) {
  options.memory_bytes = 1;
  const std::string message =
      error_of(ErrorKind::invalid_input, [&] { model::load_model(ctx, place, options); });
  const std::string before = "expected at least ";
  return std::stoll(message.substr(message.find(before) + before.size()));
}

// What one expert of each layer takes in its slot.
int64_t slot_bytes(const LoadedModel& whole) {
  int64_t bytes = 0;
  for (int64_t p = 0; p < whole.parameters->size(); ++p) {
    const bool is_expert =
        whole.parameters->specs()[static_cast<size_t>(p)].kind == model::ParameterKind::expert;
    if (is_expert) bytes += whole.parameters->weight(p).matrix_bytes();
  }
  return bytes;
}

void check_every_limit(const std::filesystem::path& place, LoadOptions options) {
  Machine maker(1);
  const LoadedModel whole = model::load_model(maker.ctx, place, options);
  CHECK(whole.experts == nullptr);
  const std::vector<Tensor> want = hidden_of(maker.ctx, whole);
  int64_t experts = 0, layers = 0;
  for (const model::ParameterSpec& parameter : whole.parameters->specs()) {
    if (parameter.kind != model::ParameterKind::expert) continue;
    experts = parameter.shape.dim(0);
    layers += parameter.name.ends_with(".down") ? 1 : 0;
  }
  REQUIRE(experts > 0);
  const int64_t least = least_limit(maker.ctx, place, options);
  const int64_t dense = whole.parameters->bytes() - experts * slot_bytes(whole);
  for (int64_t slots = 1; slots < experts; ++slots) {
    CAPTURE(slots);
    const int threads = 1 + static_cast<int>(slots % 4);
    Machine machine(threads);
    options.memory_bytes = least + (slots - 1) * slot_bytes(whole);
    if (options.memory_bytes >= whole.parameters->bytes()) break;  // then it is not limited
    const LoadedModel limited = model::load_model(machine.ctx, place, options);
    REQUIRE(limited.experts != nullptr);
    // Pages of further experts on their way may take the place of some.
    const model::ExpertCacheStatistics at_first = limited.experts->statistics();
    CHECK(at_first.slots <= layers * slots);
    CHECK(at_first.slots >= layers * std::max<int64_t>(1, slots - 1));
    CHECK(dense + at_first.bytes == limited.parameters->bytes());
    CHECK(limited.parameters->bytes() + at_first.page_bytes <= options.memory_bytes);
    for (int repeat = 0; repeat < 2; ++repeat) {
      CHECK(same(want, hidden_of(machine.ctx, limited)));
    }
    const model::ExpertCacheStatistics statistics = limited.experts->statistics();
    CHECK(statistics.hits < statistics.uses);
    CHECK(statistics.read_bytes > 0);
    if (slots > 2) CHECK(statistics.hits > 0);
  }
}

TEST_CASE("expert cache: blocks of a GGUF file give the bits of a model in memory") {
  const ScratchFolder folder;
  Machine machine;
  for (const char* architecture : {"olmoe", "llama", "arctic", "qwen2moe"}) {
    CAPTURE(architecture);
    const model::ModelSpec spec = gguf_model(architecture, true);
    const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
    const auto file = write_gguf(machine.ctx, folder / "blocks.gguf", spec, *parameters,
                                 {.matrices = BlockType::q8_0});
    check_every_limit(file, {.compute = DType::f32});
    check_every_limit(file, {.compute = DType::bf16, .format = WeightFormat::dense});
  }
}

TEST_CASE("expert cache: Hugging Face folders of every mixture, dense and rounded on the way") {
  for (const char* name :
       {"olmoe/plain", "olmoe/top_1", "olmoe/odd_sizes", "olmoe/packed_experts", "mixtral/plain",
        "mixtral/top_1_packed", "native/mixtral_stacked", "native/olmoe_bin", "arctic/parallel",
        "arctic/every_third", "arctic/top_1", "yuan/m32", "yuan/odd_untied"}) {
    const std::filesystem::path place = std::filesystem::path("tests/golden") / name;
    CAPTURE(name);
    check_every_limit(place, {.compute = DType::f32, .format = WeightFormat::dense});
    check_every_limit(place, {.compute = DType::bf16, .format = WeightFormat::dense});
    check_every_limit(place, {.compute = DType::f32, .format = WeightFormat::packed});
  }
}

TEST_CASE(
    "expert cache: a limit that holds the whole model changes nothing, one too small is told") {
  Machine machine;
  const std::filesystem::path place = "tests/golden/olmoe/plain";
  LoadOptions options = {.compute = DType::f32, .format = WeightFormat::dense};
  const LoadedModel whole = model::load_model(machine.ctx, place, options);
  options.memory_bytes = whole.parameters->bytes();
  CHECK(model::load_model(machine.ctx, place, options).experts == nullptr);
  // Everything but the experts, one of each layer, and the file's bytes of one on its way: f32
  // here, as in memory.
  int64_t least = whole.parameters->bytes(), largest = 0;
  for (int64_t p = 0; p < whole.parameters->size(); ++p) {
    const auto& parameter = whole.parameters->specs()[static_cast<size_t>(p)];
    if (parameter.kind != model::ParameterKind::expert) continue;
    const ops::Weight& weight = whole.parameters->weight(p);
    least -= (weight.count() - 1) * weight.matrix_bytes();
    if (!parameter.name.ends_with(".gate_up")) continue;
    largest =
        std::max(largest, weight.matrix_bytes() + whole.parameters->weight(p + 1).matrix_bytes());
  }
  least += largest;
  CHECK(least_limit(machine.ctx, place, options) == least);
  options.memory_bytes = least;
  CHECK(model::load_model(machine.ctx, place, options).experts != nullptr);
  options.memory_bytes = least - 1;
  error_of(ErrorKind::invalid_input, [&] { model::load_model(machine.ctx, place, options); });
}

TEST_CASE("expert cache: experts on their way count as the file holds them") {
  Machine machine;
  const std::filesystem::path place = "tests/golden/olmoe/plain";  // in f32
  const LoadOptions as_stored = {.compute = DType::f32, .format = WeightFormat::dense};
  const LoadOptions in_bf16 = {.compute = DType::bf16, .format = WeightFormat::dense};
  const auto pages = [&](LoadOptions options) {
    options.memory_bytes = least_limit(machine.ctx, place, options);
    return model::load_model(machine.ctx, place, options).experts->statistics().page_bytes;
  };
  CHECK(pages(as_stored) > 0);
  CHECK(pages(in_bf16) == pages(as_stored));
}

TEST_CASE("expert cache: rounding by search at every reading is refused, with what to do instead") {
  const ScratchFolder folder;
  Machine machine;
  model::ModelSpec spec = gguf_model("olmoe", true);
  spec.hidden_size = 256;
  for (model::BlockSpec& block : spec.blocks) {
    std::get<model::MoeSpec>(block.feed_forward).expert.intermediate_size = 256;
  }
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  const auto file =
      write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters, {.matrices = BlockType::q8_0});
  for (const PackedFormat format : {PackedFormat::q4_k, PackedFormat::q5_k, PackedFormat::q6_k}) {
    LoadOptions options = {
        .compute = DType::f32, .format = WeightFormat::packed, .packed = format, .memory_bytes = 1};
    const std::string message =
        error_of(ErrorKind::invalid_input, [&] { model::load_model(machine.ctx, file, options); });
    CHECK(contains(message, "cadre quantise --format " + std::string(packed_format_name(format))));
  }
  LoadOptions options = {.compute = DType::f32, .format = WeightFormat::packed};
  options.packed = PackedFormat::q4_0;
  options.memory_bytes = least_limit(machine.ctx, file, options);
  CHECK(model::load_model(machine.ctx, file, options).experts != nullptr);
}

TEST_CASE("expert cache: passes of several threads at once give the same bits") {
  const ScratchFolder folder;
  Machine machine;
  const model::ModelSpec spec = gguf_model("olmoe", true);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  const auto file =
      write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters, {.matrices = BlockType::q8_0});
  LoadOptions options = {.compute = DType::f32};
  const LoadedModel whole = model::load_model(machine.ctx, file, options);
  const std::vector<Tensor> want = hidden_of(machine.ctx, whole);
  options.memory_bytes = least_limit(machine.ctx, file, options) + 2 * slot_bytes(whole);
  const LoadedModel limited = model::load_model(machine.ctx, file, options);
  std::vector<std::vector<Tensor>> got(3);
  std::vector<std::thread> threads;
  for (auto& result : got) {
    threads.emplace_back([&] {
      Machine own(1);
      for (int i = 0; i < 5; ++i) result = hidden_of(own.ctx, limited);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : got) CHECK(same(want, result));
}

TEST_CASE("expert cache: resident memory obeys the limit") {
  const ScratchFolder folder;
  model::ModelSpec spec = gguf_model("olmoe", true);
  spec.hidden_size = 512;
  for (model::BlockSpec& block : spec.blocks) {
    block.attention.num_heads = 4;
    block.attention.num_kv_heads = 2;
    block.attention.head_dim = 128;
    auto& moe = std::get<model::MoeSpec>(block.feed_forward);
    moe.router.num_experts = 32;
    moe.expert.intermediate_size = 256;
  }
  std::filesystem::path file = folder / "m.gguf";
  {
    Machine machine;
    const auto parameters = random_parameters(machine.ctx, spec, DType::bf16, 1);
    write_gguf(machine.ctx, file, spec, *parameters, {.matrices = BlockType::q8_0});
  }
  Machine machine;
  // Scratch of kernels, which the context keeps, is no part of what the limit is about.
  hidden_of(machine.ctx, model::load_model(machine.ctx, file, LoadOptions{}));
  machine.ctx.allocator().release_unused();
  // 64 experts of 0.4 MB, in the file and as much again packed.
  LoadOptions options;
  options.memory_bytes = 6 << 20;
  const int64_t before = resident_bytes();
  REQUIRE(before > 0);
  const LoadedModel limited = model::load_model(machine.ctx, file, options);
  REQUIRE(limited.experts != nullptr);
  for (int i = 0; i < 4; ++i) hidden_of(machine.ctx, limited);
  const auto statistics = limited.experts->statistics();
  CHECK(statistics.read_bytes > (20 << 20));
  // Activations, the allocator's size classes and whole huge pages come on top.
  const int64_t grown = resident_bytes() - before;
  CHECK(grown < resident_limit(options.memory_bytes + (12 << 20)));
}

// The most that was resident since the last call that reset it; nothing where that cannot be told.
int64_t peak_bytes(bool reset) {
  if (reset) {
    std::ofstream("/proc/self/clear_refs") << "5";
    return 0;
  }
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib << 10;
  }
  return 0;
}

TEST_CASE("expert cache: the peak of resident memory obeys the limit where experts are converted") {
  const ScratchFolder folder;
  Machine machine(1);
  // Experts of 12 MiB in f32, 1.7 in q4_0.
  model::ModelSpec spec = gguf_model("olmoe", true);
  spec.hidden_size = 1024;
  spec.blocks.resize(1);
  spec.blocks[0].attention.num_heads = 8;
  spec.blocks[0].attention.num_kv_heads = 8;
  spec.blocks[0].attention.head_dim = 128;
  auto& moe = std::get<model::MoeSpec>(spec.blocks[0].feed_forward);
  moe.router.num_experts = 12;
  moe.expert.intermediate_size = 1024;
  const auto file = folder / "m.gguf";
  model::save_gguf(machine.ctx, file, spec, {.matrices = DType::f32}, {},
                   [&](int64_t /*parameter*/, Range elements, DType type) {
                     REQUIRE(type == DType::f32);
                     const Tensor piece = machine.ctx.empty({elements.size()}, type);
                     for (int64_t i = 0; i < elements.size(); ++i) {
                       piece.data<float>()[i] =
                           1e-4f * static_cast<float>((elements.begin + i) * 7919 % 257 - 128);
                     }
                     return piece;
                   });
  LoadOptions options = {.compute = DType::f32, .format = WeightFormat::packed};
  options.packed = PackedFormat::q4_0;
  hidden_of(machine.ctx, model::load_model(machine.ctx, file, options));  // scratch of kernels
  machine.ctx.allocator().release_unused();
  options.memory_bytes = least_limit(machine.ctx, file, options);
  peak_bytes(true);
  const int64_t before = resident_bytes();
  const LoadedModel limited = model::load_model(machine.ctx, file, options);
  REQUIRE(limited.experts != nullptr);
  hidden_of(machine.ctx, limited);
  CHECK(limited.experts->statistics().read_bytes > (40 << 20));
  const int64_t peak = peak_bytes(false);
  if (peak == 0) {
    MESSAGE("the peak of resident memory is not known here");
    return;
  }
  // Values that are being rounded come on top, here a matrix of gate and up in f32, and what the
  // test above lists.
  CHECK(peak - before < resident_limit(options.memory_bytes + (8 << 20) + (8 << 20)));
}

TEST_CASE("expert slots: the least used expert goes, ageing and the kept ones considered") {
  model::ExpertSlots slots(4, 2);
  const auto pass = [&](std::vector<int64_t> rows) { slots.count(rows); };
  pass({1, 1, 0, 0});
  CHECK(slots.place(0, {}) == 0);
  CHECK(slots.place(1, {}) == 1);
  pass({5, 0, 1, 0});  // how many rows does not count
  CHECK(slots.use_of(0) == doctest::Approx(1.95));
  CHECK(slots.place(2, {}) == 1);
  CHECK(slots.slot_of(1) == -1);
  pass({0, 0, 0, 1});
  const std::vector<int64_t> kept = {2};
  CHECK(slots.place(3, kept) == 0);
  CHECK(slots.slot_of(0) == -1);
  slots.remove(2);
  CHECK(slots.place(0, {}) == 1);
  // Long enough ago, many uses weigh less than one now.
  for (int i = 0; i < 40; ++i) pass({0, 0, 0, 0});
  pass({0, 1, 0, 0});
  CHECK(slots.use_of(1) > slots.use_of(0));
}

TEST_CASE("guess trial: guesses go on where they save time a byte, and only there") {
  for (const bool helps : {true, false}) {
    CAPTURE(helps);
    model::GuessTrial trial;
    const auto pass = [&] {
      trial.begin_pass();
      trial.add(trial.on() == helps ? 1.0 : 2.0, 100);
      return trial.on();
    };
    int64_t on = 0;
    for (int64_t i = 0; i < model::GuessTrial::kTrial; ++i) on += pass() ? 1 : 0;
    CHECK(on == model::GuessTrial::kTrial / 2);
    for (int i = 0; i < 100; ++i) CHECK(pass() == helps);
    CHECK(trial.pays() == helps);
  }
}

}  // namespace
}  // namespace cadre
