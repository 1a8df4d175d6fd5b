#include "model/expert_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/base/pages.h"

namespace cadre::model {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// How many experts of each layer have room: one, then always one more where the share is smallest.
std::vector<int64_t> share_out(const std::vector<int64_t>& experts,
                               const std::vector<int64_t>& expert_bytes, int64_t bytes) {
  std::vector<int64_t> slots(experts.size());
  for (size_t l = 0; l < experts.size(); ++l) {
    slots[l] = experts[l] > 0 ? 1 : 0;
    bytes -= slots[l] * expert_bytes[l];
  }
  while (true) {
    size_t best = experts.size();
    for (size_t l = 0; l < experts.size(); ++l) {
      if (slots[l] == experts[l] || expert_bytes[l] > bytes) continue;
      if (best == experts.size() || slots[l] * experts[best] < slots[best] * experts[l]) best = l;
    }
    if (best == experts.size()) return slots;
    ++slots[best];
    bytes -= expert_bytes[best];
  }
}

}  // namespace

// Hits first, in one batch; then misses, the least used first, so that those that follow push them
// out before anything better.
class ExpertCache::LayerVisit final : public ops::ExpertStore::Visit {
 public:
  LayerVisit(ExpertCache& cache, Layer& layer) : cache_(cache), layer_(layer) {
    order_.reserve(static_cast<size_t>(layer.slots.num_experts()));
    misses_.reserve(order_.capacity());
  }

  // Waits for others to end theirs.
  void begin(std::span<const int64_t> rows) {
    std::unique_lock own(layer_.mutex);
    cache_.judge_guess(layer_, rows);
    layer_.slots.count(rows);
    order_.clear();
    misses_.clear();
    next_ = 0;
    for (int64_t e = 0; e < layer_.slots.num_experts(); ++e) {
      if (rows[static_cast<size_t>(e)] == 0) continue;
      (layer_.slots.slot_of(e) >= 0 ? order_ : misses_).push_back(e);
    }
    hits_ = static_cast<int64_t>(order_.size());
    if (!misses_.empty()) order_misses();
    {
      std::lock_guard lock(cache_.mutex_);
      cache_.statistics_.uses += static_cast<int64_t>(order_.size());
      cache_.statistics_.hits += hits_;
    }
    lock_ = std::move(own);
  }

  void end() override { lock_.unlock(); }

  std::span<const int64_t> order() const override { return order_; }

  std::optional<ops::ExpertStore::Batch> next(Context& ctx) override {
    const auto size = static_cast<int64_t>(order_.size());
    if (next_ == size) return std::nullopt;
    Range experts = {next_, hits_};
    if (next_ >= hits_) {
      // A part of the slots, or every pass with many misses would throw out all that is of use.
      const int64_t room = std::max<int64_t>(1, layer_.slots.num_slots() / 4);
      experts = {next_, std::min(size, next_ + room)};
      cache_.load(ctx, layer_,
                  std::span(order_).subspan(static_cast<size_t>(next_),
                                            static_cast<size_t>(experts.size())));
    }
    next_ = experts.end;
    // Of an earlier batch unless somebody still has that.
    if (slots_.use_count() != 1) slots_ = std::make_shared<std::vector<int64_t>>();
    slots_->clear();
    slots_->reserve(order_.capacity());
    for (int64_t i = experts.begin; i < experts.end; ++i) {
      slots_->push_back(layer_.slots.slot_of(order_[static_cast<size_t>(i)]));
    }
    ops::ExpertStore::Batch batch = {experts, layer_.gate_up.stack, layer_.down.stack};
    batch.gate_up.slots = slots_;
    batch.down.slots = slots_;
    return batch;
  }

 private:
  void order_misses() {
    std::ranges::sort(misses_, {}, [&](int64_t e) { return std::pair(layer_.slots.use_of(e), e); });
    std::vector<std::span<const std::byte>> wanted;
    for (const int64_t e : misses_) {
      const auto bytes = cache_.file_bytes(layer_, e);
      wanted.insert(wanted.end(), bytes.begin(), bytes.end());
    }
    cache_.read_ahead_.need(std::move(wanted));
    order_.insert(order_.end(), misses_.begin(), misses_.end());
  }

  ExpertCache& cache_;
  Layer& layer_;
  std::unique_lock<std::mutex> lock_;
  std::vector<int64_t> order_;
  std::vector<int64_t> misses_;
  std::shared_ptr<std::vector<int64_t>> slots_;
  int64_t hits_ = 0;
  int64_t next_ = 0;
};

ExpertCache::Layer::Layer(int64_t num_experts, int64_t num_slots) : slots(num_experts, num_slots) {}

