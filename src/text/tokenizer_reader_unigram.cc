// The model of kind Unigram in tokenizer.json, and the choice among models.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "text/char_bpe_model.h"
#include "text/tokenizer_reader.h"
#include "text/unigram_model.h"

namespace cadre::text {

std::array<int32_t, 256> byte_fallback_ids(const Tokenizer::Data& data) {
  std::array<int32_t, 256> ids{};
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = data.ids.find(byte_token(byte));
    ids[byte] = found == data.ids.end() ? -1 : found->second;
  }
  return ids;
}

void read_unigram(const JsonField& field, Tokenizer::Data& data) {
  field.expect_only({"type", "unk_id", "vocab", "byte_fallback"});
  const auto unknown = field.find("unk_id");
  if (!unknown) field.unsupported("unk_id is null: text with unknown characters has no tokens");
  UnigramSpec spec;
  const JsonField vocab = field.at("vocab");
  if (!vocab.value().is_array()) vocab.corrupt("expected an array of tokens and scores");
  data.pieces.reserve(vocab.value().size());
  for (const nlohmann::json& entry : vocab.value()) {
    const size_t id = data.pieces.size();
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      vocab.corrupt(fmt::format("[{}]: expected a token and its score", id));
    }
    const double score = entry[1].get<double>();
    if (!std::isfinite(score)) vocab.corrupt(fmt::format("[{}]: the score is not finite", id));
    const std::string& written = entry[0].get_ref<const std::string&>();
    data.pieces.push_back({.written = written, .present = true});
    data.ids[written] = static_cast<int32_t>(id);  // of equal tokens the last counts
    spec.pieces.push_back({.text = written, .score = score});
  }
  if (spec.pieces.empty()) vocab.corrupt("is empty");
  spec.unknown_id =
      static_cast<int32_t>(unknown->integer(0, static_cast<int64_t>(spec.pieces.size()) - 1));
  spec.byte_ids.fill(-1);
  data.summary.model = "unigram";
  if (field.flag_or("byte_fallback", false)) {
    spec.byte_ids = byte_fallback_ids(data);
    data.summary.model = "unigram with byte fallback";
  }
  data.model = std::make_unique<const UnigramModel>(std::move(spec), vocab.place());
}

int64_t read_model(const JsonField& field, bool byte_level, std::vector<PreTokenizerStep>& steps,
                   Tokenizer::Data& data) {
  // The first files of GPT-2 have no type.
  const std::string type = field.text_or("type", "BPE");
  if (type == "BPE") {
    read_bpe(field, byte_level, steps, data);
    return static_cast<int64_t>(data.ids.size());
  }
  if (type == "Unigram") {
    if (byte_level) field.unsupported("Unigram behind ByteLevel");
    read_unigram(field, data);
    return static_cast<int64_t>(data.pieces.size());
  }
  field.unsupported(fmt::format("model \"{}\"", type));
}

}  // namespace cadre::text
