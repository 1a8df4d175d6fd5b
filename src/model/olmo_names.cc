#include "model/olmo_names.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "core/io/base64.h"
#include "core/io/pickle.h"

namespace cadre::model {
namespace {

constexpr std::string_view kKeyClass = "olmo.safetensors_util STKey";

// Of the URL-safe alphabet or the usual one, with or without padding.
std::optional<std::string> decode_name(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return io::decode_base64(text);
}

const io::PickleNode* keys_of(const io::PickleNode& root) {
  if (root.is(io::PickleKind::tuple)) return &root;
  if (!root.is(io::PickleKind::object) || root.state == nullptr) return nullptr;
  return root.state->find("keys");
}

}  // namespace

std::optional<std::string> decode_olmo_name(std::string_view name) {
  const std::optional<std::string> bytes = decode_name(name);
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