ExpertCache::Layer::~Layer() = default;

ExpertCache::~ExpertCache() = default;

ExpertCache::ExpertCache(Context& ctx, const ModelSpec& spec,
                         std::shared_ptr<const Weights> weights, const LoadOptions& options,
                         int64_t dense_bytes)
    : weights_(std::move(weights)), drop_cache_(options.drop_cache) {
  const auto layers = static_cast<size_t>(spec.num_layers());
  std::vector<Part> gate_ups(layers), downs(layers);
  std::vector<int64_t> experts(layers), expert_bytes(layers);
  const std::vector<ParameterSpec>& parameters = weights_->parameters();
  int64_t layer = 0;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].kind != ParameterKind::expert) continue;
    while (!parameters[p].name.starts_with(fmt::format("blocks.{}.", layer))) ++layer;
    Part part = make_part(spec, static_cast<int64_t>(p), options);
    const auto l = static_cast<size_t>(layer);
    experts[l] = part.holding.matrices.count;
    expert_bytes[l] += matrix_bytes(part.holding);
    (parameters[p].name.ends_with(".down") ? downs : gate_ups)[l] = std::move(part);
    if (first_layer_ < 0) first_layer_ = layer;
  }
  int64_t largest = 0, least = 0;
  for (size_t l = 0; l < layers; ++l) {
    largest = std::max(largest, expert_bytes[l]);
    least += expert_bytes[l];
  }
  const int64_t left = options.memory_bytes - dense_bytes - largest;
  if (left < least) {
    fail(ErrorKind::invalid_input,
         "a limit of {} bytes of memory: the weights that every token meets take {} and one expert "
         "of each layer {}; expected at least {}",
         options.memory_bytes, dense_bytes, least, dense_bytes + least + largest);
  }
  const std::vector<int64_t> slots = share_out(experts, expert_bytes, left);
  layers_.resize(layers);
  for (size_t l = 0; l < layers; ++l) {
    if (experts[l] == 0) continue;
    layers_[l] = std::make_unique<Layer>(experts[l], slots[l]);
    layers_[l]->visit = std::make_unique<LayerVisit>(*this, *layers_[l]);
    layers_[l]->gate_up = std::move(gate_ups[l]);
    layers_[l]->down = std::move(downs[l]);
    make_stack(ctx, layers_[l]->gate_up, slots[l]);
    make_stack(ctx, layers_[l]->down, slots[l]);
    statistics_.experts += experts[l];
    statistics_.slots += slots[l];
    statistics_.bytes += slots[l] * expert_bytes[l];
  }
}

ExpertCache::Part ExpertCache::make_part(const ModelSpec& spec, int64_t parameter,
                                         const LoadOptions& options) const {
  Part part;
  part.parameter = parameter;
  part.holding = weight_holding(spec, *weights_, parameter, options);
  return part;
}

void ExpertCache::make_stack(Context& ctx, Part& part, int64_t slots) const {
  const auto [count, rows, k] = part.holding.matrices;
  if (part.holding.packed) {
    part.stack.packed = ops::empty_packed(ctx, *part.holding.packed, slots, rows, k);
  } else {
    part.stack.dense = ctx.empty({slots, rows, k}, part.holding.dense);
  }
  part.stack.slots =
      std::make_shared<const std::vector<int64_t>>(static_cast<size_t>(count), int64_t{-1});
}

ops::Weight ExpertCache::stack(int64_t parameter) const {
  for (const auto& layer : layers_) {
    if (!layer) continue;
    for (const Part* part : {&layer->gate_up, &layer->down}) {
      if (part->parameter == parameter) return part->stack;
    }
  }
  fail(ErrorKind::internal, "parameter {} is not of experts", parameter);
}

Range ExpertCache::elements_of(const Part& part, int64_t expert) const {
  const int64_t size = part.holding.matrices.rows * part.holding.matrices.k;
  return {expert * size, (expert + 1) * size};
}

