// What the tests of grammars share: small vocabularies, and the language of a grammar by its
// definition.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/io/json_value.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/expression.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace cadre::text {

// A tokenizer whose tokens are exactly these texts, which must be ASCII.
inline Tokenizer tokenizer_of(const std::vector<std::string>& tokens) {
  io::JsonValue vocabulary = io::JsonValue::object();
  for (size_t i = 0; i < tokens.size(); ++i) vocabulary.set(tokens[i], i);
  io::JsonValue model = io::JsonValue::object();
  model.set("type", "BPE").set("vocab", vocabulary).set("merges", io::JsonValue::array());
  io::JsonValue root = io::JsonValue::object();
  root.set("model", model).set("decoder", io::JsonValue::object().set("type", "ByteFallback"));
  return Tokenizer::from_json(root.dump(), "tokens");
}

// One token for each byte of UTF-8 and some longer ones: SentencePiece's byte tokens.
inline Tokenizer byte_tokenizer() {
  io::JsonValue vocabulary = io::JsonValue::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary.set(fmt::format("<0x{:02X}>", byte), byte);
  }
  int next = 256;
  for (const char* text : {"ab", "abc", "\xc3\xa9", "\xe2\x82\xac\xe2\x82", "{\"", "\":", "},{",
                           "}]", "true", "\",\"", "10", "99", "  ", "\n"}) {
    if (is_valid_utf8(text)) vocabulary.set(text, next++);
  }
  io::JsonValue model = io::JsonValue::object();
  model.set("type", "BPE").set("byte_fallback", true).set("unk_token", "<0x00>");
  model.set("vocab", vocabulary).set("merges", io::JsonValue::array());
  io::JsonValue root = io::JsonValue::object();
  root.set("model", model).set("decoder", io::JsonValue::object().set("type", "ByteFallback"));
  return Tokenizer::from_json(root.dump(), "bytes");
}

// All texts of at most `longest` bytes that a grammar of GBNF describes, found by going on until
// nothing new comes: the definition that automata are compared with. Of classes, only the
// letters a, b and c count.
class PlainLanguage {
 public:
  PlainLanguage(const grammar::GrammarData& data, size_t longest)
      : data_(data), longest_(longest), rules_(data.rules.size()) {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < data.rules.size(); ++i) {
        std::set<std::string> now = texts_of(data.rules[i].body);
        if (now.size() == rules_[i].size()) continue;
        rules_[i] = std::move(now);
        changed = true;
      }
    }
  }

  const std::set<std::string>& texts() const { return rules_[static_cast<size_t>(data_.root)]; }

 private:
  using Texts = std::set<std::string>;

  Texts joined(const Texts& left, const Texts& right) const {
    Texts out;
    for (const std::string& a : left) {
      for (const std::string& b : right) {
        if (a.size() + b.size() <= longest_) out.insert(a + b);
      }
    }
    return out;
  }

  Texts texts_of(int32_t index) const {
    const grammar::Expression& e = data_.expressions[static_cast<size_t>(index)];
    Texts out;
    switch (e.op) {
      case grammar::Op::bytes:
        if (e.bytes.size() <= longest_) out.insert(e.bytes);
        break;
      case grammar::Op::chars:
        for (const grammar::CharRange& range : e.chars.ranges()) {
          for (char32_t c = std::max<char32_t>(range.low, 'a');
               c <= std::min<char32_t>(range.high, 'c'); ++c) {
            out.insert(std::string(1, static_cast<char>(c)));
          }
        }
        break;
      case grammar::Op::sequence:
        out.insert("");
        for (const int32_t part : e.parts) out = joined(out, texts_of(part));
        break;
      case grammar::Op::choice:
        for (const int32_t part : e.parts) out.merge(texts_of(part));
        break;
      case grammar::Op::repeat: {
        const Texts once = texts_of(e.parts[0]);
        Texts many = {""};
        for (int64_t i = 0; i < e.min; ++i) many = joined(many, once);
        out = many;
        const int64_t most = e.max < 0 ? e.min + static_cast<int64_t>(longest_) : e.max;
        for (int64_t i = e.min; i < most; ++i) {
          many = joined(many, once);
          out.insert(many.begin(), many.end());
        }
        break;
      }
      case grammar::Op::rule:
        out = rules_[static_cast<size_t>(e.index)];
        break;
      default:
        CADRE_CHECK(false);
    }
    return out;
  }

  const grammar::GrammarData& data_;
  size_t longest_;
  std::vector<Texts> rules_;
};

// Whether a text as a whole is one of the grammar's.
inline bool accepts(const CompiledGrammar& grammar, std::string_view text) {
  GrammarState state(grammar);
  return (text.empty() || state.accept_bytes(text)) && state.can_stop();
}

}  // namespace cadre::text
