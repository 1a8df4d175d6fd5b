#include "train/pretrain/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/base/error.h"
#include "model/cost.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/checkpoint/run_folder.h"
#include "train/log/run_log.h"
#include "train/pretrain/pace.h"
#include "train/pretrain/plan.h"
#include "train/pretrain/resume.h"
#include "train/pretrain/run_start.h"
#include "train/pretrain/trainer.h"
#include "train/pretrain/validation.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

// Stands for the end of a run whose end is not decided yet: schedules have not begun to fall.
constexpr int64_t kFarAway = int64_t{1} << 40;

CheckpointOptions checkpoint_options(const RunStart& start, const RunEnvironment& environment) {
  return {.dtype = start.config.run.checkpoint_dtype == "f32" ? DType::f32 : DType::bf16,
          .tokenizer_folder = environment.tokenizer_folder,
          .generation_config = start.generation_config};
}

std::string length_text(int64_t total_steps) {
  return total_steps > 0 ? fmt::format("{}", total_steps) : "as many as run.minutes allows";
}

// The place of the run, once nothing speaks against it: a run that cannot begin leaves no folder.
fs::path checked_folder(const TrainConfig& config, const RunEnvironment& environment) {
  if (!holds_run(config.run.folder)) check_new_run(config, environment);
  return config.run.folder;
}

class Run {
 public:
  Run(Context& ctx, const TrainConfig& config, const RunEnvironment& environment,
      TrainObserver& observer)
      : ctx_(ctx),
        config_(config),
        environment_(environment),
        observer_(observer),
        folder_(checked_folder(config, environment)) {}

  RunResult run() {
    prepare();
    try {
      loop();
      finish();
    } catch (const std::exception& error) {
      // The logs may be what cannot be written.
      try {
        observer_.on_warning(state_.step, fmt::format("training stopped: {}", error.what()));
        log_->on_warning(state_.step, fmt::format("training stopped: {}", error.what()));
      } catch (const std::exception&) {
      }
      throw;
    }
    return result();
  }

 private:
  // --- before the first step
  void prepare() {
    if (folder_.has_run() && !environment_.resume) {
      fail(ErrorKind::invalid_input,
           "{} holds a run already; resume it, or give another run.folder", config_.run.folder);
    }
    if (fs::exists(folder_.config_file())) {
      expect_same_run(read_config(folder_.config_file()), config_, "resume");
    }
    folder_.remove_leftovers();
    const RunStart start = find_start(config_, environment_, folder_);
    spec_ = start.spec;
    load_balancing_ = start.config.loss.load_balancing;
    if (config_.run.minutes > 0.0) planned_ = folder_.plan();
    check_memory_left(spec_, config_);
    check_disk_left(spec_, config_, known_total(), folder_.bytes());
    trainer_ = std::make_unique<Trainer>(ctx_, spec_, start.config);
    const std::vector<std::string> notes = restore_or_initialise(start);
    // Before its step a plan is known, but was not when those steps were taken first.
    decide_total(planned_ && state_.step < planned_->step ? 0 : known_total());
    // Nothing speaks against the run any more.
    save_config(folder_.config_file(), config_);
    writer_ = std::make_unique<CheckpointWriter>(
        ctx_, folder_, trainer_->optimizer(), spec_, checkpoint_options(start, environment_),
        KeepPolicy{config_.run.keep_last, config_.run.keep_every},
        plan_memory(spec_, config_).activations);
    log_ = std::make_unique<RunLog>(folder_.path(), state_.step > 0 ? state_.step : -1);
    pace_ = Pace(state_.seconds);
    report_start();
    for (const std::string& text : notes) warn(text);
  }

  // The steps that the run takes in all; 0 if that will follow from the time that they take.
  int64_t known_total() const {
    if (config_.run.minutes > 0.0) return planned_ ? planned_->total_steps : 0;
    return config_.run.steps;
  }

  std::vector<std::string> restore_or_initialise(const RunStart& start) {
    if (start.checkpoint) return restore(start);
    if (config_.model.init_from.empty()) {
      trainer_->initialise(ctx_);
    } else {
      trainer_->load(ctx_, config_.model.init_from);
    }
    return {};
  }

  std::vector<std::string> restore(const RunStart& start) {
    state_ = load_checkpoint(ctx_, start.checkpoint->path, spec_, trainer_->optimizer());
    if (state_.data_fingerprint != environment_.data->fingerprint()) {
      fail(ErrorKind::invalid_input,
           "{}: {} is not the data that this run began with; start another run", config_.run.folder,
           config_.data.dataset);
    }
    trainer_->outliers().restore(state_.losses, state_.gradient_norms);
    trainer_->routers().restore(state_.routers);
    last_checkpoint_ = start.checkpoint->path;
    last_saved_step_ = state_.step;
    std::vector<std::string> notes = start.notes;
    if (!state_.kernels.empty() && state_.kernels != ctx_.kernels().name) {
      notes.push_back(
          fmt::format("this run was trained with {} kernels and goes on with {}: its bits are no "
                      "longer those of an uninterrupted run",
                      state_.kernels, ctx_.kernels().name));
    }
    if (rates_differ()) {
      notes.push_back(fmt::format(
          "this run was to take {} steps and now takes {}: the {} steps done had other learning "
          "rates, so its bits are not those of such a run from the start",
          length_text(state_.total_steps), length_text(known_total()), state_.step));
    }
    return notes;
  }

