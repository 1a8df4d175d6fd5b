#include "cli/train_console.h"

#include <fmt/format.h>

#include "cli/human.h"

namespace cadre::cli {
namespace {

std::string describe(const model::ModelSpec& spec) {
  std::string text =
      fmt::format("{} layers of hidden size {}", spec.num_layers(), spec.hidden_size);
  if (const auto* moe = std::get_if<model::MoeSpec>(&spec.blocks.front().feed_forward)) {
    text += fmt::format(", {} experts of which each token meets {}", moe->router.num_experts,
                        moe->router.top_k);
  }
  return text;
}

}  // namespace

void TrainConsole::on_start(const train::StartReport& report) {
  bar_.print_above(fmt::format("model: {} parameters, {} of them active; {}",
                               human_count(static_cast<double>(report.total_parameters)),
                               human_count(static_cast<double>(report.active_parameters)),
                               describe(report.spec)));
  bar_.print_above(fmt::format("{} {}: {} tokens a step",
                               report.first_step > 0 ? "resuming" : "run", report.folder,
                               grouped(report.tokens_per_step)));
  bar_.set_total(report.total_steps);
}

void TrainConsole::on_plan(int64_t step, int64_t total_steps) {
  bar_.set_total(total_steps);
  bar_.print_above(
      fmt::format("step {}: the time allows {} steps", grouped(step), grouped(total_steps)));
}

void TrainConsole::on_step(const train::StepReport& report) {
  std::string note = fmt::format("{} tokens/s", human_count(report.tokens_per_second));
  if (report.peak_share > 0.0) note += fmt::format(" ({:.0f}% of peak)", 100 * report.peak_share);
  note += fmt::format("  loss {:.3f}", report.loss);
  if (report.dropped_share > 0.0) {
    note += fmt::format("  dropped {:.1f}%", 100 * report.dropped_share);
  }
  bar_.update(report.step, note, /*rate=*/0.0, report.seconds_left);
}

void TrainConsole::on_validation(const train::ValidationReport& report) {
  std::string line =
      fmt::format("step {}: held out {:.3f} bits/byte, loss {:.3f}", grouped(report.step),
                  report.total.bits_per_byte, report.total.loss);
  if (report.sources.size() > 1) {
    for (const train::SourceLoss& source : report.sources) {
      line += fmt::format("{}{} {:.3f}", &source == &report.sources.front() ? " (" : ", ",
                          source.name, source.bits_per_byte);
    }
    line += ")";
  }
  bar_.print_above(line);
}

void TrainConsole::on_checkpoint(const train::CheckpointReport& report) {
  if (!report.in_background || report.blocked_seconds > 1.0) {
    bar_.print_above(fmt::format("step {}: checkpoint held training up for {}",
                                 grouped(report.step), human_duration(report.blocked_seconds)));
  }
}

void TrainConsole::on_warning(int64_t step, const std::string& text) {
  bar_.print_above(fmt::format("step {}: warning: {}", grouped(step), text));
}

void TrainConsole::on_finish(int64_t /*step*/) { bar_.finish(); }

}  // namespace cadre::cli
