#include "text/tokenizer_writer.h"

#include <nlohmann/json.hpp>

namespace cadre::text {

using nlohmann::ordered_json;

std::string tokenizer_json(const TrainedBpe& trained) {
  const ordered_json byte_level = {{"type", "ByteLevel"},
                                   {"add_prefix_space", false},
                                   {"trim_offsets", true},
                                   {"use_regex", true}};
  ordered_json added = ordered_json::array();
  for (size_t id = 0; id < trained.special_tokens.size(); ++id) {
    added.push_back({{"id", id},
                     {"content", trained.special_tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  // ordered_json looks through all members at each insertion; pairs in a row do not.
  ordered_json::object_t vocab;
  for (size_t id = 0; id < trained.tokens.size(); ++id) {
    vocab.std::vector<ordered_json::object_t::value_type>::emplace_back(trained.tokens[id], id);
  }
  // "a b" rather than ["a", "b"]: every version of the library reads it, and the written forms of
  // bytes have no spaces.
  ordered_json merges = ordered_json::array();
  for (const auto& [left, right] : trained.merges) {
    merges.push_back(trained.tokens[left] + " " + trained.tokens[right]);
  }
  ordered_json model = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"ignore_merges", false}};
  model["vocab"] = std::move(vocab);
  model["merges"] = std::move(merges);
  ordered_json document = {{"version", "1.0"},
                           {"truncation", nullptr},
                           {"padding", nullptr},
                           {"added_tokens", std::move(added)},
                           {"normalizer", nullptr},
                           {"pre_tokenizer", byte_level},
                           {"post_processor", byte_level},
                           {"decoder", byte_level}};
  document["model"] = std::move(model);
  return document.dump(2) + "\n";
}

}  // namespace cadre::text
