// Where a text stands in a pushdown automaton: all ways of reading it at once.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "text/grammar/pushdown.h"

namespace cadre::text::grammar {

// Stacks of nodes to go on from, each a frame and what lies below it. Equal stacks are one number,
// so memory grows with what is different, not with the text. Belongs to one thread.
class FrameTable {
 public:
  static constexpr int32_t kBottom = -1;
  static constexpr size_t kMaxFrames = size_t{1} << 24;

  // The stack with `node` on top of `below`. Throws Error(exhausted) beyond kMaxFrames.
  int32_t push(int32_t node, int32_t below);
  int32_t node(int32_t frame) const { return frames_[static_cast<size_t>(frame)].node; }
  int32_t below(int32_t frame) const { return frames_[static_cast<size_t>(frame)].below; }
  size_t size() const { return frames_.size(); }
  void clear();

 private:
  struct Frame {
    int32_t node;
    int32_t below;
  };
  void grow();
  std::vector<Frame> frames_;
  std::vector<int32_t> slots_;  // a hash table of frames, open addressing; -1 is free
};

// A node that reads bytes, and the stack below it.
struct Place {
  int32_t node;
  int32_t frame;
  auto operator<=>(const Place&) const = default;
};

// All places where a text can stand after the same bytes, sorted.
struct Front {
  std::vector<Place> places;
  bool bottom = false;  // the text may have left the lowest rule: it is complete

  bool dead() const { return places.empty() && !bottom; }
  bool operator==(const Front&) const = default;
};

// More places at once than this are refused: the grammar is too ambiguous.
inline constexpr size_t kMaxPlaces = 4096;

// Moves fronts. Memory is reused between calls; belongs to one thread.
class FrontStepper {
 public:
  explicit FrontStepper(const Pushdown& pushdown) : pushdown_(&pushdown) {}

  // The places that reading nothing reaches from `node` on the stack `frame`: calls are entered and
  // finished rules left.
  void enter(int32_t node, int32_t frame, FrameTable& frames, Front& out);
  // Behind one byte. `out` must be another front. Throws Error(exhausted) beyond kMaxPlaces.
  void step(const Front& front, uint8_t byte, FrameTable& frames, Front& out);

 private:
  void close(FrameTable& frames, Front& out);

  const Pushdown* pushdown_;
  std::vector<Place> work_;
  std::set<Place> seen_;  // the same places, once they are many
};

}  // namespace cadre::text::grammar
