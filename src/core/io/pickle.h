// Reading Python pickles without running any of them.
//
// A pickle is a program for a small machine whose instructions may call any function there is. This
// reader follows the instructions that build data, and keeps calls as data: "these arguments were
// to be given to that function". Functions and classes must stand on a list of the caller's; every
// other one, and every other instruction, is refused by name. Protocols 2 to 5,
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace cadre::io {

enum class PickleKind {
  none,
  boolean,     // integer is 0 or 1
  integer,     // of at most 64 bits
  real,        // real
  text,        // text, as UTF-8
  bytes,       // text
  tuple,       // items
  list,        // items
  dict,        // items are key, value, key, value ...; an OrderedDict is one
  global,      // text is "module name"
  call,        // items are the function (a global) and its arguments (a tuple)
  object,      // items are the class (a global) and its arguments (a tuple)
  persistent,  // items hold the identification; what it stands for lies outside the pickle
};

// Belongs to its Pickle. The same node may be reached in several ways, even from within itself, so
// who walks nodes bounds the walk.
struct PickleNode {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;
  double real = 0.0;
  std::string_view text;
  std::vector<const PickleNode*> items;
  const PickleNode* state = nullptr;  // attributes that were set on it; null if none

  bool is(PickleKind other) const { return kind == other; }
  bool is_global(std::string_view name) const { return is(PickleKind::global) && text == name; }
  // The value under a text key of a dict; null if there is none or this is no dict.
  const PickleNode* find(std::string_view key) const;
};

// "a dict", "the function torch._utils _rebuild_tensor_v2", ... for messages.
std::string describe(const PickleNode& node);

class Pickle {
 public:
  // `bytes` must outlive the pickle. `globals` are the "module name" that may occur. Throws
  // Error(corrupt_data), or Error(unsupported) for a global or an instruction that is not allowed;
  // messages start with `where`. Memory is bounded by the bytes, and by kMaxNodes.
  static Pickle parse(std::string_view bytes, std::string where,
                      std::span<const std::string_view> globals);
  Pickle(Pickle&&) = default;

  const PickleNode& root() const { return *root_; }
  const std::string& where() const { return where_; }

  static constexpr size_t kMaxNodes = size_t{1} << 23;

 private:
  friend class PickleMachine;
  explicit Pickle(std::string where) : where_(std::move(where)) {}

  std::string where_;
  std::deque<PickleNode> nodes_;
  std::deque<std::string> names_;  // of globals
  const PickleNode* root_ = nullptr;
};

}  // namespace cadre::io
