#include "text/bpe_model.h"

#include "core/base/error.h"

namespace cadre::text {

MergeTable merge_table(const std::vector<BpeSpec::Merge>& merges) {
  MergeTable table(static_cast<int64_t>(merges.size()));
  uint32_t rank = 0;
  for (const BpeSpec::Merge& merge : merges) {
    table.set(merge.left, merge.right, rank++, merge.merged);
  }
  return table;
}

BpeModel::BpeModel(BpeSpec spec)
    : byte_ids_(spec.byte_ids),
      merges_(merge_table(spec.merges)),
      unknown_id_(spec.unknown_id),
      fuse_unknown_(spec.fuse_unknown),
      ignore_merges_(spec.ignore_merges),
      words_(std::move(spec.words)) {}

void BpeModel::encode(std::string_view word, ModelScratch& scratch,
                      std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  CADRE_CHECK(word.size() < 0x7fffffff);
  std::vector<int32_t>& symbols = scratch.merge.ids;
  symbols.clear();
  bool after_unknown = false;
  for (char byte : word) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (unknown_id_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      symbols.push_back(unknown_id_);
    }
    after_unknown = id < 0;
  }
  merge_symbols(merges_, scratch.merge);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace cadre::text
