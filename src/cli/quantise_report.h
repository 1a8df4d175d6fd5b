// What `cadre quantise` tells: the formats of a file, what they lose, and which experts the
// calibration text reached.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/io/json_value.h"
#include "quant/importance.h"
#include "quant/measure.h"
#include "quant/tensors.h"

namespace cadre::cli {

struct QuantiseReport {
  std::string output;
  std::string format;  // "gguf"
  std::vector<quant::OutputTensor> tensors;
  std::vector<quant::RoundingError> errors;  // of each parameter
  std::vector<quant::ExpertCoverage> coverage;
  int64_t unknown = 0;     // rounded parameters without importance
  int64_t bytes = 0;       // of all tensors
  int64_t file_bytes = 0;  // of all that was written, headers and tokenizer included
  double bits_per_weight = 0.0;
  double seconds = 0.0;
};

// A row for each group of tensors: formats, bytes, bits a weight, error.
void print_summary(const QuantiseReport& report);
// A row for each layer: tokens of the expert with fewest, the median one and the one with most.
void print_coverage(const std::vector<quant::ExpertCoverage>& coverage);
// Formats that nothing computes with as they are stored, a line to standard error for each.
void warn_of_unpacked(const std::vector<quant::OutputTensor>& tensors);
// Experts that the text never reached, one line to standard error; nothing if there are none.
void warn_of_unreached(const std::vector<quant::ExpertCoverage>& coverage);
io::JsonValue as_json(const QuantiseReport& report);

}  // namespace cadre::cli
