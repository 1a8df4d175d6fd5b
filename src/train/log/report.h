// report.html: what a run did, as one file that works offline: curves, expert loads, samples.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/io/json_value.h"
#include "train/log/curve.h"

namespace cadre::train {

// Gathers the records of a run (log/records.h) within bounded memory: curves longer than a few
// thousand points are thinned by averaging neighbours, and heat maps by leaving out every second.
class Report {
 public:
  void add(const io::JsonValue& record);
  std::string html() const;

 private:
  void add_routers(const io::JsonValue& record);
  void add_validation(const io::JsonValue& record);

  io::JsonValue start_ = io::JsonValue::object();
  std::map<std::string, Curve> curves_;
  std::vector<std::string> sources_;   // in order of first appearance
  std::vector<io::JsonValue> frames_;  // of the heat map
  int64_t frame_stride_ = 1, frames_seen_ = 0;
  io::JsonValue domains_;  // of the last validation
  std::vector<io::JsonValue> samples_, events_;
};

}  // namespace cadre::train
