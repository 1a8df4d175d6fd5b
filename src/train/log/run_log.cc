#include "train/log/run_log.h"

#include <chrono>
#include <utility>

#include "core/base/file.h"
#include "train/log/metrics_file.h"
#include "train/log/records.h"
#include "train/log/tensorboard.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

// One name, so that a resumed run replaces its file; the digits stand where TensorBoard expects the
// time of creation.
constexpr const char* kEventFile = "events.out.tfevents.1.cadre";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

RunLog::RunLog(fs::path folder, int64_t step) : folder_(std::move(folder)) {
  const fs::path metrics = folder_ / "metrics.jsonl";
  events_ = std::make_unique<AppendFile>(folder_ / kEventFile, 0);
  events_->write(version_record(now()));
  const uint64_t kept =
      read_metrics(metrics, step, [this](const io::JsonValue& line) { take(line); });
  metrics_ = std::make_unique<AppendFile>(metrics, kept);
}

RunLog::~RunLog() = default;

// What the other logs make of a line.
void RunLog::take(const io::JsonValue& record) {
  report_.add(record);
  const auto scalars = scalars_of(record);
  if (scalars.empty()) return;
  events_->write(event_record(number_of(record, "time"), integer_of(record, "step"), scalars));
}

void RunLog::add(const io::JsonValue& record) {
  metrics_->write(record.dump() + "\n");
  take(record);
}

void RunLog::on_start(const StartReport& report) { add(start_record(now(), report)); }
void RunLog::on_plan(int64_t step, int64_t total_steps) {
  add(plan_record(now(), step, total_steps));
}

void RunLog::on_step(const StepReport& report) { add(step_record(now(), report)); }
void RunLog::on_routers(const RouterReport& report) { add(routers_record(now(), report)); }

void RunLog::on_validation(const ValidationReport& report) {
  add(validation_record(now(), report));
  write_report();
}

void RunLog::on_samples(int64_t step, const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) add(sample_record(now(), step, sample));
  write_report();
}

void RunLog::on_checkpoint(const CheckpointReport& report) {
  add(checkpoint_record(now(), report));
  write_report();
}

void RunLog::on_warning(int64_t step, const std::string& text) {
  add(warning_record(now(), step, text));
}

void RunLog::on_finish(int64_t) {
  sync();
  write_report();
}

void RunLog::sync() { metrics_->sync(); }

void RunLog::write_report() const {
  write_file_atomically(folder_ / "report.html", report_.html());
}

}  // namespace cadre::train
