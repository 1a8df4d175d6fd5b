#include "tests/train/tiny.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "core/base/cpu_features.h"
#include "core/base/file.h"
#include "core/io/checksum.h"
#include "core/io/json.h"
#include "train/log/records.h"

namespace cadre::train {

Machine::Machine(int threads)
    : pool(threads), ctx(pool, kernels::choose_table(detect_cpu_features(), "auto"), allocator) {}

TrainConfig tiny_config() {
  TrainConfig config;
  config.model.hidden_size = 32;
  config.model.num_layers = 2;
  config.model.num_heads = 2;
  config.model.num_experts = 4;
  config.model.top_k = 2;
  config.model.expert_size = 32;
  config.data.dataset = "rule";
  config.data.sequence_length = 32;
  config.data.micro_batch = 4;
  config.optim.adamw.learning_rate = 1e-2;
  config.optim.schedule.warmup_steps = 5;
  config.run.steps = 20;
  config.run.log_every = 5;
  config.run.validate_every = 10;
  config.run.checkpoint_every = 10;
  config.run.peak_gflops = 1.0;
  return config;
}

MicroBatch RuleText::batch(uint64_t stream, int64_t index, int64_t source) const {
  const int64_t length = config_.data.sequence_length;
  MicroBatch result;
  for (int64_t row = 0; row < config_.data.micro_batch; ++row) {
    RandomStream random(7, stream);
    random.seek(static_cast<uint64_t>(index * config_.data.micro_batch + row) << 20);
    const uint64_t kind = source >= 0 ? static_cast<uint64_t>(source) : random.below(2);
    result.starts.push_back(row * length);
    auto token = static_cast<int32_t>(random.below(kTinyVocab));
    for (int64_t t = 0; t < length; ++t) {
      result.tokens.push_back(token);
      token = kind == 0 ? (token + 1) % 32 : 32 + (token * 5 + 3) % 32;
      if (random.below(10) == 0) token = static_cast<int32_t>(random.below(kTinyVocab));
      result.targets.push_back(t + 1 < length ? token : -1);
    }
  }
  result.num_targets = config_.data.micro_batch * (length - 1);
  result.text_bytes = result.num_targets;
  return result;
}

MicroBatch RuleText::training_batch(int64_t index) const { return batch(1, index, -1); }

MicroBatch RuleText::validation_batch(int64_t source, int64_t index) const {
  return batch(2, index * 2 + source, source);
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "cadre-train-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

RunResult run_tiny(const TrainConfig& config, bool resume, int threads) {
  Machine machine(threads);
  const RuleText text(config);
  RunEnvironment environment;
  environment.data = &text;
  environment.vocab_size = kTinyVocab;
  environment.resume = resume;
  TrainObserver silent;
  return train(machine.ctx, config, environment, silent);
}

std::string fingerprint(const std::filesystem::path& checkpoint) {
  std::string result;
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    result += io::to_hex(io::checksum(MappedFile::open(checkpoint / name)->bytes())) + " ";
  }
  return result;
}

std::vector<std::string> metrics(const std::filesystem::path& run,
                                 const std::vector<std::string>& events) {
  std::vector<std::string> lines;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    io::JsonValue record = io::parse_json(line, "metrics.jsonl");
    if (std::find(events.begin(), events.end(), text_of(record, "event")) == events.end()) continue;
    for (const char* key : {"time", "tokens_per_second", "peak_share"}) record.set(key, 0);
    lines.push_back(record.dump());
  }
  return lines;
}

std::vector<std::vector<float>> masters(const Trainer& trainer) {
  std::vector<std::vector<float>> result;
  for (int64_t i = 0; i < trainer.parameters()->size(); ++i) {
    const auto values = trainer.optimizer().master(i).span<float>();
    result.emplace_back(values.begin(), values.end());
  }
  return result;
}

double train_steps(Machine& machine, Trainer& trainer, const RuleText& text, int64_t steps,
                   int64_t period) {
  double loss = 0.0;
  for (int64_t step = 0; step < steps; ++step) {
    const std::vector<MicroBatch> batch = {text.training_batch(step % period)};
    loss = trainer.step(machine.ctx, batch, step, 1e-2).loss;
  }
  return loss;
}

}  // namespace cadre::train
