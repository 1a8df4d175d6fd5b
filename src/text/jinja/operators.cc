// Comparison, membership and iteration; arithmetic stands in arithmetic.cc.
#include "text/jinja/operators.h"

#include <algorithm>

#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

bool equal_items(Budget& budget, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal(budget, a[i], b[i])) return false;
  }
  return true;
}

bool equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(budget, key);
    if (other == nullptr || !equal(budget, value, *other)) return false;
  }
  return true;
}

bool less_items(Budget& budget, const std::vector<Value>& a, const std::vector<Value>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!equal(budget, a[i], b[i])) return less(budget, a[i], b[i]);
  }
  return a.size() < b.size();
}

std::vector<Value> view_items(Budget& budget, const View& view) {
  std::vector<Value> items;
  items.reserve(view.dict->entries().size());
  for (const auto& [key, value] : view.dict->entries()) {
    items.push_back(view.kind == View::Kind::keys     ? key
                    : view.kind == View::Kind::values ? value
                                                      : Value::tuple(budget, {key, value}));
  }
  return items;
}

class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}

  void write(const Value& value) {
    budget_.steps();
    if (static_cast<int64_t>(out_.size()) > budget_.limits().max_string) {
      budget_.string(static_cast<int64_t>(out_.size()));
    }
    if (value.is_undefined()) {
      out_ += "Undefined";
    } else if (value.is_none()) {
      out_ += "None";
    } else if (const bool* flag = value.get_if<bool>()) {
      out_ += *flag ? "True" : "False";
    } else if (const int64_t* number = value.get_if<int64_t>()) {
      out_ += fmt::format("{}", *number);
    } else if (const double* real = value.get_if<double>()) {
      out_ += float_repr(*real);
    } else if (const std::string* text = value.string()) {
      out_ += text_repr(*text);
    } else if (const List* list = value.list()) {
      write_items('[', list->items, ']');
    } else if (const Tuple* tuple = value.tuple()) {
      write_tuple(tuple->items);
    } else if (const Dict* dict = value.dict()) {
      write_dict(*dict);
    } else if (const Range* range = value.get_if<Range>()) {
      out_ += fmt::format("range({}, {}", range->start, range->stop);
      out_ += range->step == 1 ? ")" : fmt::format(", {})", range->step);
    } else if (const View* view = value.get_if<View>()) {
      out_ += fmt::format("{}(", value.type_name());
      write_items('[', view_items(budget_, *view), ']');
      out_ += ')';
    } else if (const Object* object = value.object()) {
      out_ += object->repr(budget_);
    } else {
      out_ += "<generator object>";
    }
  }

  std::string take() {
    budget_.string(static_cast<int64_t>(out_.size()));
    return std::move(out_);
  }

 private:
  void write_items(char open, const std::vector<Value>& items, char close) {
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      write(items[i]);
    }
    out_ += close;
  }

  void write_tuple(const std::vector<Value>& items) {
    if (items.size() != 1) return write_items('(', items, ')');
    out_ += '(';
    write(items[0]);
    out_ += ",)";
  }

  void write_dict(const Dict& dict) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : dict.entries()) {
      if (!first) out_ += ", ";
      first = false;
      write(key);
      out_ += ": ";
      write(value);
    }
    out_ += '}';
  }

  Budget& budget_;
  std::string out_;
};

}  // namespace

void raise_undefined(const Value& value) {
  const auto& message = value.get_if<Undefined>()->message;
  raise("{}", message ? *message : "a value is undefined");
}

std::string to_text(Budget& budget, const Value& value) {
  if (value.is_undefined()) return "";
  if (const std::string* text = value.string()) {
    budget.string(static_cast<int64_t>(text->size()));
    return *text;
  }
  return repr(budget, value);
}

std::string repr(Budget& budget, const Value& value) {
  Writer writer(budget);
  writer.write(value);
  return writer.take();
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  budget.steps();
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (const auto x = a.integer()) {
    if (const auto y = b.integer()) return *x == *y;
  }
  if (const auto x = a.number()) {
    const auto y = b.number();
    return y && *x == *y;
  }
  if (const std::string* x = a.string()) {
    const std::string* y = b.string();
    if (y == nullptr) return false;
    budget.steps(static_cast<int64_t>(x->size() / 256));
    return *x == *y;
  }
  if (a.list() != nullptr && b.list() != nullptr) {
    return a.list() == b.list() || equal_items(budget, a.list()->items, b.list()->items);
  }
  if (a.tuple() != nullptr && b.tuple() != nullptr) {
    return a.tuple() == b.tuple() || equal_items(budget, a.tuple()->items, b.tuple()->items);
  }
  if (a.dict() != nullptr && b.dict() != nullptr) {
    return a.dict() == b.dict() || equal_dicts(budget, *a.dict(), *b.dict());
  }
  if (const Range* x = a.get_if<Range>()) {
    const Range* y = b.get_if<Range>();
    if (y == nullptr || x->size() != y->size()) return false;
    return x->size() == 0 || (x->start == y->start && (x->size() == 1 || x->step == y->step));
  }
  return a.same(b);
}