std::vector<std::span<const std::byte>> ExpertCache::file_bytes(const Layer& layer,
                                                                int64_t expert) const {
  std::vector<std::span<const std::byte>> all;
  for (const Part* part : {&layer.gate_up, &layer.down}) {
    const auto own = weights_->mapped(part->parameter, elements_of(*part, expert));
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

void ExpertCache::read_into(Context& ctx, const Part& part, int64_t expert, int64_t slot) const {
  const Range elements = elements_of(part, expert);
  const int64_t rows = part.holding.matrices.rows;
  if (part.holding.as_stored) {
    ops::pack_into(ctx, part.stack.packed, {slot, slot + 1},
                   weights_->blocks(part.parameter, {expert * rows, (expert + 1) * rows}));
  } else if (part.holding.packed) {
    const int64_t k = part.holding.matrices.k;
    ops::pack_values_into(ctx, part.stack.packed, {slot, slot + 1}, [&](Range some, float* to) {
      weights_->read(ctx, part.parameter,
                     {elements.begin + some.begin * k, elements.begin + some.end * k}, DType::f32,
                     to);
    });
  } else {
    weights_->read(ctx, part.parameter, elements, part.holding.dense,
                   part.stack.dense.slice(slot, slot + 1).raw());
  }
  if (drop_cache_) {
    for (const auto& span : weights_->mapped(part.parameter, elements)) evict_pages(span);
  }
  weights_->release(part.parameter, elements);
}

void ExpertCache::load(Context& ctx, Layer& layer, std::span<const int64_t> experts) {
  const auto start = std::chrono::steady_clock::now();
  int64_t bytes = 0;
  for (size_t i = 0; i < experts.size(); ++i) {
    const int64_t slot = layer.slots.place(experts[i], experts.first(i));
    try {
      read_into(ctx, layer.gate_up, experts[i], slot);
      read_into(ctx, layer.down, experts[i], slot);
    } catch (...) {
      layer.slots.remove(experts[i]);
      throw;
    }
    for (const auto& span : file_bytes(layer, experts[i])) {
      bytes += static_cast<int64_t>(span.size());
    }
  }
  const double seconds = seconds_since(start);
  std::lock_guard lock(mutex_);
  statistics_.read_bytes += bytes;
  statistics_.read_seconds += seconds;
  trial_.add(seconds, bytes);
}

ops::ExpertStore::VisitHandle ExpertCache::visit(int64_t layer, std::span<const int64_t> rows) {
  CADRE_CHECK(layers_[static_cast<size_t>(layer)] != nullptr);
  if (layer == first_layer_) {
    std::lock_guard lock(mutex_);
    trial_.begin_pass();
  }
  LayerVisit& visit = *layers_[static_cast<size_t>(layer)]->visit;
  visit.begin(rows);
  return VisitHandle(&visit);
}

bool ExpertCache::wants_guess(int64_t layer) {
  {
    std::lock_guard lock(mutex_);
    if (!trial_.on()) return false;
  }
  Layer& next = *layers_[static_cast<size_t>(layer)];
  std::lock_guard lock(next.mutex);
  if (next.slots.num_slots() == next.slots.num_experts()) return false;
  next.guess_begun = std::chrono::steady_clock::now();
  return true;
}

void ExpertCache::guess(int64_t layer, std::span<const int64_t> rows) {
  Layer& next = *layers_[static_cast<size_t>(layer)];
  std::vector<std::span<const std::byte>> wanted;
  double seconds = 0.0;
  {
    std::lock_guard lock(next.mutex);
    seconds = seconds_since(next.guess_begun);
    next.guessed.assign(rows.size(), false);
    for (int64_t e = 0; e < next.slots.num_experts(); ++e) {
      if (rows[static_cast<size_t>(e)] == 0 || next.slots.slot_of(e) >= 0) continue;
      next.guessed[static_cast<size_t>(e)] = true;
      const auto bytes = file_bytes(next, e);
      wanted.insert(wanted.end(), bytes.begin(), bytes.end());
    }
  }
  read_ahead_.expect(std::move(wanted));
  std::lock_guard lock(mutex_);
  trial_.add(seconds, 0);
}

void ExpertCache::judge_guess(Layer& layer, std::span<const int64_t> rows) {
  if (layer.guessed.empty()) return;
  int64_t guesses = 0, right = 0, misses = 0;
  for (size_t e = 0; e < rows.size(); ++e) {
    const bool missed = rows[e] > 0 && layer.slots.slot_of(static_cast<int64_t>(e)) < 0;
    guesses += layer.guessed[e] ? 1 : 0;
    right += layer.guessed[e] && missed ? 1 : 0;
    misses += missed ? 1 : 0;
  }
  layer.guessed.clear();
  std::lock_guard lock(mutex_);
  statistics_.guesses += guesses;
  statistics_.right_guesses += right;
  statistics_.guessed_misses += misses;
}

ExpertCacheStatistics ExpertCache::statistics() const {
  std::lock_guard lock(mutex_);
  ExpertCacheStatistics result = statistics_;
  result.guessing = trial_.pays();
  return result;
}

void ExpertCache::reset_statistics() {
  std::lock_guard lock(mutex_);
  ExpertCacheStatistics fresh;
  fresh.experts = statistics_.experts;
  fresh.slots = statistics_.slots;
  fresh.bytes = statistics_.bytes;
  statistics_ = fresh;
}

}  // namespace cadre::model
