#include "model/guess_trial.h"

namespace cadre::model {

void GuessTrial::begin_pass() {
  if (has_read_) ++passes_;
  has_read_ = false;
  const int64_t at = passes_ % kPeriod;
  if (at == 0) with_ = without_ = {};
  if (at < kTrial) {
    on_ = at % 2 == 0;
    return;
  }
  if (with_.bytes > 0 && without_.bytes > 0) {
    pays_ = with_.seconds * static_cast<double>(without_.bytes) <
            without_.seconds * static_cast<double>(with_.bytes);
  }
  on_ = pays_;
}

void GuessTrial::add(double seconds, int64_t bytes) {
  has_read_ = has_read_ || bytes > 0;
  if (passes_ % kPeriod >= kTrial) return;
  Side& side = on_ ? with_ : without_;
  side.seconds += seconds;
  side.bytes += bytes;
}

}  // namespace cadre::model
