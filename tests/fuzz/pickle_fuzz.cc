// Pickles: only data comes out, whatever a pickle asks for.
#include <array>

#include "core/io/pickle.h"
#include "tests/core/io/torch_bytes.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

constexpr std::array<std::string_view, 4> kGlobals = {
    "collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage",
    "olmo.safetensors_util STKey"};

// Every node that can be reached within a few steps.
uint64_t walk(const io::PickleNode& node, int depth) {
  uint64_t sum = static_cast<uint64_t>(node.integer) + node.text.size() + io::describe(node).size();
  if (depth == 0) return sum;
  for (size_t i = 0; i < node.items.size() && i < 8; ++i) sum += walk(*node.items[i], depth - 1);
  if (node.state != nullptr) sum += walk(*node.state, depth - 1);
  return sum;
}

}  // namespace

void read_input(std::string_view bytes) {
  const io::Pickle pickle = io::Pickle::parse(bytes, "input", kGlobals);
  // Keeps the walk from being removed: reading is what a sanitizer watches.
  if (walk(pickle.root(), 4) == UINT64_MAX) fail(ErrorKind::internal, "an impossible sum");
}

std::vector<std::string> seeds() {
  using namespace std::string_literals;
  return {
      pickle_dict({{"w", PickledTensor().bytes()}, {"n", "K\1"}, {"t", "(K\1K\2N\x88\x89t"}}),
      "\x80\x02"
      "ccollections\nOrderedDict\nq\0)Rq\1(X\1\0\0\0k]q\2(h\1h\2J\1\0\0\0M\1\0eu}b."s,
      "\x80\x04\x95\x3e\0\0\0\0\0\0\0\x8c\x15olmo.safetensors_util\x94\x8c\5STKey\x94\x93\x94)\x81"
      "\x94}\x94(\x8c\4keys\x94\x8c\1w\x94\x85\x94\x8c\x10value_is_pickled\x94\x89ub."s,
  };
}

}  // namespace cadre::fuzz