bool less(Budget& budget, const Value& a, const Value& b) {
  budget.steps();
  if (a.is_undefined()) raise_undefined(a);
  if (b.is_undefined()) raise_undefined(b);
  if (a.integer() && b.integer()) return *a.integer() < *b.integer();
  if (a.number() && b.number()) return *a.number() < *b.number();
  // Bytes of UTF-8 stand in the order of code points.
  if (a.string() != nullptr && b.string() != nullptr) {
    budget.steps(static_cast<int64_t>(a.string()->size() / 256));
    return *a.string() < *b.string();
  }
  if (a.list() != nullptr && b.list() != nullptr) {
    return less_items(budget, a.list()->items, b.list()->items);
  }
  if (a.tuple() != nullptr && b.tuple() != nullptr) {
    return less_items(budget, a.tuple()->items, b.tuple()->items);
  }
  raise("'{}' and '{}' have no order", a.type_name(), b.type_name());
}

bool ordered(Budget& budget, std::string_view op, const Value& a, const Value& b) {
  if (op == "<") return less(budget, a, b);
  if (op == ">") return less(budget, b, a);
  // Not the negation of the other: NaN is neither, and sets of equals are both.
  if (a.number() && b.number()) {
    if (a.integer() && b.integer()) {
      return op == "<=" ? *a.integer() <= *b.integer() : *a.integer() >= *b.integer();
    }
    return op == "<=" ? *a.number() <= *b.number() : *a.number() >= *b.number();
  }
  return op == "<=" ? !less(budget, b, a) : !less(budget, a, b);
}

void expect_hashable(const Value& key) {
  if (const Tuple* tuple = key.tuple()) {
    for (const Value& item : tuple->items) expect_hashable(item);
  }
  if (key.list() != nullptr || key.dict() != nullptr || key.holds<View>()) {
    raise("unhashable type: '{}'", key.type_name());
  }
}

bool contains(Budget& budget, const Value& container, const Value& item) {
  if (const std::string* text = container.string()) {
    const std::string* part = item.string();
    if (part == nullptr) {
      raise("'in <string>' requires string as left operand, not {}", item.type_name());
    }
    budget.steps(static_cast<int64_t>(text->size() / 64));
    return text->find(*part) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(budget, item) != nullptr;
  if (const View* view = container.get_if<View>(); view && view->kind == View::Kind::keys) {
    return view->dict->find(budget, item) != nullptr;
  }
  if (Iterator* iterator = container.iterator()) {
    while (iterator->next < iterator->items.size()) {
      if (equal(budget, iterator->items[iterator->next++], item)) return true;
    }
    return false;
  }
  if (!is_iterable(container)) {
    raise("argument of type '{}' is not iterable", container.type_name());
  }
  const std::vector<Value> items = iterate(budget, container);
  return std::ranges::any_of(items, [&](const Value& candidate) {
    return candidate.same(item) || equal(budget, candidate, item);
  });
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.string() || value.sequence() || value.dict() ||
         value.holds<Range>() || value.holds<View>() || value.iterator();
}

std::vector<Value> iterate(Budget& budget, const Value& value) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (const auto* sequence = value.sequence()) {
    items = *sequence;
  } else if (const std::string* text = value.string()) {
    budget.items(length_of(*text));
    for (const std::string_view character : characters(*text)) items.emplace_back(character);
  } else if (const Dict* dict = value.dict()) {
    for (const auto& entry : dict->entries()) items.push_back(entry.first);
  } else if (const Range* range = value.get_if<Range>()) {
    for (int64_t i = 0; i < range->size(); ++i) items.emplace_back(range->at(i));
  } else if (const View* view = value.get_if<View>()) {
    items = view_items(budget, *view);
  } else if (Iterator* iterator = value.iterator()) {
    items.assign(iterator->items.begin() + static_cast<std::ptrdiff_t>(iterator->next),
                 iterator->items.end());
    iterator->next = iterator->items.size();
  } else {
    raise("'{}' object is not iterable", value.type_name());
  }
  budget.items(static_cast<int64_t>(items.size()));
  return items;
}

std::optional<int64_t> length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const std::string* text = value.string()) return length_of(*text);
  if (const auto* items = value.sequence()) return static_cast<int64_t>(items->size());
  if (const Dict* dict = value.dict()) return static_cast<int64_t>(dict->entries().size());
  if (const Range* range = value.get_if<Range>()) return range->size();
  if (const View* view = value.get_if<View>()) {
    return static_cast<int64_t>(view->dict->entries().size());
  }
  return std::nullopt;
}

}  // namespace cadre::text::jinja
