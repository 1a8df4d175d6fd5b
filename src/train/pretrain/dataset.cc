#include "train/pretrain/dataset.h"

#include <charconv>
#include <cmath>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/checksum.h"

namespace cadre::train {
namespace {

data::LoaderOptions loader_options(const TrainConfig& config) {
  data::LoaderOptions options;
  options.sequence_length = config.data.sequence_length;
  options.batch_size = config.data.micro_batch;
  options.seed = static_cast<uint64_t>(config.run.seed);
  options.document_masking = config.data.document_masking;
  options.weights = parse_weights(config.data.weights);
  options.max_held_out_tokens = config.data.validation_tokens;
  return options;
}

data::PackedLoader open_loader(const TrainConfig& config) {
  if (config.data.dataset.empty()) {
    fail(ErrorKind::invalid_input,
         "data.dataset is empty, expected a folder that `cadre data` wrote");
  }
  return data::PackedLoader::open(config.data.dataset, loader_options(config));
}

}  // namespace

std::vector<std::pair<std::string, double>> parse_weights(const std::vector<std::string>& weights) {
  std::vector<std::pair<std::string, double>> result;
  for (const std::string& text : weights) {
    const size_t equals = text.find('=');
    double weight = 0.0;
    const char* begin = text.data() + (equals == std::string::npos ? text.size() : equals + 1);
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, weight);
    if (error != std::errc() || stop != end || !std::isfinite(weight) || weight < 0.0) {
      fail(ErrorKind::invalid_input, "data.weights: \"{}\", expected NAME=WEIGHT", text);
    }
    result.emplace_back(text.substr(0, equals), weight);
  }
  return result;
}

Dataset::Dataset(const TrainConfig& config)
    : folder_(config.data.dataset), loader_(open_loader(config)) {}

MicroBatch Dataset::training_batch(int64_t index) const { return loader_.training_batch(index); }

std::vector<std::string> Dataset::sources() const {
  std::vector<std::string> names;
  for (const data::SourceEntry& source : loader_.manifest().sources) names.push_back(source.name);
  return names;
}

int64_t Dataset::num_validation_batches(int64_t source) const {
  return loader_.num_validation_batches(source);
}

MicroBatch Dataset::validation_batch(int64_t source, int64_t index) const {
  return loader_.validation_batch(source, index);
}

// The manifest holds the checksums of all shards and of the tokenizer.
std::string Dataset::fingerprint() const {
  return io::to_hex(io::checksum(data::format_manifest(loader_.manifest())));
}

RunEnvironment Dataset::environment() const {
  RunEnvironment environment;
  environment.data = this;
  environment.vocab_size = loader_.manifest().vocab_size;
  environment.eos_token_id = loader_.manifest().eos_id;
  environment.tokenizer_folder = folder_;
  return environment;
}

}  // namespace cadre::train
