// Experts of whom only some are in memory at a time: how a mixture layer gets at their matrices.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/base/range.h"
#include "core/ops/context.h"
#include "core/ops/weight.h"

namespace cadre::ops {

// The experts of every layer, wherever they are kept. What is in memory never changes a result.
class ExpertStore {
 public:
  virtual ~ExpertStore() = default;

  // Experts that are in memory together: entries [begin, end) of the visit's order. Group i of the
  // weights is expert order[begin + i].
  struct Batch {
    Range experts;
    Weight gate_up;  // [_, 2F, D]
    Weight down;     // [_, D, F]
  };

  // One layer's experts in one forward pass. What is in memory already comes first, so that the
  // rest can be read meanwhile.
  class Visit {
   public:
    virtual ~Visit() = default;
    // Every expert that has rows, once; the order in which they come.
    virtual std::span<const int64_t> order() const = 0;
    // The next of them, as many as there is room for, in memory until the next call; nothing after
    // the last. Throws what reading a file throws.
    virtual std::optional<Batch> next(Context& ctx) = 0;
    // Lets others visit the layer.
    virtual void end() = 0;
  };
  // The store keeps its visits for their memory.
  struct EndVisit {
    void operator()(Visit* visit) const { visit->end(); }
  };
  using VisitHandle = std::unique_ptr<Visit, EndVisit>;

  // Expert e of the layer gets rows[e] rows. Visits of a layer by several threads wait for each
  // other.
  virtual VisitHandle visit(int64_t layer, std::span<const int64_t> rows) = 0;

  // Whether a guess at the layer's experts would be of use now.
  virtual bool wants_guess(int64_t layer) = 0;
  // Expert e of the layer will probably get rows[e] rows soon.
  virtual void guess(int64_t layer, std::span<const int64_t> rows) = 0;
};

}  // namespace cadre::ops
