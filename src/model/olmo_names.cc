#include "model/olmo_names.h"

#include <array>
#include <unordered_map>
#include <utility>

#include "core/io/pickle.h"

namespace cadre::model {
namespace {

constexpr std::string_view kKeyClass = "olmo.safetensors_util STKey";

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-' || c == '+') return 62;
  if (c == '_' || c == '/') return 63;
  return -1;
}

std::optional<std::string> decode_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = digit_of(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xffu);
  }
  return bytes;
}

const io::PickleNode* keys_of(const io::PickleNode& root) {
  if (root.is(io::PickleKind::tuple)) return &root;
  if (!root.is(io::PickleKind::object) || root.state == nullptr) return nullptr;
  return root.state->find("keys");
}

}  // namespace

std::optional<std::string> decode_olmo_name(std::string_view name) {
  const std::optional<std::string> bytes = decode_base64(name);
  // A pickle of protocol 2 to 5 begins so, and "gA" is how base64 shows it.
  if (!bytes || bytes->size() < 3 || static_cast<unsigned char>((*bytes)[0]) != 0x80) {
    return std::nullopt;
  }
  constexpr std::array kGlobals = {kKeyClass};
  const std::string where = "the tensor name " + std::string(name);
  const io::Pickle pickle = io::Pickle::parse(*bytes, where, kGlobals);
  const io::PickleNode* keys = keys_of(pickle.root());
  if (keys == nullptr || !keys->is(io::PickleKind::tuple) || keys->items.empty()) {
    fail(ErrorKind::corrupt_data, "{}: is {}, expected a tuple of keys", where,
         io::describe(pickle.root()));
  }
  std::string joined;
  for (const io::PickleNode* key : keys->items) {
    if (!key->is(io::PickleKind::text)) {
      fail(ErrorKind::corrupt_data, "{}: a key is {}, expected a text", where, io::describe(*key));
    }
    if (!joined.empty()) joined += '.';
    joined += key->text;
  }
  return joined;
}

std::shared_ptr<const io::TensorSource> with_decoded_names(
    std::shared_ptr<const io::TensorSource> source) {
  std::unordered_map<std::string, std::string> names;
  for (const io::TensorInfo& info : source->tensors()) {
    if (std::optional<std::string> decoded = decode_olmo_name(info.name)) {
      names.emplace(info.name, std::move(*decoded));
    }
  }
  if (names.empty()) return source;
  return std::make_shared<const io::RenamedTensors>(std::move(source), names);
}

}  // namespace cadre::model