  // Whether the step before the checkpoint would have had another rate in a run of the length that
  // this one has now.
  bool rates_differ() const {
    const int64_t total = planned_ && state_.step <= planned_->step ? 0 : known_total();
    if (state_.step == 0 || total == state_.total_steps) return false;
    return make_schedule(total).at(state_.step - 1) !=
           make_schedule(state_.total_steps).at(state_.step - 1);
  }

  // 0 for a length that is not decided.
  Schedule make_schedule(int64_t total_steps) const {
    return Schedule(config_.optim.schedule, config_.optim.adamw.learning_rate,
                    total_steps > 0 ? total_steps : kFarAway);
  }

  void decide_total(int64_t steps) {
    schedule_ = std::make_unique<Schedule>(make_schedule(steps));
    total_ = steps;
  }

  void report_start() {
    const model::ModelCost cost = model::cost(spec_);
    start_.folder = config_.run.folder;
    start_.spec = spec_;
    start_.first_step = state_.step;
    start_.total_steps = known_total();
    start_.tokens_per_step = config_.tokens_per_step();
    start_.total_parameters = cost.total_parameters;
    start_.active_parameters = cost.active_parameters;
    start_.flops_per_token =
        model::training_matmul_flops_per_token(spec_, config_.data.sequence_length);
    start_.peak_flops = environment_.peak_flops;
    start_.sources = environment_.data->sources();
    tell([&](TrainObserver& o) { o.on_start(start_); });
  }

  // --- the loop
  void loop() {
    if (state_.step == 0) look_at_model();
    while (!done() && !stopped()) {
      step();
      if (state_.step % config_.run.log_every == 0) report_routers();
      if (due(config_.run.validate_every) || done()) look_at_model();
      if (due(config_.run.checkpoint_every) && !done()) save();
      writer_->check();
      if (total_ == 0) plan_total();
    }
  }

  bool done() const { return total_ > 0 && state_.step >= total_; }
  bool stopped() const {
    return environment_.stop_signal != nullptr && environment_.stop_signal->load() != 0;
  }
  // True every `every` steps; 0 stands for a tenth of the run, -1 for never.
  bool due(int64_t every) const {
    if (every < 0 || (every == 0 && total_ == 0)) return false;
    if (every == 0) every = automatic_interval(total_);
    return state_.step % every == 0;
  }

  void step() {
    const auto begin = Pace::Clock::now();
    const int64_t accumulation = config_.data.accumulation;
    std::vector<MicroBatch> batches;
    for (int64_t i = 0; i < accumulation; ++i) {
      batches.push_back(environment_.data->training_batch(state_.step * accumulation + i));
    }
    const double rate = schedule_->at(state_.step);
    const StepResult result = trainer_->step(ctx_, batches, state_.step, rate);
    for (const MicroBatch& batch : batches) {
      state_.tokens += static_cast<int64_t>(batch.tokens.size());
    }
    ++state_.step;
    pace_.step_done(seconds_since(begin));
    loss_ = result.loss;
    count_skips(result);
    tell([&](TrainObserver& o) { o.on_step(step_report(result, rate)); });
  }

  StepReport step_report(const StepResult& result, double rate) const {
    StepReport report;
    report.step = state_.step;
    report.loss = result.loss;
    report.load_balancing = result.load_balancing;
    report.z = result.z;
    report.importance = result.importance;
    report.load = result.load;
    report.dropped_share = result.dropped_share;
    report.learning_rate = rate;
    report.gradient_norm = result.gradient_norm;
    report.skipped = result.skipped;
    report.skipped_in_all = state_.skipped_in_all;
    report.tokens = state_.tokens;
    const double seconds = pace_.seconds_per_step();
    report.tokens_per_second = static_cast<double>(config_.tokens_per_step()) / seconds;
    if (start_.peak_flops > 0.0) {
      report.peak_share = report.tokens_per_second * start_.flops_per_token / start_.peak_flops;
    }
    const double left = config_.run.minutes * 60.0 - pace_.elapsed();
    report.seconds_left = total_ > 0 ? static_cast<double>(total_ - state_.step) * seconds : left;
    return report;
  }

  void count_skips(const StepResult& result) {
    state_.skipped_in_a_row = result.skipped ? state_.skipped_in_a_row + 1 : 0;
    if (!result.skipped) return;
    ++state_.skipped_in_all;
    warn(fmt::format("step {} skipped: loss {:.4g}, gradient norm {:.4g}", state_.step, result.loss,
                     result.gradient_norm));
    if (state_.skipped_in_a_row < config_.optim.max_skipped_in_a_row) return;
    fail(ErrorKind::invalid_input,
         "{} steps in a row were skipped, the last with loss {:.4g} and gradient norm {:.4g}: "
         "training diverges; try a lower optim.learning_rate or a longer optim.warmup_steps",
         state_.skipped_in_a_row, result.loss, result.gradient_norm);
  }

