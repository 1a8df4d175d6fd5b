// The values of templates: Python's, as far as templates meet them.
//
// Immutable apart from namespaces, iterators and loops, and shared by copies, so a list costs a
// pointer wherever it goes. A value never holds itself, except through a namespace or a macro,
// whose contents the Interpreter drops when it is done.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/limits.h"

namespace cadre::text::jinja {

class Dict;
class Interpreter;
class Object;
struct Arguments;
class Value;

// What a name stands for that has no value; most uses of it raise the message.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {};
struct List {
  std::vector<Value> items;
  int depth = 1;
};
struct Tuple {
  std::vector<Value> items;
  int depth = 1;
};
struct Range {
  int64_t start, stop, step;
  int64_t size() const;
  int64_t at(int64_t index) const { return start + index * step; }
};
// What filters such as map give: each item once. Computed at once, though Python would wait.
struct Iterator {
  std::vector<Value> items;
  size_t next = 0;
  int depth = 1;
};
// dict.keys(), dict.values(), dict.items().
struct View {
  enum class Kind { keys, values, items };
  std::shared_ptr<const Dict> dict;
  Kind kind;
};

template <typename T>
using Shared = std::shared_ptr<const T>;

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(None none) : data_(none) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(int value) : data_(int64_t{value}) {}
  Value(double value) : data_(value) {}
  Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(Range range) : data_(range) {}
  Value(View view) : data_(std::move(view)) {}
  Value(Shared<Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}

  // Charged for their items; throw Fault(exhausted) when values nest too deeply.
  static Value list(Budget& budget, std::vector<Value> items);
  static Value tuple(Budget& budget, std::vector<Value> items);
  static Value iterator(Budget& budget, std::vector<Value> items);
  static Value undefined(std::string message);

  bool is_undefined() const { return holds<Undefined>(); }
  bool is_none() const { return holds<None>(); }
  template <typename T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }
  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&data_);
  }
  const std::string* string() const { return pointee<std::string>(); }
  const List* list() const { return pointee<List>(); }
  const Tuple* tuple() const { return pointee<Tuple>(); }
  const Dict* dict() const { return pointee<Dict>(); }
  Shared<Dict> shared_dict() const { return *std::get_if<Shared<Dict>>(&data_); }
  Iterator* iterator() const;
  Object* object() const;
  // The items of a list or a tuple, or null.
  const std::vector<Value>* sequence() const;
  // A bool, which is a number too, or an integer.
  std::optional<int64_t> integer() const;
  // Any number.
  std::optional<double> number() const;

  // How deep values nest: 0 for scalars.
  int depth() const;
  // Python's name of the type: "str", "NoneType".
  std::string_view type_name() const;
  bool truth() const;
  // The same object, as Python's `is`.
  bool same(const Value& other) const;

 private:
  template <typename T>
  const T* pointee() const {
    const auto* shared = std::get_if<Shared<T>>(&data_);
    return shared == nullptr ? nullptr : shared->get();
  }

  std::variant<Undefined, None, bool, int64_t, double, Shared<std::string>, Shared<List>,
               Shared<Tuple>, Shared<Dict>, Range, View, std::shared_ptr<Iterator>,
               std::shared_ptr<Object>>
      data_;
};

// Keeps the order of insertion. Keys are what Python can hash; 1, 1.0 and True are one key.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  // Throws Fault if the key cannot be hashed.
  void set(Budget& budget, Value key, Value value);
  const Value* find(Budget& budget, const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  int depth() const { return depth_; }

 private:
  std::optional<size_t> index_of(Budget& budget, const Value& key) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, size_t> texts_;  // views of the keys
  bool only_texts_ = true;
  int depth_ = 1;
};

// What has attributes or can be called: macros, methods, functions, namespaces, loops.
class Object {
 public:
  virtual ~Object() = default;
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter& interpreter, Arguments& arguments);
  virtual std::optional<Value> attribute(Budget& budget, std::string_view name);
  virtual std::string repr(Budget& budget) const = 0;
  virtual int depth() const { return 1; }
  // Drops what it holds, which may be itself.
  virtual void release() {}
};

// Throws Fault(exhausted) if a value with that depth may not be.
int checked_depth(const Budget& budget, int depth);

}  // namespace cadre::text::jinja
