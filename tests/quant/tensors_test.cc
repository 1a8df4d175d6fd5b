#include "quant/tensors.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/error.h"
#include "tests/quant/quant_case.h"

namespace cadre {
namespace {

using quant::OutputTensor;
using quant::TensorGroup;

const OutputTensor& named(const std::vector<OutputTensor>& tensors, std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &OutputTensor::name);
  REQUIRE(found != tensors.end());
  return *found;
}

TEST_CASE("formats: what every token meets gets more bits, and what must stays as it is") {
  auto tensors = quant::gguf_tensors(quant_spec());
  quant::apply_format(BlockType::q4_k, false, tensors);
  const auto type = [&](const char* name) { return quant::format_name(named(tensors, name).type); };
  CHECK(type("blk.1.ffn_gate_exps.weight") == "q4_k");
  CHECK(type("blk.1.ffn_down_exps.weight") == "q5_0");  // rows of 96
  CHECK(type("blk.0.attn_q.weight") == "q6_k");
  CHECK(type("token_embd.weight") == "q6_k");
  CHECK(type("output.weight") == "q6_k");
  CHECK(type("blk.0.ffn_gate_inp.weight") == "f32");
  CHECK(type("blk.0.attn_norm.weight") == "f32");
  CHECK(named(tensors, "blk.0.ffn_gate_inp.weight").group == TensorGroup::kept);
  quant::apply_format(BlockType::q4_k, true, tensors);
  CHECK(type("output.weight") == "q4_k");

  quant::apply_patterns({"blk.*.attn_?.weight=q8_0", "blk.0.attn_q.weight=f16"}, tensors);
  CHECK(type("blk.1.attn_v.weight") == "q8_0");
  CHECK(type("blk.0.attn_q.weight") == "f16");
  CHECK(type("blk.1.attn_output.weight") == "q4_k");
}

TEST_CASE("formats: pieces of the tensors are the parameters, each element once") {
  const auto tensors = quant::gguf_tensors(quant_spec());
  const auto parameters = model::parameter_list(quant_spec());
  std::vector<int64_t> elements(parameters.size(), 0);
  for (const OutputTensor& tensor : tensors) {
    int64_t own = 0;
    for (const quant::TensorPiece& piece : tensor.pieces) own += piece.elements;
    CHECK(own == tensor.shape.elements());
    elements[static_cast<size_t>(tensor.parameter)] += own;
  }
  for (size_t p = 0; p < parameters.size(); ++p) {
    CHECK(elements[p] == parameters[p].shape.elements());
  }
}

TEST_CASE("formats: names and patterns that mean nothing are refused") {
  auto tensors = quant::gguf_tensors(quant_spec());
  CHECK(quant::format_from_name("q5_k") == io::StoredType(BlockType::q5_k));
  CHECK_THROWS_WITH_AS(quant::format_from_name("iq4_xs"), doctest::Contains("q6_k, q8_0, f16"),
                       Error);
  const auto apply = [&](const char* pattern) { quant::apply_patterns({pattern}, tensors); };
  CHECK_THROWS_WITH_AS(apply("blk.0.attn_q.weight"), doctest::Contains("PATTERN=FORMAT"), Error);
  CHECK_THROWS_WITH_AS(apply("blk.9.*=q8_0"), doctest::Contains("no tensor"), Error);
  CHECK_THROWS_WITH_AS(apply("blk.0.*=q8_0"), doctest::Contains("stays in f32"), Error);
}

TEST_CASE("formats: rows that are not whole blocks get the nearest format that fits") {
  for (const auto& [from, width, to] : {std::tuple{BlockType::q4_k, 512, "q4_k"},
                                        {BlockType::q4_k, 96, "q5_0"},
                                        {BlockType::q5_k, 96, "q5_1"},
                                        {BlockType::q6_k, 96, "q8_0"},
                                        {BlockType::q2_k, 32, "q4_0"},
                                        {BlockType::q4_0, 96, "q4_0"},
                                        {BlockType::q8_0, 48, "f16"}}) {
    CHECK(quant::format_name(quant::fitting(from, width)) == to);
  }
}

}  // namespace
}  // namespace cadre
