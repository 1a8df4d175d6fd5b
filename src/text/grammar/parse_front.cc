#include "text/grammar/parse_front.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre::text::grammar {
namespace {

size_t hash_of(int32_t node, int32_t below) {
  return mix_bits(static_cast<uint64_t>(static_cast<uint32_t>(node)) << 32 |
                  static_cast<uint32_t>(below));
}

[[noreturn]] void fail_ambiguous() {
  fail(ErrorKind::exhausted, "grammar: too ambiguous, more than {} ways to read the text",
       kMaxPlaces);
}

}  // namespace

void FrameTable::grow() {
  slots_.assign(std::max<size_t>(16, 2 * slots_.size()), -1);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < frames_.size(); ++i) {
    size_t slot = hash_of(frames_[i].node, frames_[i].below) & mask;
    while (slots_[slot] >= 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<int32_t>(i);
  }
}

int32_t FrameTable::push(int32_t node, int32_t below) {
  if (2 * (frames_.size() + 1) > slots_.size()) grow();
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_of(node, below) & mask;
  while (slots_[slot] >= 0) {
    const Frame& frame = frames_[static_cast<size_t>(slots_[slot])];
    if (frame.node == node && frame.below == below) return slots_[slot];
    slot = (slot + 1) & mask;
  }
  if (frames_.size() >= kMaxFrames) {
    fail(ErrorKind::exhausted, "grammar: the text is nested too deeply");
  }
  slots_[slot] = static_cast<int32_t>(frames_.size());
  frames_.push_back({node, below});
  return slots_[slot];
}

void FrameTable::clear() {
  frames_.clear();
  slots_.clear();
}

void FrontStepper::enter(int32_t node, int32_t frame, FrameTable& frames, Front& out) {
  out.places.clear();
  out.bottom = false;
  work_.assign(1, {node, frame});
  close(frames, out);
}

void FrontStepper::step(const Front& front, uint8_t byte, FrameTable& frames, Front& out) {
  out.places.clear();
  out.bottom = false;
  work_.clear();
  for (const Place& place : front.places) {
    for (const Pushdown::ByteEdge& edge : pushdown_->bytes_of(place.node)) {
      if (edge.low <= byte && byte <= edge.high) work_.push_back({edge.to, place.frame});
    }
  }
  if (!work_.empty()) close(frames, out);
}

// work_ holds the places to begin from; what it has held is never looked at again.
void FrontStepper::close(FrameTable& frames, Front& out) {
  seen_.clear();
  const auto add = [&](Place place) {
    // Few places are the rule, and looking through them is faster than a set.
    if (work_.size() < 16) {
      if (std::ranges::find(work_, place) != work_.end()) return;
    } else {
      if (seen_.empty()) seen_.insert(work_.begin(), work_.end());
      if (!seen_.insert(place).second) return;
      if (work_.size() > 16 * kMaxPlaces) fail_ambiguous();
    }
    work_.push_back(place);
  };
  for (size_t i = 0; i < work_.size(); ++i) {
    const Place place = work_[i];
    const Pushdown::Node& node = pushdown_->nodes[static_cast<size_t>(place.node)];
    if (node.final) {
      if (place.frame == FrameTable::kBottom) {
        out.bottom = true;
      } else {
        add({frames.node(place.frame), frames.below(place.frame)});
      }
    }
    for (const Pushdown::CallEdge& call : pushdown_->calls_of(place.node)) {
      add({call.start, call.to < 0 ? place.frame : frames.push(call.to, place.frame)});
    }
    if (!pushdown_->bytes_of(place.node).empty()) out.places.push_back(place);
  }
  std::ranges::sort(out.places);
  out.places.erase(std::unique(out.places.begin(), out.places.end()), out.places.end());
  if (out.places.size() > kMaxPlaces) fail_ambiguous();
}

}  // namespace cadre::text::grammar
