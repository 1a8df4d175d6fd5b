// Which experts tokens meet, for people to look at: a line for each token and layer, and a table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/base/file.h"
#include "core/io/json_value.h"
#include "model/nn/routing_control.h"
#include "model/spec.h"

namespace cadre::cli {

// Belongs to one thread.
class ExpertTrace final : public nn::RoutingObserver {
 public:
  // Writes lines to `file`, a new one, if it is not empty:
  //   {"position": 4, "token": 17, "layer": 0, "experts": [5, 2], "weights": [0.6, 0.4]}
  // Choices that were dropped are left out. Errors of FileWriter.
  ExpertTrace(const model::ModelSpec& spec, const std::filesystem::path& file);

  void saw(int64_t layer, const nn::ForwardInput& input, const ops::Routing& routing) override;

  // Completes the file.
  void finish();
  // To standard error: of each layer how many experts were met, how far from even, and by whom.
  void print_counts() const;
  // [layers][experts]; a dense layer has an empty list.
  io::JsonValue counts_json() const;

 private:
  std::vector<std::vector<int64_t>> counts_;  // [layers][experts]
  std::optional<FileWriter> file_;
};

}  // namespace cadre::cli
