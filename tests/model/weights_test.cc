// Weights of files as our parameters: whatever the layout, range and element type.
#include "model/weights.h"

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <vector>

#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "model/rearrange.h"
#include "model/stored_model.h"
#include "tests/expect_error.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre {

TEST_CASE(
    "rearrange: any range of any swap is what the definition says, and the inverse undoes it") {
  Machine machine;
  for (const model::AxisSwap& swap :
       {model::AxisSwap{1, 1, 1, 5}, model::AxisSwap{2, 3, 4, 5}, model::AxisSwap{1, 130, 70, 1},
        model::AxisSwap{3, 4, 2, 7}, model::AxisSwap{2, 65, 33, 1}}) {
    const int64_t count = swap.elements();
    std::vector<uint16_t> theirs(static_cast<size_t>(count));
    std::iota(theirs.begin(), theirs.end(), uint16_t{0});
    std::vector<uint16_t> ours;
    for (int64_t o = 0; o < swap.outer; ++o)
      for (int64_t c = 0; c < swap.columns; ++c)
        for (int64_t r = 0; r < swap.rows; ++r)
          for (int64_t w = 0; w < swap.width; ++w)
            ours.push_back(theirs[static_cast<size_t>(
                ((o * swap.rows + r) * swap.columns + c) * swap.width + w)]);
    const auto bytes = [](auto& v) { return reinterpret_cast<std::byte*>(v.data()); };
    for (const Range range : {Range{0, count}, Range{1, count}, Range{count / 3, count - 2},
                              Range{count / 2, count / 2 + 1}, Range{2, 2}}) {
      std::vector<uint16_t> got(static_cast<size_t>(range.size()));
      model::rearrange(machine.ctx, bytes(theirs), swap, range, 2, bytes(got));
      CHECK(got == std::vector<uint16_t>(ours.begin() + range.begin, ours.begin() + range.end));
    }
    std::vector<uint16_t> back(static_cast<size_t>(count));
    model::rearrange(machine.ctx, bytes(ours), swap.inverse(), {0, count}, 2, bytes(back));
    CHECK(back == theirs);
  }
}

TEST_CASE("weights: a range in pieces is the whole in one piece, in every element type") {
  Machine machine;
  for (const char* name : {"plain", "packed_experts", "grouped_queries"}) {
    const std::filesystem::path place = std::filesystem::path("tests/golden/olmoe") / name;
    const model::ModelSpec spec = model::read_spec(place);
    const auto weights = model::open_weights(place, spec);
    for (int64_t p = 0; p < static_cast<int64_t>(weights->parameters().size()); ++p) {
      const int64_t count = weights->parameters()[static_cast<size_t>(p)].shape.elements();
      for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
        const auto size = static_cast<size_t>(dtype_size(type));
        std::vector<std::byte> whole(static_cast<size_t>(count) * size);
        std::vector<std::byte> pieces(whole.size());
        weights->read(machine.ctx, p, {0, count}, type, whole.data());
        for (int64_t begin = 0; begin < count; begin += 13) {
          const Range range = {begin, std::min(begin + 13, count)};
          weights->read(machine.ctx, p, range, type,
                        pieces.data() + static_cast<size_t>(begin) * size);
        }
        CHECK(whole == pieces);
      }
      weights->release(p, {0, count});
    }
  }
}

TEST_CASE("load_model: parameters that a file stores as we do are views of it, the rest is read") {
  Machine machine;
  const auto count_views = [&](const char* name, DType type) {
    const std::filesystem::path place = std::filesystem::path("tests/golden/olmoe") / name;
    const model::ModelSpec spec = model::read_spec(place);
    const auto weights = model::open_weights(place, spec);
    int64_t views = 0;
    for (int64_t p = 0; p < static_cast<int64_t>(weights->parameters().size()); ++p) {
      const model::ParameterSpec& parameter = weights->parameters()[static_cast<size_t>(p)];
      const Range all = {0, parameter.shape.elements()};
      const Tensor view = weights->view(p, all, type);
      if (!view.defined()) continue;
      ++views;
      std::vector<float> read(static_cast<size_t>(all.end));
      weights->read(machine.ctx, p, all, type, read.data());
      CHECK(std::equal(read.begin(), read.end(), view.data<float>()));
    }
    return static_cast<int64_t>(weights->parameters().size()) - views;
  };
  // Experts in a tensor each are gathered: gate_up and down of each layer.
  CHECK(count_views("plain", DType::f32) ==
        2 * model::read_spec("tests/golden/olmoe/plain").num_layers());
  CHECK(count_views("packed_experts", DType::f32) == 0);
  CHECK(count_views("packed_experts", DType::bf16) > 10);  // f32 files
}

TEST_CASE("open: a place that is no model says what was looked for") {
  const ScratchFolder folder;
  CHECK(contains(error_of(ErrorKind::not_found, [&] { model::read_spec(folder / "absent"); }),
                 "is not there"));
  const std::string message =
      error_of(ErrorKind::not_found, [&] { model::read_spec(folder.path()); });
  CHECK(contains(message, "is no model"));
  CHECK(contains(message, "config.json"));
}

}  // namespace cadre
