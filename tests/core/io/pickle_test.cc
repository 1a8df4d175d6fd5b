// Pickles as data: what builds values is followed, everything else refused by name.
#include "core/io/pickle.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

#include "tests/core/io/torch_bytes.h"
#include "tests/expect_error.h"

namespace cadre {
namespace {

using namespace std::string_literals;
using io::PickleKind;

constexpr std::array<std::string_view, 2> kGlobals = {"collections OrderedDict", "shop Basket"};

io::Pickle parse(const std::string& bytes) { return io::Pickle::parse(bytes, "x.pkl", kGlobals); }

std::string refusal(ErrorKind kind, const std::string& bytes) {
  return error_of(kind, [&] { parse(bytes); });
}

}  // namespace

TEST_CASE("pickle: scalars and containers of Python's own pickles") {
  // pickle.dumps({"a": [1, -2, 300, 70000, 2**40, -2**40], "b": (True, None, 2.5), "c": b"xy"}, 2)
  const std::string bytes =
      "\x80\x02}q\0(X\1\0\0\0aq\1]q\2(K\1J\xfe\xff\xff\xffM,\1Jp\x11\1\0\x8a\6\0\0\0\0\0\1"
      "\x8a\6\0\0\0\0\0\xff"
      "eX\1\0\0\0bq\3\x88NG@\4\0\0\0\0\0\0\x87q\4X\1\0\0\0cC\2xyu."s;
  const io::Pickle pickle = parse(bytes);
  const io::PickleNode& root = pickle.root();
  REQUIRE(root.is(PickleKind::dict));
  const io::PickleNode* a = root.find("a");
  REQUIRE((a != nullptr && a->is(PickleKind::list) && a->items.size() == 6));
  const int64_t expected[] = {1, -2, 300, 70000, int64_t{1} << 40, -(int64_t{1} << 40)};
  for (size_t i = 0; i < 6; ++i) CHECK(a->items[i]->integer == expected[i]);
  const io::PickleNode* b = root.find("b");
  REQUIRE((b != nullptr && b->is(PickleKind::tuple) && b->items.size() == 3));
  CHECK((b->items[0]->is(PickleKind::boolean) && b->items[0]->integer == 1));
  CHECK(b->items[1]->is(PickleKind::none));
  CHECK(b->items[2]->real == 2.5);
  CHECK(root.find("c")->text == "xy");
  CHECK(root.find("d") == nullptr);
}

TEST_CASE("pickle: calls and objects of allowed names are kept as data") {
  // Pickles refer to their bytes.
  const std::string ordered_bytes =
      "\x80\x02"
      "ccollections\nOrderedDict\n)R(X\1\0\0\0kK\7u}b."s;
  const io::Pickle ordered = parse(ordered_bytes);
  CHECK(ordered.root().find("k")->integer == 7);
  CHECK(ordered.root().state != nullptr);
  // Protocol 4 with a frame: an object with its attributes.
  const std::string object_bytes =
      "\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\4shop\x94\x8c\6Basket\x94\x93\x94)\x81\x94}\x94\x8c\1n\x94K\3sb."s;
  const io::Pickle object = parse(object_bytes);
  CHECK(object.root().is(PickleKind::object));
  CHECK(object.root().items[0]->is_global("shop Basket"));
  CHECK(object.root().state->find("n")->integer == 3);
  CHECK(io::describe(object.root()) == "an object of shop Basket");
}

TEST_CASE("pickle: a value within itself is no danger to the reader") {
  const std::string bytes = "\x80\x02]q\0h\0a."s;
  const io::Pickle pickle = parse(bytes);
  CHECK(pickle.root().items[0] == &pickle.root());
}

TEST_CASE("pickle: functions that are not on the list are refused by name") {
  // The usual attack: os.system("...") on loading.
  CHECK(contains(refusal(ErrorKind::unsupported,
                         "\x80\x02"
                         "cposix\nsystem\nX\2\0\0\0ls\x85R."s),
                 "x.pkl: byte 2: it asks for posix.system"));
  CHECK(contains(refusal(ErrorKind::unsupported, "\x80\x04\x8c\10builtins\x8c\4eval\x93."s),
                 "builtins.eval"));
  // A name on the list as the module of another.
  refusal(ErrorKind::unsupported,
          "\x80\x02"
          "ccollections OrderedDict\nx\n."s);
}

TEST_CASE("pickle: other instructions and protocols are refused") {
  for (const std::string& bytes :
       {"\x80\x02Pabc\n."s, "\x80\x02(ios\nsystem\n."s, "\x80\x02\x82\1."s,
        "\x80\x02"
        "2."s,
        "\x80\x02\x8f."s, "\x80\x02\x92."s, "I1\n."s, "\x80\1N."s, "\x80\6N."s,
        "\x80\x02\x8a\x09"
        "123456789."s}) {
    CAPTURE(bytes);
    CHECK(contains(refusal(ErrorKind::unsupported, bytes), "x.pkl: byte "));
  }
}

TEST_CASE("pickle: broken ones are refused, wherever they end") {
  const std::string good = pickle_dict({{"w", PickledTensor().bytes()}, {"n", "K\1"}});
  constexpr std::array<std::string_view, 2> globals = {"torch._utils _rebuild_tensor_v2",
                                                       "torch FloatStorage"};
  io::Pickle::parse(good, "x.pkl", globals);
  for (size_t size = 0; size < good.size(); ++size) {
    error_of(ErrorKind::corrupt_data,
             [&] { io::Pickle::parse(std::string_view(good).substr(0, size), "x.pkl", globals); });
  }
  for (const std::string& bytes :
       {"."s, "\x80\x02u."s, "\x80\x02}(K\1u."s, "\x80\x02h\0."s, "\x80\x02K\1K\2a."s,
        "\x80\x02t."s, "\x80\x02K\1)R."s, "\x80\x02(."s, "\x80\x02\x86."s,
        "\x80\x02X\xff\xff\xff\x7fz."s, "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffz."s}) {
    CAPTURE(bytes);
    refusal(ErrorKind::corrupt_data, bytes);
  }
}

}  // namespace cadre
