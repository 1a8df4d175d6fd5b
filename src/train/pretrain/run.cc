#include "train/pretrain/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/base/available_memory.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "model/cost.h"
#include "model/hf.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/checkpoint/run_folder.h"
#include "train/log/run_log.h"
#include "train/pretrain/pace.h"
#include "train/pretrain/plan.h"
#include "train/pretrain/resume.h"
#include "train/pretrain/trainer.h"
#include "train/pretrain/validation.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

// Stands for the end of a run whose end is not decided yet: schedules have not begun to fall.
constexpr int64_t kFarAway = int64_t{1} << 40;
// Of validations, samples and checkpoints, where the configuration leaves their number open.
constexpr int64_t kTimesARun = 10;

model::ModelSpec spec_of_run(const TrainConfig& config, const RunEnvironment& environment) {
  if (config.model.init_from.empty()) {
    return build_spec(config, environment.vocab_size, environment.eos_token_id,
                      environment.pad_token_id);
  }
  model::ModelSpec spec = model::read_spec(config.model.init_from);
  if (spec.vocab_size < environment.vocab_size) {
    fail(ErrorKind::invalid_input, "{}: vocab_size = {}, but the data has {} tokens",
         config.model.init_from, spec.vocab_size, environment.vocab_size);
  }
  if (spec.max_positions < config.data.sequence_length) {
    fail(ErrorKind::invalid_input,
         "{}: max_position_embeddings = {}, expected at least data.sequence_length = {}",
         config.model.init_from, spec.max_positions, config.data.sequence_length);
  }
  apply_router(config.router, spec);
  return spec;
}

CheckpointOptions checkpoint_options(const TrainConfig& config, const RunEnvironment& environment) {
  return {.dtype = config.run.checkpoint_dtype == "f32" ? DType::f32 : DType::bf16,
          .tokenizer_folder = environment.tokenizer_folder,
          .source_model = config.model.init_from};
}

class Run {
 public:
  Run(Context& ctx, const TrainConfig& config, const RunEnvironment& environment,
      TrainObserver& observer)
      : ctx_(ctx),
        config_(config),
        environment_(environment),
        observer_(observer),
        folder_(config.run.folder),
        spec_(spec_of_run(config, environment)) {}

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
    const bool begun = folder_.has_run();
    if (begun && !environment_.resume) {
      fail(ErrorKind::invalid_input,
           "{} holds a run already; resume it, or give another run.folder", config_.run.folder);
    }
    if (begun) expect_same_run(read_config(folder_.config_file()), config_, "resume");
    check_plans();
    save_config(folder_.config_file(), config_);
    folder_.remove_leftovers();
    trainer_ = std::make_unique<Trainer>(ctx_, spec_, config_);
    const std::vector<std::string> damaged = restore_or_initialise();
    writer_ = std::make_unique<CheckpointWriter>(
        ctx_, folder_, trainer_->optimizer(), spec_, checkpoint_options(config_, environment_),
        KeepPolicy{config_.run.keep_last, config_.run.keep_every},
        plan_memory(spec_, config_).activations);
    log_ = std::make_unique<RunLog>(folder_.path(), state_.step > 0 ? state_.step : -1);
    decide_total(config_.run.minutes > 0.0 ? folder_.planned_steps().value_or(0)
                                           : config_.run.steps);
    pace_ = Pace(state_.seconds);
    report_start();
    for (const std::string& text : damaged) warn(text);
  }

  void check_plans() {
    const int64_t steps = config_.run.minutes > 0.0 ? 0 : config_.run.steps;
    check_memory(plan_memory(spec_, config_),
                 static_cast<int64_t>(std::min<uint64_t>(available_memory_bytes(), INT64_MAX)));
    check_disk(
        plan_disk(spec_, config_, steps), config_.run.folder,
        static_cast<int64_t>(std::min<uint64_t>(free_disk_bytes(folder_.path()), INT64_MAX)));
  }

  std::vector<std::string> restore_or_initialise() {
    FoundCheckpoint found;
    if (environment_.resume) found = find_newest_good(folder_);
    if (found.checkpoint) {
      state_ = load_checkpoint(ctx_, found.checkpoint->path, spec_, trainer_->optimizer());
      if (state_.data_fingerprint != environment_.data->fingerprint()) {
        fail(ErrorKind::invalid_input,
             "{}: {} is no longer the data that this run began with; start another run",
             config_.run.folder, config_.data.dataset);
      }
      trainer_->outliers().restore(state_.losses, state_.gradient_norms);
      trainer_->routers().restore(state_.routers);
      last_checkpoint_ = found.checkpoint->path;
      last_saved_step_ = state_.step;
      std::vector<std::string> notes = found.damaged;
      if (!state_.kernels.empty() && state_.kernels != ctx_.kernels().name) {
        notes.push_back(
            fmt::format("this run was trained with {} kernels and goes on with {}: its bits are no "
                        "longer those "
                        "of an uninterrupted run",
                        state_.kernels, ctx_.kernels().name));
      }
      return notes;
    }
    if (!found.damaged.empty()) {
      fail(ErrorKind::corrupt_data, "{}: no checkpoint is whole; {}", config_.run.folder,
           found.damaged.front());
    }
    if (config_.model.init_from.empty()) {
      trainer_->initialise(ctx_);
    } else {
      trainer_->load(ctx_, config_.model.init_from);
    }
    return {};
  }

  void decide_total(int64_t steps) {
    total_ = steps;
    schedule_ = std::make_unique<Schedule>(
        config_.optim.schedule, config_.optim.adamw.learning_rate, steps > 0 ? steps : kFarAway);
  }

  void report_start() {
    const model::ModelCost cost = model::cost(spec_);
    start_.folder = config_.run.folder;
    start_.spec = spec_;
    start_.first_step = state_.step;
    start_.total_steps = total_;
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
      if (total_ == 0 && pace_.can_plan()) plan_total();
    }
  }

  bool done() const { return total_ > 0 && state_.step >= total_; }
  bool stopped() const {
    return environment_.stop_signal != nullptr && environment_.stop_signal->load() != 0;
  }
  // True every `every` steps; 0 stands for a tenth of the run, -1 for never.
  bool due(int64_t every) const {
    if (every < 0 || (every == 0 && total_ == 0)) return false;
    if (every == 0) every = std::max<int64_t>(1, (total_ + kTimesARun - 1) / kTimesARun);
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

  void plan_total() {
    const double looks = look_seconds_ * static_cast<double>(kTimesARun + 1);
    const int64_t total = state_.step + pace_.steps_that_fit(config_.run.minutes * 60.0, looks);
    // First the schedule, which may refuse so short a run: a plan that is written down binds.
    decide_total(total);
    folder_.plan_steps(total);
    start_.total_steps = total;
    tell([&](TrainObserver& o) { o.on_plan(state_.step, total); });
  }

  void save() {
    log_->sync();
    state_.total_steps = total_;
    state_.kernels = ctx_.kernels().name;
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
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Schedule> schedule_;
  RunState state_;
  StartReport start_;
  Pace pace_;
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
