// A tokenizer.json: read, then put to work on a text.
#include "tests/fuzz/fuzz.h"
#include "text/tokenizer.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  const text::Tokenizer tokenizer =
      text::Tokenizer::from_json(std::string(bytes), "tokenizer.json");
  const std::vector<int32_t> ids = tokenizer.encode("ab abab  \xc3\xa9 <|end|>\n12 it's\xff");
  tokenizer.decode(ids);
  for (const int32_t id : ids) tokenizer.token_bytes(id);
}

std::vector<std::string> seeds() {
  // Byte-level BPE as GPT-NeoX has it, with a pattern of its own in the second.
  return {
      R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":6,"content":)"
      R"("<|end|>","single_word":false,"lstrip":false,"rstrip":true,"normalized":false,"special":)"
      R"(true}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel",)"
      R"("add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":null,)"
      R"("decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":)"
      R"(true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":)"
      R"(null,"end_of_word_suffix":null,"fuse_unk":false,"vocab":{"a":0,"b":1,"Ġ":2,"ab":3,)"
      R"("abab":4,"Ġab":5},"merges":["a b","ab ab","Ġ ab"]}})",
      R"({"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Sequence",)"
      R"("pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)|[^a-c]"},)"
      R"("behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,)"
      R"("trim_offsets":true,"use_regex":false}]},"post_processor":null,"decoder":{"type":)"
      R"("ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}})"};
}

}  // namespace cadre::fuzz
