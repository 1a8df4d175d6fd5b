// The learning rate as a function of the step: a warm-up, a main course, and, if asked for, a final
// anneal to zero. With s the step (the first is 0), w the warm-up, T the steps of the main course
// (all steps but those of the anneal), lr the peak and f the floor as a share of the peak:
//
//   s < w       lr * (start + (1 - start) * s / w)
//   cosine      lr * (f + (1 - f) * (1 + cos(pi * p)) / 2)     p = (s - w) / (T - w)
//   linear      lr * (f + (1 - f) * (1 - p))
//   constant    lr
//   wsd         lr until the last decay_share of T, then lr * (f + (1 - f) * (1 - q)), or with
//               1 - sqrt(q) in place of 1 - q, where q runs from 0 to 1 over the decay
//   s >= T      the anneal: from the value at T linearly to 0 over anneal_steps
//
// The cosine is OLMoE's (arXiv:2409.02060), whose warm-up starts at a tenth of the peak. Warm-up,
// stable, decay: Hu et al., "MiniCPM", arXiv:2404.06395; the square root: Hägele et al.,
// arXiv:2405.18392.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/fields.h"

namespace cadre::train {

struct ScheduleOptions {
  std::string schedule = "cosine";
  int64_t warmup_steps = -1;
  double warmup_start_factor = 0.1;
  double final_factor = 0.1;
  double decay_share = 0.2;
  std::string decay_shape = "sqrt";
  int64_t anneal_steps = 0;

  void visit_fields(auto&& field) {
    field("schedule", schedule, Choices{{"cosine", "linear", "constant", "wsd"}},
          "course of the learning rate after the warm-up");
    field("warmup_steps", warmup_steps, Interval{-1, 1e12},
          "steps until the peak is reached; -1 means a tenth of the run, at most 100");
    field("warmup_start_factor", warmup_start_factor, Interval{0.0, 1.0},
          "where the warm-up starts, as a share of the peak");
    field("final_factor", final_factor, Interval{0.0, 1.0},
          "where the schedule ends, as a share of the peak");
    field("decay_share", decay_share, Interval{0.0, 1.0},
          "wsd: the last share of the steps, in which the rate decays");
    field("decay_shape", decay_shape, Choices{{"sqrt", "linear"}},
          "wsd: 1 - sqrt(q) or 1 - q over the decay");
    field("anneal_steps", anneal_steps, Interval{0, 1e12},
          "the last steps, in which the rate falls linearly to zero");
  }
};

class Schedule {
 public:
  // Throws Error(invalid_input) if total_steps < 1 or the anneal is longer than the run.
  Schedule(ScheduleOptions options, double peak, int64_t total_steps);

  // The rate of the given step, counted from 0. Steps beyond the end have the last value.
  double at(int64_t step) const;
  int64_t total_steps() const { return total_steps_; }

 private:
  double main_course(int64_t step) const;

  ScheduleOptions options_;
  double peak_;
  int64_t total_steps_;
};

}  // namespace cadre::train
