#include "text/published_setups.h"

#include <string_view>

namespace cadre::text {
namespace {

constexpr size_t kYuanPieces = 134953;
constexpr int32_t kYuanEndOfText = 77185;
constexpr std::string_view kYuanOwn[] = {"<eod>", "<n>", "<sep>", "<pad>"};  // ids from <eod> on
constexpr std::string_view kYuanMore[] = {
    "<mask>",          "<predict>",        "<FIM_SUFFIX>",   "<FIM_PREFIX>",    "<FIM_MIDDLE>",
    "<commit_before>", "<commit_msg>",     "<commit_after>", "<jupyter_start>", "<jupyter_text>",
    "<jupyter_code>",  "<jupyter_output>", "<empty_output>", "<repo_name>",     "<file_sep>"};

bool is_yuan(const SentencePieceModel& model) {
  if (model.pieces.size() != kYuanPieces) return false;
  int32_t id = kYuanEndOfText;
  for (std::string_view own : kYuanOwn) {
    if (model.pieces[id++].text != own) return false;
  }
  return true;
}

}  // namespace

std::optional<SentencePieceSetup> published_setup(const SentencePieceModel& model) {
  if (!is_yuan(model)) return std::nullopt;
  SentencePieceSetup setup;
  setup.add_bos = false;
  setup.eos_id = kYuanEndOfText;
  int32_t id = kYuanEndOfText;
  for (std::string_view own : kYuanOwn) {
    setup.added_tokens.push_back({.id = id++, .content = std::string(own), .special = true});
  }
  id = static_cast<int32_t>(kYuanPieces);
  for (std::string_view more : kYuanMore) {
    setup.added_tokens.push_back({.id = id++, .content = std::string(more), .special = true});
  }
  return setup;
}

}  // namespace cadre::text
