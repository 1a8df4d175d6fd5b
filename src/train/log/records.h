// The lines of metrics.jsonl: one JSON object for each thing that a run tells. Every other log (the
// event files, the report) is made from these lines, so they can be made again after a crash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/json_value.h"
#include "train/observer.h"

namespace cadre::train {

// Each has "event" (start, plan, train, routers, validation, sample, checkpoint, warning), "step"
// and "time" (seconds since 1970).
io::JsonValue start_record(double time, const StartReport& report);
io::JsonValue plan_record(double time, int64_t step, int64_t total_steps);
io::JsonValue step_record(double time, const StepReport& report);
io::JsonValue routers_record(double time, const RouterReport& report);
io::JsonValue validation_record(double time, const ValidationReport& report);
io::JsonValue sample_record(double time, int64_t step, const Sample& sample);
io::JsonValue checkpoint_record(double time, const CheckpointReport& report);
io::JsonValue warning_record(double time, int64_t step, const std::string& text);

// The scalars of a record for TensorBoard, named "train/loss" and so on; empty if it has none.
std::vector<std::pair<std::string, double>> scalars_of(const io::JsonValue& record);

// Reads of members that a record of ours always has; 0 or "" if it is absent or of another kind.
// A null was a number that is not finite, which JSON cannot write: not a number again.
double number_of(const io::JsonValue& record, std::string_view key);
int64_t integer_of(const io::JsonValue& record, std::string_view key);
std::string text_of(const io::JsonValue& record, std::string_view key);

}  // namespace cadre::train
