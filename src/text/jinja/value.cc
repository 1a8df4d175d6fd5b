#include "text/jinja/value.h"

#include <algorithm>

#include "text/jinja/operators.h"

namespace cadre::text::jinja {
namespace {

int depth_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth + 1;
}

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

int checked_depth(const Budget& budget, int depth) {
  if (depth > budget.limits().max_nesting) {
    throw Fault{ErrorKind::exhausted,
                fmt::format("values nest more than {} deep", budget.limits().max_nesting)};
  }
  return depth;
}

int64_t Range::size() const {
  if (step > 0) return stop > start ? (stop - start + step - 1) / step : 0;
  return start > stop ? (start - stop - step - 1) / -step : 0;
}

Value Value::list(Budget& budget, std::vector<Value> items) {
  budget.items(static_cast<int64_t>(items.size()));
  const int depth = checked_depth(budget, depth_of(items));
  Value value;
  value.data_ = std::make_shared<const List>(List{std::move(items), depth});
  return value;
}

Value Value::tuple(Budget& budget, std::vector<Value> items) {
  budget.items(static_cast<int64_t>(items.size()));
  const int depth = checked_depth(budget, depth_of(items));
  Value value;
  value.data_ = std::make_shared<const Tuple>(Tuple{std::move(items), depth});
  return value;
}

Value Value::iterator(Budget& budget, std::vector<Value> items) {
  budget.items(static_cast<int64_t>(items.size()));
  const int depth = checked_depth(budget, depth_of(items));
  Value value;
  value.data_ = std::make_shared<Iterator>(Iterator{std::move(items), 0, depth});
  return value;
}

Value Value::undefined(std::string message) {
  return Undefined{std::make_shared<const std::string>(std::move(message))};
}

Iterator* Value::iterator() const {
  const auto* shared = std::get_if<std::shared_ptr<Iterator>>(&data_);
  return shared == nullptr ? nullptr : shared->get();
}

Object* Value::object() const {
  const auto* shared = std::get_if<std::shared_ptr<Object>>(&data_);
  return shared == nullptr ? nullptr : shared->get();
}

const std::vector<Value>* Value::sequence() const {
  if (const List* values = list()) return &values->items;
  if (const Tuple* values = tuple()) return &values->items;
  return nullptr;
}

std::optional<int64_t> Value::integer() const {
  if (const bool* flag = get_if<bool>()) return *flag ? 1 : 0;
  if (const int64_t* number = get_if<int64_t>()) return *number;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const double* number = get_if<double>()) return *number;
  if (const auto number = integer()) return static_cast<double>(*number);
  return std::nullopt;
}

int Value::depth() const {
  if (const List* values = list()) return values->depth;
  if (const Tuple* values = tuple()) return values->depth;
  if (const Dict* values = dict()) return values->depth();
  if (const Iterator* values = iterator()) return values->depth;
  if (const View* view = get_if<View>()) return view->dict->depth() + 1;
  if (const Object* held = object()) return held->depth();
  return 0;
}

std::string_view Value::type_name() const {
  return std::visit(
      Overloaded{[](const Undefined&) { return "Undefined"; }, [](None) { return "NoneType"; },
                 [](bool) { return "bool"; }, [](int64_t) { return "int"; },
                 [](double) { return "float"; }, [](const Shared<std::string>&) { return "str"; },
                 [](const Shared<List>&) { return "list"; },
                 [](const Shared<Tuple>&) { return "tuple"; },
                 [](const Shared<Dict>&) { return "dict"; }, [](const Range&) { return "range"; },
                 [](const View& view) {
                   return view.kind == View::Kind::keys     ? "dict_keys"
                          : view.kind == View::Kind::values ? "dict_values"
                                                            : "dict_items";
                 },
                 [](const std::shared_ptr<Iterator>&) { return "generator"; },
                 [](const std::shared_ptr<Object>&) { return "object"; }},
      data_);
}

bool Value::truth() const {
  return std::visit(
      Overloaded{[](const Undefined&) { return false; }, [](None) { return false; },
                 [](bool value) { return value; }, [](int64_t value) { return value != 0; },
                 [](double value) { return value != 0.0; },
                 [](const Shared<std::string>& text) { return !text->empty(); },
                 [](const Shared<List>& values) { return !values->items.empty(); },
                 [](const Shared<Tuple>& values) { return !values->items.empty(); },
                 [](const Shared<Dict>& values) { return !values->entries().empty(); },
                 [](const Range& range) { return range.size() != 0; },
                 [](const View& view) { return !view.dict->entries().empty(); },
                 [](const std::shared_ptr<Iterator>&) { return true; },
                 [](const std::shared_ptr<Object>&) { return true; }},
      data_);
}

bool Value::same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  return std::visit(
      Overloaded{[](const Undefined&) { return false; }, [](None) { return true; },
                 [&](bool value) { return value == *other.get_if<bool>(); },
                 [&](int64_t value) { return value == *other.get_if<int64_t>(); },
                 [&](double value) { return value == *other.get_if<double>(); },
                 [](const Range&) { return false; }, [](const View&) { return false; },
                 [&]<typename T>(const std::shared_ptr<T>& held) {
                   return held == *other.get_if<std::shared_ptr<T>>();
                 }},
      data_);
}

std::optional<size_t> Dict::index_of(Budget& budget, const Value& key) const {
  if (const std::string* text = key.string()) {
    const auto found = texts_.find(*text);
    if (found == texts_.end()) return std::nullopt;
    return found->second;
  }
  expect_hashable(key);
  if (only_texts_) return std::nullopt;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].first.string() && equal(budget, entries_[i].first, key)) return i;
  }
  return std::nullopt;
}

void Dict::set(Budget& budget, Value key, Value value) {
  depth_ = checked_depth(budget, std::max({depth_, key.depth() + 1, value.depth() + 1}));
  if (const auto index = index_of(budget, key)) {
    entries_[*index].second = std::move(value);
    return;
  }
  budget.items(2);
  entries_.emplace_back(std::move(key), std::move(value));
  if (const std::string* text = entries_.back().first.string()) {
    texts_.emplace(*text, entries_.size() - 1);
  } else {
    only_texts_ = false;
  }
}

const Value* Dict::find(Budget& budget, const Value& key) const {
  const auto index = index_of(budget, key);
  return index ? &entries_[*index].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = texts_.find(key);
  return found == texts_.end() ? nullptr : &entries_[found->second].second;
}

Value Object::call(Interpreter&, Arguments&) { raise("object is not callable"); }

std::optional<Value> Object::attribute(Budget&, std::string_view) { return std::nullopt; }

}  // namespace cadre::text::jinja