  void report_routers() {
    std::vector<std::string> warnings;
    const RouterReport report = trainer_->routers().report(state_.step, warnings);
    if (report.layers.empty()) return;
    tell([&](TrainObserver& o) { o.on_routers(report); });
    for (const std::string& text : warnings) warn(text);
  }

  // Validation and samples.
  void look_at_model() {
    const auto begin = Pace::Clock::now();
    if (config_.run.validate_every >= 0) {
      validation_ = validate(ctx_, *trainer_, *environment_.data, state_.step);
      tell([&](TrainObserver& o) { o.on_validation(*validation_); });
    }
    const bool sampling =
        environment_.sample && config_.run.sample_every >= 0 && model::can_decode(spec_);
    if (sampling && (config_.run.sample_every == 0 || due(config_.run.sample_every) || done())) {
      const std::vector<Sample> samples = environment_.sample(ctx_, *trainer_->decoder());
      tell([&](TrainObserver& o) { o.on_samples(state_.step, samples); });
    }
    // Validation and samples have shapes of their own, which training does not need.
    ctx_.allocator().release_unused();
    look_seconds_ = seconds_since(begin);
  }

  // The end of a run measured in minutes: as it was planned once, or when the pace is known.
  void plan_total() {
    if (!planned_) {
      if (!pace_.can_plan()) return;
      const double looks = look_seconds_ * static_cast<double>(kTimesARun + 1);
      const int64_t steps = pace_.steps_that_fit(config_.run.minutes * 60.0, looks);
      const RunPlan plan = {.total_steps = state_.step + steps, .step = state_.step};
      // A plan that is written down binds: first what may refuse it, the schedule and the disk.
      make_schedule(plan.total_steps);
      writer_->wait();
      check_disk_left(spec_, config_, plan.total_steps, folder_.bytes());
      folder_.write_plan(plan);
      planned_ = plan;
    } else if (state_.step < planned_->step) {
      return;
    }
    decide_total(planned_->total_steps);
    start_.total_steps = total_;
    tell([&](TrainObserver& o) { o.on_plan(state_.step, total_); });
  }

  void save() {
    log_->sync();
    state_.total_steps = total_;
    state_.kernels = ctx_.kernels().name;
    state_.load_balancing = load_balancing_;
    state_.optimizer_steps = trainer_->optimizer().steps();
    state_.losses = trainer_->outliers().losses();
    state_.gradient_norms = trainer_->outliers().norms();
    state_.routers = trainer_->routers().sums();
    state_.seconds = pace_.elapsed();
    state_.data_fingerprint = environment_.data->fingerprint();
    const CheckpointReport report = writer_->save(ctx_, state_);
    last_checkpoint_ = report.folder;
    last_saved_step_ = state_.step;
    tell([&](TrainObserver& o) { o.on_checkpoint(report); });
  }

  void finish() {
    if (last_saved_step_ != state_.step) save();
    writer_->wait();
    tell([&](TrainObserver& o) { o.on_finish(state_.step); });
  }

  RunResult result() const {
    RunResult result;
    result.step = state_.step;
    result.total_steps = total_;
    result.tokens = state_.tokens;
    result.loss = loss_;
    result.seconds = pace_.elapsed();
    result.skipped_steps = state_.skipped_in_all;
    result.validation = validation_;
    result.folder = folder_.path();
    result.checkpoint = last_checkpoint_;
    if (!done() && stopped()) result.stop_signal = environment_.stop_signal->load();
    return result;
  }

  // The log first: what is shown has been kept.
  template <typename Event>
  void tell(const Event& event) {
    event(static_cast<TrainObserver&>(*log_));
    event(observer_);
  }
  void warn(const std::string& text) {
    tell([&](TrainObserver& o) { o.on_warning(state_.step, text); });
  }

  Context& ctx_;
  const TrainConfig config_;
  const RunEnvironment& environment_;
  TrainObserver& observer_;
  RunFolder folder_;
  model::ModelSpec spec_;
  std::string load_balancing_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Schedule> schedule_;
  RunState state_;
  StartReport start_;
  Pace pace_;
  std::optional<RunPlan> planned_;
  int64_t total_ = 0;  // 0 while it is not decided
  double loss_ = 0.0;
  double look_seconds_ = 0.0;
  int64_t last_saved_step_ = -1;
  fs::path last_checkpoint_;
  std::optional<ValidationReport> validation_;
  std::unique_ptr<CheckpointWriter> writer_;  // last: it waits for its thread before the rest dies
};

}  // namespace

RunResult train(Context& ctx, const TrainConfig& config, const RunEnvironment& environment,
                TrainObserver& observer) {
  CADRE_CHECK(environment.data != nullptr);
  validate(config);
  return Run(ctx, config, environment, observer).run();
}

}  // namespace cadre::train
