#include "data/loader.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/fields.h"
#include "core/base/random.h"
#include "core/io/checksum.h"
#include "data/permutation.h"

namespace cadre::data {
namespace {

constexpr int64_t kMaxSequence = int64_t{1} << 30;

std::vector<double> chosen_weights(const DatasetManifest& manifest, const LoaderOptions& options) {
  std::vector<double> weights;
  std::vector<std::string> names;
  for (const SourceEntry& source : manifest.sources) {
    weights.push_back(source.weight);
    names.push_back(source.name);
  }
  for (const auto& [name, weight] : options.weights) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) fail_unknown_key("weights of sources", name, names);
    weights[static_cast<size_t>(found - names.begin())] = weight;
  }
  return weights;
}

void check_options(const LoaderOptions& options) {
  if (options.sequence_length < 1 || options.sequence_length > kMaxSequence) {
    fail(ErrorKind::invalid_input, "sequence_length = {}, expected 1 to {}",
         options.sequence_length, kMaxSequence);
  }
  if (options.batch_size < 1 || options.batch_size > kMaxSequence / options.sequence_length) {
    fail(ErrorKind::invalid_input, "batch_size = {}, expected 1 to {} for sequences of {}",
         options.batch_size, kMaxSequence / options.sequence_length, options.sequence_length);
  }
}

}  // namespace

PackedLoader PackedLoader::open(const std::filesystem::path& folder, const LoaderOptions& options) {
  check_options(options);
  DatasetManifest manifest = read_manifest(folder);
  SourceSchedule schedule(chosen_weights(manifest, options));
  PackedLoader loader(std::move(manifest), options, std::move(schedule));
  for (size_t s = 0; s < loader.manifest_.sources.size(); ++s) {
    const SourceEntry& entry = loader.manifest_.sources[s];
    const int64_t vocab_size = loader.manifest_.vocab_size;
    TokenStream train = TokenStream::open(folder, entry.train, vocab_size, options.verify);
    TokenStream held_out = TokenStream::open(folder, entry.held_out, vocab_size, options.verify);
    HeldOutPlan plan(held_out, options.max_held_out_tokens);
    // By name: a source keeps its order when another joins the dataset.
    const uint64_t key = mix_bits(options.seed) ^ io::checksum(entry.name);
    const int64_t sequences =
        std::max<int64_t>(train.num_tokens() - 1, 0) / options.sequence_length;
    const bool drawn = loader.schedule_.share(static_cast<int64_t>(s)) > 0.0;
    if (drawn && sequences == 0) {
      fail(ErrorKind::invalid_input,
           "{}: source \"{}\" has {} tokens for training, expected at least the {} of one sequence",
           folder.string(), entry.name, train.num_tokens(), options.sequence_length + 1);
    }
    loader.sources_.push_back(
        {std::move(train), std::move(held_out), std::move(plan), key, drawn ? sequences : 0});
  }
  return loader;
}

void PackedLoader::append_sequence(const Source& source, int64_t draw, Batch& batch) const {
  const int64_t epoch = draw / source.sequences;
  const RandomStream random(source.key, static_cast<uint64_t>(epoch));
  const Permutation order(source.sequences, random.at(0));
  const int64_t length = options_.sequence_length;
  const int64_t spare = source.train.num_tokens() - 1 - source.sequences * length;
  const auto shift = static_cast<int64_t>(random.at(1) % static_cast<uint64_t>(spare + 1));
  const int64_t begin = shift + order(draw % source.sequences) * length;
  const int64_t end = begin + length;
  if (!options_.document_masking) {
    // One segment: whatever token follows is a target.
    append_segment(source.train, begin, end, source.train.num_tokens(), batch);
    return;
  }
  int64_t document = source.train.document_of(begin);
  for (int64_t at = begin; at < end; ++document) {
    const int64_t document_end = source.train.document(document).end;
    const int64_t stop = std::min(end, document_end);
    append_segment(source.train, at, stop, document_end, batch);
    at = stop;
  }
}

Batch PackedLoader::training_batch(int64_t index) const {
  CADRE_CHECK(index >= 0);
  Batch batch;
  const auto tokens = static_cast<size_t>(options_.batch_size * options_.sequence_length);
  batch.tokens.reserve(tokens);
  batch.targets.reserve(tokens);
  batch.positions.reserve(tokens);
  for (int64_t row = 0; row < options_.batch_size; ++row) {
    const SourceSchedule::Slot slot = schedule_.at(index * options_.batch_size + row);
    batch.sources.push_back(slot.source);
    append_sequence(sources_[static_cast<size_t>(slot.source)], slot.index, batch);
  }
  return batch;
}

int64_t PackedLoader::sequences(int64_t source) const {
  return sources_.at(static_cast<size_t>(source)).sequences;
}

double PackedLoader::epochs(int64_t source, int64_t batches) const {
  const int64_t total = sequences(source);
  if (total == 0) return 0.0;
  const double drawn = static_cast<double>(batches) * static_cast<double>(options_.batch_size) *
                       schedule_.share(source);
  return drawn / static_cast<double>(total);
}

const HeldOutPlan& PackedLoader::held_out(int64_t source) const {
  return sources_.at(static_cast<size_t>(source)).plan;
}

int64_t PackedLoader::num_validation_batches(int64_t source) const {
  return held_out(source).num_batches(options_.batch_size, options_.sequence_length);
}

Batch PackedLoader::validation_batch(int64_t source, int64_t index) const {
  const Source& from = sources_.at(static_cast<size_t>(source));
  return from.plan.batch(from.held_out, static_cast<int32_t>(source), index, options_.batch_size,
                         options_.sequence_length);
}

}  // namespace cadre::data
