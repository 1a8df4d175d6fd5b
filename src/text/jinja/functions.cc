// The functions that every template finds.
#include <array>
#include <cstdlib>

#include "text/jinja/builtins.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

Value make_range(Interpreter& interpreter, Arguments& arguments) {
  if (!arguments.named.empty()) raise("range() takes no keyword arguments");
  const Bound bound("range", arguments, {"start", "stop", "step"}, 1);
  Range range{0, bound.integer_or(0, 0), 1};
  if (bound.has(1)) range = {range.stop, bound.integer_or(1, 0), bound.integer_or(2, 1)};
  if (range.step == 0) raise("range() arg 3 must not be zero");
  // Far from overflow, whatever is done with bounds and lengths.
  constexpr int64_t kFar = int64_t{1} << 40;
  for (const int64_t number : {range.start, range.stop, range.step}) {
    if (number > kFar || number < -kFar) raise("range() takes numbers up to 2^40");
  }
  if (range.size() > interpreter.budget().limits().max_range) {
    raise("Range too big. The sandbox blocks ranges larger than {}",
          interpreter.budget().limits().max_range);
  }
  return range;
}

// dict(pairs or mapping, name=value, ...).
std::shared_ptr<Dict> dict_from(Interpreter& interpreter, std::string_view function,
                                const Arguments& arguments) {
  Budget& budget = interpreter.budget();
  auto dict = std::make_shared<Dict>();
  if (arguments.positional.size() > 1) raise("{} expected at most 1 argument", function);
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const Dict* other = source.dict()) {
      for (const auto& [key, value] : other->entries()) dict->set(budget, key, value);
    } else {
      for (const Value& item : iterate(budget, source)) {
        const std::vector<Value> pair = iterate(budget, item);
        if (pair.size() != 2)
          raise("{}: an element has {} items, expected 2", function, pair.size());
        dict->set(budget, pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) dict->set(budget, name, value);
  return dict;
}

Value make_dict(Interpreter& interpreter, Arguments& arguments) {
  return Shared<Dict>(dict_from(interpreter, "dict", arguments));
}

Value make_namespace(Interpreter& interpreter, Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  interpreter.own(space);
  const std::shared_ptr<Dict> given = dict_from(interpreter, "namespace", arguments);
  for (const auto& [key, value] : given->entries()) {
    if (!key.string()) raise("a namespace takes names, found a {}", key.type_name());
    space->set(*key.string(), value);
  }
  return std::shared_ptr<Object>(std::move(space));
}

Value raise_exception(Interpreter& interpreter, Arguments& arguments) {
  const Bound bound("raise_exception", arguments, {"message"}, 1);
  raise("{}", to_text(interpreter.budget(), bound.at(0)));
}

Value strftime_now(Interpreter& interpreter, Arguments& arguments) {
  const Bound bound("strftime_now", arguments, {"format"}, 1);
  if (bound.text(0).empty()) return "";
  const std::tm now = interpreter.now();
  std::array<char, 1024> buffer;
  const size_t size = std::strftime(buffer.data(), buffer.size(), bound.text(0).c_str(), &now);
  std::string out;
  append_repaired({buffer.data(), size}, out);
  return out;
}

class Cycler : public Object, public std::enable_shared_from_this<Cycler> {
 public:
  explicit Cycler(const Value& items) : items_(items) {}
  std::optional<Value> attribute(Budget&, std::string_view name) override {
    const std::vector<Value>& items = *items_.sequence();
    if (name == "current") return items[at_ % items.size()];
    if (name != "next" && name != "reset") return std::nullopt;
    return Function::make(
        std::string(name),
        [self = shared_from_this(), step = name == "next"](Interpreter&, Arguments&) {
          const std::vector<Value>& list = *self->items_.sequence();
          if (!step) return self->at_ = 0, Value(None{});
          return list[self->at_++ % list.size()];
        },
        depth());
  }
  std::string repr(Budget&) const override { return "<Cycler>"; }
  int depth() const override { return items_.depth() + 1; }

 private:
  Value items_;
  size_t at_ = 0;
};

Value make_cycler(Interpreter& interpreter, Arguments& arguments) {
  if (arguments.positional.empty()) raise("at least one item has to be provided");
  const Value items = Value::tuple(interpreter.budget(), arguments.positional);
  return std::shared_ptr<Object>(std::make_shared<Cycler>(items));
}

Value make_joiner(Interpreter&, Arguments& arguments) {
  const Bound bound("joiner", arguments, {"sep"});
  return Function::make("joiner",
                        [separator = bound.has(0) ? bound.text(0) : ", ", used = false](
                            Interpreter&, Arguments&) mutable -> Value {
                          if (used) return separator;
                          used = true;
                          return "";
                        });
}

struct Entry {
  std::string_view name;
  Value (*call)(Interpreter&, Arguments&);
};

constexpr std::array<Entry, 7> kFunctions = {{{"range", make_range},
                                              {"dict", make_dict},
                                              {"namespace", make_namespace},
                                              {"raise_exception", raise_exception},
                                              {"strftime_now", strftime_now},
                                              {"cycler", make_cycler},
                                              {"joiner", make_joiner}}};

}  // namespace

std::optional<Value> builtin_function(std::string_view name) {
  for (const Entry& entry : kFunctions) {
    if (entry.name == name) return Function::make(std::string(name), entry.call);
  }
  return std::nullopt;
}

}  // namespace cadre::text::jinja
