#include "text/jinja/objects.h"

#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {

Loop::Loop(std::vector<Value> items) : items_(std::move(items)), depth_(1) {
  for (const Value& item : items_) depth_ = std::max(depth_, item.depth() + 1);
}

std::optional<Value> Loop::attribute(Budget& budget, std::string_view name) {
  const auto size = static_cast<int64_t>(items_.size());
  const auto neighbour = [&](int64_t index, const char* message) {
    return index >= 0 && index < size ? items_[static_cast<size_t>(index)]
                                      : Value::undefined(message);
  };
  if (name == "index") return index_ + 1;
  if (name == "index0") return index_;
  if (name == "revindex") return size - index_;
  if (name == "revindex0") return size - index_ - 1;
  if (name == "first") return index_ == 0;
  if (name == "last") return index_ + 1 == size;
  if (name == "length") return size;
  if (name == "depth") return 1;
  if (name == "depth0") return 0;
  if (name == "previtem") return neighbour(index_ - 1, "there is no previous item");
  if (name == "nextitem") return neighbour(index_ + 1, "there is no next item");
  // The functions hold the loop, as deep as it is.
  if (name == "cycle") {
    return Function::make(
        "cycle",
        [loop = shared_from_this()](Interpreter&, Arguments& list) {
          if (list.positional.empty()) raise("no items for cycling given");
          return list.positional[static_cast<size_t>(loop->index_) % list.positional.size()];
        },
        depth_);
  }
  if (name == "changed") {
    checked_depth(budget, depth_ + 1);
    return Function::make(
        "changed",
        [loop = shared_from_this()](Interpreter& interpreter, Arguments& list) {
          Value values = Value::tuple(interpreter.budget(), list.positional);
          const bool same =
              loop->changed_before_ && equal(interpreter.budget(), loop->last_changed_, values);
          if (!loop->changed_before_) interpreter.own(loop);
          loop->changed_before_ = true;
          loop->last_changed_ = std::move(values);
          return !same;
        },
        depth_);
  }
  return std::nullopt;
}

std::string Loop::repr(Budget&) const {
  return fmt::format("<LoopContext {}/{}>", index_ + 1, items_.size());
}

std::optional<Value> Namespace::attribute(Budget&, std::string_view name) {
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with('_')) {
    raise("a namespace takes no attributes that begin with an underscore, found '{}'", name);
  }
  for (auto& entry : values_) {
    if (entry.first == name) {
      entry.second = std::move(value);
      return;
    }
  }
  values_.emplace_back(name, std::move(value));
}

std::string Namespace::repr(Budget& budget) const {
  if (in_repr_) raise("a namespace that holds itself cannot be written");
  in_repr_ = true;
  std::string out = "<Namespace {";
  for (size_t i = 0; i < values_.size(); ++i) {
    if (i > 0) out += ", ";
    out += text_repr(values_[i].first) + ": " + jinja::repr(budget, values_[i].second);
  }
  in_repr_ = false;
  return out + "}>";
}

Value Macro::call(Interpreter& interpreter, Arguments& arguments) {
  return interpreter.call_macro(node_, scope_, arguments);
}

std::optional<Value> Macro::attribute(Budget& budget, std::string_view name) {
  if (name == "name") {
    return node_.kind == NodeKind::macro ? Value(node_.text) : Value("caller");
  }
  if (name == "arguments") {
    std::vector<Value> names(node_.signature->names.begin(), node_.signature->names.end());
    return Value::list(budget, std::move(names));
  }
  if (name == "catch_kwargs") return node_.signature->takes_kwargs;
  if (name == "catch_varargs") return node_.signature->takes_varargs;
  if (name == "caller") return node_.signature->takes_caller;
  return std::nullopt;
}

std::string Macro::repr(Budget&) const {
  if (node_.kind != NodeKind::macro) return "<Macro anonymous>";
  return fmt::format("<Macro {}>", text_repr(node_.text));
}

}  // namespace cadre::text::jinja
