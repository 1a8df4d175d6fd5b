#include "core/io/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

namespace cadre::io {

namespace {
constexpr std::string_view kOrderedDict = "collections OrderedDict";
}  // namespace

// Follows the instructions of one pickle.
class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, std::span<const std::string_view> globals, Pickle& pickle)
      : bytes_(bytes), globals_(globals), pickle_(pickle) {}

  void run() {
    while (pickle_.root_ == nullptr) step();
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
    fail(kind, "{}: byte {}: {}", pickle_.where_, op_at_,
         fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void corrupt(std::string_view what) { refuse(ErrorKind::corrupt_data, "{}", what); }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) corrupt("the pickle ends within an instruction");
    const std::string_view taken = bytes_.substr(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return taken;
  }
  uint64_t take_unsigned(int size) {
    const std::string_view raw = take(static_cast<uint64_t>(size));
    uint64_t value = 0;
    for (size_t i = 0; i < raw.size(); ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
    }
    return value;
  }
  std::string_view take_line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) corrupt("a name does not end");
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  PickleNode& make(PickleKind kind) {
    if (pickle_.nodes_.size() >= Pickle::kMaxNodes) {
      refuse(ErrorKind::unsupported, "more than {} values", Pickle::kMaxNodes);
    }
    PickleNode& node = pickle_.nodes_.emplace_back();
    node.kind = kind;
    return node;
  }
  PickleNode& push(PickleKind kind) {
    PickleNode& node = make(kind);
    stack_.push_back(&node);
    return node;
  }
  void push_integer(int64_t value) { push(PickleKind::integer).integer = value; }
  void push_text(PickleKind kind, std::string_view text) { push(kind).text = text; }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleNode* top() {
    if (stack_.size() <= floor()) corrupt("the stack is empty");
    return stack_.back();
  }
  PickleNode* pop() {
    PickleNode* node = top();
    stack_.pop_back();
    return node;
  }
  // Everything above the last mark.
  std::vector<const PickleNode*> pop_to_mark() {
    if (marks_.empty()) corrupt("there is no mark");
    std::vector<const PickleNode*> items(
        stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  void step();
  bool step_scalar(unsigned char op);
  bool step_container(unsigned char op);
  bool step_memo(unsigned char op);
  bool step_object(unsigned char op);
  void push_tuple(size_t count);
  void push_long(size_t size);
  void push_global(std::string_view module, std::string_view name);
  void add_items(PickleKind kind, std::span<const PickleNode* const> items);
  void remember(uint64_t index) { memo_[index] = top(); }
  void recall(uint64_t index);

  std::string_view bytes_;
  std::span<const std::string_view> globals_;
  Pickle& pickle_;
  size_t at_ = 0;
  size_t op_at_ = 0;
  std::vector<PickleNode*> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, PickleNode*> memo_;
};

void PickleMachine::push_tuple(size_t count) {
  std::vector<const PickleNode*> items(count);
  for (size_t i = count; i > 0; --i) items[i - 1] = pop();
  push(PickleKind::tuple).items = std::move(items);
}

void PickleMachine::push_long(size_t size) {
  const std::string_view raw = take(size);
  if (size > sizeof(int64_t)) {
    refuse(ErrorKind::unsupported, "an integer of {} bytes, expected at most 8", size);
  }
  uint64_t value = size > 0 && static_cast<signed char>(raw.back()) < 0 ? ~uint64_t{0} : 0;
  for (size_t i = size; i > 0; --i) {
    value = (value << 8) | static_cast<unsigned char>(raw[i - 1]);
  }
  push_integer(static_cast<int64_t>(value));
}

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  const std::string full = fmt::format("{} {}", module, name);
  if (std::ranges::find(globals_, full) == globals_.end()) {
    refuse(ErrorKind::unsupported, "it asks for {}.{}, which is not allowed here", module, name);
  }
  pickle_.names_.push_back(full);
  push_text(PickleKind::global, pickle_.names_.back());
}

void PickleMachine::recall(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) corrupt("a value is recalled that was never remembered");
  stack_.push_back(found->second);
}

void PickleMachine::add_items(PickleKind kind, std::span<const PickleNode* const> items) {
  PickleNode* target = top();
  if (target->kind != kind) corrupt("items are added to what holds none of that kind");
  if (kind == PickleKind::dict && items.size() % 2 != 0) corrupt("a key has no value");
  target->items.insert(target->items.end(), items.begin(), items.end());
}

bool PickleMachine::step_scalar(unsigned char op) {
  switch (op) {
    case 'N':
      push(PickleKind::none);
      return true;
    case 0x88:
    case 0x89:
      push(PickleKind::boolean).integer = op == 0x88 ? 1 : 0;
      return true;
    case 'J':
      push_integer(static_cast<int32_t>(static_cast<uint32_t>(take_unsigned(4))));
      return true;
    case 'K':
      push_integer(static_cast<int64_t>(take_unsigned(1)));
      return true;
    case 'M':
      push_integer(static_cast<int64_t>(take_unsigned(2)));
      return true;
    case 0x8a:
      push_long(static_cast<size_t>(take_unsigned(1)));
      return true;
    case 'G': {  // the one number that is big endian
      uint64_t bits = 0;
      for (const char c : take(8)) bits = (bits << 8) | static_cast<unsigned char>(c);
      push(PickleKind::real).real = std::bit_cast<double>(bits);
      return true;
    }
    case 'X':
      push_text(PickleKind::text, take(take_unsigned(4)));
      return true;
    case 0x8c:
    case 'U':
      push_text(PickleKind::text, take(take_unsigned(1)));
      return true;
    case 0x8d:
      push_text(PickleKind::text, take(take_unsigned(8)));
      return true;
    case 'B':
      push_text(PickleKind::bytes, take(take_unsigned(4)));
      return true;
    case 'C':
      push_text(PickleKind::bytes, take(take_unsigned(1)));
      return true;
    default:
      return false;
  }
}

