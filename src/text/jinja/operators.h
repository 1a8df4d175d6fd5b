// Python's operators and conversions on values. What Python refuses with a TypeError, ValueError or
// ZeroDivisionError raises a Fault, and so does nearly every use of what is undefined.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace cadre::text::jinja {

std::string to_text(Budget& budget, const Value& value);  // str(value)
std::string repr(Budget& budget, const Value& value);

bool equal(Budget& budget, const Value& a, const Value& b);
bool less(Budget& budget, const Value& a, const Value& b);
// a OP b, for one of < <= > >=.
bool ordered(Budget& budget, std::string_view op, const Value& a, const Value& b);
bool contains(Budget& budget, const Value& container, const Value& item);
void expect_hashable(const Value& key);
[[noreturn]] void raise_undefined(const Value& value);

bool is_iterable(const Value& value);
// All items; of an iterator, those that are left, after which there are none.
std::vector<Value> iterate(Budget& budget, const Value& value);
// len(value), for what has one.
std::optional<int64_t> length(const Value& value);

enum class Binary { add, subtract, multiply, divide, floor_divide, modulo, power };
Value apply(Budget& budget, Binary op, const Value& a, const Value& b);
Value negated(const Value& value);
Value unchanged(const Value& value);  // +value

// value[start:stop:step], each a number or none.
Value slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
            const Value& step);

// text % arguments, and one value in the notation of format() such as ">8.2f".
std::string percent_format(Budget& budget, std::string_view text, const Value& arguments);
std::string formatted(Budget& budget, const Value& value, std::string_view spec);

}  // namespace cadre::text::jinja
