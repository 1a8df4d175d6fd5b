#include "train/pretrain/validation.h"

#include <cmath>
#include <utility>

namespace cadre::train {
namespace {

void finish(SourceLoss& source, double loss_sum) {
  if (source.tokens > 0) source.loss = loss_sum / static_cast<double>(source.tokens);
  if (source.bytes > 0) {
    source.bits_per_byte = loss_sum / std::log(2.0) / static_cast<double>(source.bytes);
  }
}

}  // namespace

ValidationReport validate(Context& ctx, const Trainer& trainer, const BatchSource& data,
                          int64_t step) {
  ValidationReport report;
  report.step = step;
  report.total.name = "all";
  double total_sum = 0.0;
  const std::vector<std::string> names = data.sources();
  for (size_t s = 0; s < names.size(); ++s) {
    const auto index = static_cast<int64_t>(s);
    SourceLoss source;
    source.name = names[s];
    RouterMonitor routing(trainer.spec());
    double loss_sum = 0.0;
    for (int64_t b = 0; b < data.num_validation_batches(index); ++b) {
      const MicroBatch batch = data.validation_batch(index, b);
      const Evaluation evaluation = trainer.evaluate(ctx, batch, &routing);
      loss_sum += evaluation.loss_sum;
      source.tokens += evaluation.num_targets;
      source.bytes += batch.text_bytes;
    }
    if (source.tokens == 0) continue;
    source.expert_counts = routing.counts();
    total_sum += loss_sum;
    report.total.tokens += source.tokens;
    report.total.bytes += source.bytes;
    finish(source, loss_sum);
    report.sources.push_back(std::move(source));
  }
  finish(report.total, total_sum);
  return report;
}

}  // namespace cadre::train