bool PickleMachine::step_container(unsigned char op) {
  switch (op) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case ')':
      push(PickleKind::tuple);
      return true;
    case 0x85:
    case 0x86:
    case 0x87:
      push_tuple(static_cast<size_t>(op - 0x84));
      return true;
    case 't': {
      std::vector<const PickleNode*> items = pop_to_mark();
      push(PickleKind::tuple).items = std::move(items);
      return true;
    }
    case ']':
      push(PickleKind::list);
      return true;
    case '}':
      push(PickleKind::dict);
      return true;
    case 'a': {
      const PickleNode* item = pop();
      add_items(PickleKind::list, {&item, 1});
      return true;
    }
    case 'e':
      add_items(PickleKind::list, pop_to_mark());
      return true;
    case 's': {
      const PickleNode* value = pop();
      const PickleNode* key = pop();
      const PickleNode* pair[] = {key, value};
      add_items(PickleKind::dict, pair);
      return true;
    }
    case 'u':
      add_items(PickleKind::dict, pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::step_memo(unsigned char op) {
  switch (op) {
    case 'q':
      remember(take_unsigned(1));
      return true;
    case 'r':
      remember(take_unsigned(4));
      return true;
    case 0x94:
      remember(memo_.size());
      return true;
    case 'h':
      recall(take_unsigned(1));
      return true;
    case 'j':
      recall(take_unsigned(4));
      return true;
    default:
      return false;
  }
}

bool PickleMachine::step_object(unsigned char op) {
  switch (op) {
    case 'c': {
      const std::string_view module = take_line();
      push_global(module, take_line());
      return true;
    }
    case 0x93: {
      const PickleNode* name = pop();
      const PickleNode* module = pop();
      if (!name->is(PickleKind::text) || !module->is(PickleKind::text)) {
        corrupt("the name of a global is no text");
      }
      push_global(module->text, name->text);
      return true;
    }
    case 'R':
    case 0x81: {
      const PickleNode* arguments = pop();
      const PickleNode* callee = pop();
      if (!callee->is(PickleKind::global) || !arguments->is(PickleKind::tuple)) {
        corrupt("a call needs a function and a tuple");
      }
      if (op == 'R' && callee->text == kOrderedDict && arguments->items.empty()) {
        push(PickleKind::dict);
      } else {
        push(op == 'R' ? PickleKind::call : PickleKind::object).items = {callee, arguments};
      }
      return true;
    }
    case 'b': {
      const PickleNode* state = pop();
      top()->state = state;
      return true;
    }
    case 'Q': {
      const PickleNode* id = pop();
      push(PickleKind::persistent).items = {id};
      return true;
    }
    default:
      return false;
  }
}

void PickleMachine::step() {
  op_at_ = at_;
  const auto op = static_cast<unsigned char>(take(1)[0]);
  if (op == '.') {
    pickle_.root_ = pop();
    return;
  }
  if (op == 0x80) {
    const uint64_t protocol = take_unsigned(1);
    if (protocol < 2 || protocol > 5) {
      refuse(ErrorKind::unsupported, "protocol {}, expected 2 to 5", protocol);
    }
    return;
  }
  if (op == 0x95) {  // the length of a frame, which matters to streams only
    take_unsigned(8);
    return;
  }
  if (step_scalar(op) || step_container(op) || step_memo(op) || step_object(op)) return;
  refuse(ErrorKind::unsupported, "the instruction 0x{:02x} is not allowed here", op);
}

Pickle Pickle::parse(std::string_view bytes, std::string where,
                     std::span<const std::string_view> globals) {
  Pickle pickle(std::move(where));
  PickleMachine(bytes, globals, pickle).run();
  return pickle;
}

const PickleNode* PickleNode::find(std::string_view key) const {
  if (kind != PickleKind::dict) return nullptr;
  const PickleNode* found = nullptr;
  // A key that comes twice has its last value, as in Python.
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i]->is(PickleKind::text) && items[i]->text == key) found = items[i + 1];
  }
  return found;
}

std::string describe(const PickleNode& node) {
  switch (node.kind) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return node.integer != 0 ? "True" : "False";
    case PickleKind::integer:
      return "the integer " + std::to_string(node.integer);
    case PickleKind::real:
      return "a number";
    case PickleKind::text:
      return "a text";
    case PickleKind::bytes:
      return "bytes";
    case PickleKind::tuple:
      return fmt::format("a tuple of {}", node.items.size());
    case PickleKind::list:
      return fmt::format("a list of {}", node.items.size());
    case PickleKind::dict:
      return fmt::format("a dict of {}", node.items.size() / 2);
    case PickleKind::global:
      return "the global " + std::string(node.text);
    case PickleKind::call:
      return "a call of " + std::string(node.items[0]->text);
    case PickleKind::object:
      return "an object of " + std::string(node.items[0]->text);
    case PickleKind::persistent:
      break;
  }
  return "a reference to something outside";
}

}  // namespace cadre::io
