#include "model/expert_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "core/base/pages.h"
#include "core/kernels/quantise.h"

namespace cadre::model {
namespace {

// Misses of so many bytes in the file are a batch.
constexpr int64_t kBatchBytes = 4 << 20;
// Pages on their way that keep a disk busy.
constexpr int64_t kPageBytes = 32 << 20;

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

// Hits first, in one batch, while pages of misses are on their way; then those in small batches,
// the least used first, so that those that follow push them out before anything better.
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
    cache_.reader_->expect({});  // now it is known
    if (!misses_.empty()) order_misses();
    {
      std::lock_guard lock(cache_.mutex_);
      cache_.statistics_.uses += static_cast<int64_t>(order_.size());
      cache_.statistics_.hits += hits_;
    }
    lock_ = std::move(own);
  }

  void end() override {
    // Out of the member first: it is the next visitor's as soon as the mutex is free.
    const std::unique_lock own = std::move(lock_);
    pages_.clear();
  }

  std::span<const int64_t> order() const override { return order_; }

  std::optional<ops::ExpertStore::Batch> next(Context& ctx) override {
    const auto size = static_cast<int64_t>(order_.size());
    if (next_ == size) return std::nullopt;
    const Range experts = {next_, next_ < hits_ ? hits_ : load_misses(ctx)};
    next_ = experts.end;
    // Of an earlier batch unless somebody still has them.
    for (auto* list : {&slots_, &experts_}) {
      if (list->use_count() != 1) *list = std::make_shared<std::vector<int64_t>>();
      (*list)->clear();
      (*list)->reserve(order_.capacity());
    }
    for (int64_t i = experts.begin; i < experts.end; ++i) {
      experts_->push_back(order_[static_cast<size_t>(i)]);
      slots_->push_back(layer_.slots.slot_of(experts_->back()));
    }
    ops::ExpertStore::Batch batch = {experts, layer_.gate_up.stack, layer_.down.stack};
    for (ops::Weight* weight : {&batch.gate_up, &batch.down}) {
      weight->slots = slots_;
      weight->matrices = experts_;
    }
    return batch;
  }

 private:
  void order_misses() {
    std::ranges::sort(misses_, {}, [&](int64_t e) { return std::pair(layer_.slots.use_of(e), e); });
    for (const int64_t e : misses_) pages_.push_back(cache_.ask(layer_, e));
    order_.insert(order_.end(), misses_.begin(), misses_.end());
  }

  // As many as are worth a product, so that the others are read while it is computed. They have a
  // part of the slots, or every pass with many misses would throw out all that is of use. Returns
  // the end of those that are there.
  int64_t load_misses(Context& ctx) {
    const int64_t room = std::max<int64_t>(1, layer_.slots.num_slots() / 4);
    const int64_t end = std::min(std::ssize(order_), next_ + room);
    int64_t bytes = 0, i = next_;
    while (i < end && bytes < kBatchBytes) {
      Pages& pages = pages_[static_cast<size_t>(i - hits_)];
      bytes += pages.bytes();
      cache_.load(
          ctx, layer_, order_[static_cast<size_t>(i)],
          std::span(order_).subspan(static_cast<size_t>(next_), static_cast<size_t>(i - next_)),
          std::move(pages));
      ++i;
    }
    return i;
  }

  ExpertCache& cache_;
  Layer& layer_;
  std::unique_lock<std::mutex> lock_;
  std::vector<int64_t> order_;
  std::vector<int64_t> misses_;
  std::vector<Pages> pages_;  // of the misses
  std::shared_ptr<std::vector<int64_t>> slots_, experts_;
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
  std::vector<int64_t> experts(layers), expert_bytes(layers), pages_of(layers);
  const std::vector<ParameterSpec>& parameters = weights_->parameters();
  int64_t layer = 0;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].kind != ParameterKind::expert) continue;
    while (!parameters[p].name.starts_with(fmt::format("blocks.{}.", layer))) ++layer;
    Part part = make_part(spec, static_cast<int64_t>(p), options);
    const auto l = static_cast<size_t>(layer);
    experts[l] = part.holding.matrices.count;
    expert_bytes[l] += matrix_bytes(part.holding);
    pages_of[l] += page_bytes(part);
    (parameters[p].name.ends_with(".down") ? downs : gate_ups)[l] = std::move(part);
    if (first_layer_ < 0) first_layer_ = layer;
  }
  const int64_t pages = *std::ranges::max_element(pages_of);
  const int64_t least = std::accumulate(expert_bytes.begin(), expert_bytes.end(), int64_t{0});
  const int64_t left = options.memory_bytes - dense_bytes - pages;
  if (left < least) {
    fail(ErrorKind::invalid_input,
         "a limit of {} bytes of memory: the weights that every token meets take {}, one expert of "
         "each layer {} and pages of one on its way {}; expected at least {}",
         options.memory_bytes, dense_bytes, least, pages, dense_bytes + least + pages);
  }
  // The next ones are read while one is packed and computed with.
  const int64_t more = std::min(std::max(pages, kPageBytes - pages), (left - least) / 16);
  const std::vector<int64_t> slots = share_out(experts, expert_bytes, left - more);
  statistics_.page_bytes = pages + more;
  reader_ = std::make_unique<PageReader>(pages + more);
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
  const auto& packed = part.holding.packed;
  if (packed && !part.holding.as_stored && !kernels::can_quantise(block_type(*packed))) {
    fail(ErrorKind::invalid_input,
         "{}: rounding to {} takes a search, too long for experts that are read again and again: "
         "with a limit of memory expected weights in q8_0 or q4_0, as stored, or a file that "
         "`cadre quantise --format {}` has written",
         weights_->parameters()[static_cast<size_t>(parameter)].name, packed_format_name(*packed),
         packed_format_name(*packed));
  }
  return part;
}

void ExpertCache::make_stack(Context& ctx, Part& part, int64_t slots) const {
  const auto [count, rows, k] = part.holding.matrices;
  if (part.holding.packed) {
    part.stack.packed = ops::empty_packed(ctx, *part.holding.packed, slots, rows, k);
  } else {
    part.stack.dense = ctx.empty({slots, rows, k}, part.holding.dense);
  }
  part.stack.parameter = part.parameter;
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

std::vector<std::span<const std::byte>> ExpertCache::file_bytes(const Part& part,
                                                                int64_t expert) const {
  return weights_->mapped(part.parameter, elements_of(part, expert));
}

int64_t ExpertCache::page_bytes(const Part& part) const {
  int64_t largest = 0;
  for (int64_t e = 0; e < part.holding.matrices.count; ++e) {
    int64_t bytes = 0;
    for (const auto& span : file_bytes(part, e)) bytes += std::ssize(span);
    largest = std::max(largest, bytes);
  }
  if (!weights_->is_made(part.parameter)) return largest;
  const auto [count, rows, k] = part.holding.matrices;
  if (const auto blocks = weights_->block_type(part.parameter)) {
    return largest + block_bytes(*blocks, {rows, k});
  }
  return largest + rows * k * dtype_size(weights_->dtype(part.parameter));
}

ExpertCache::Pages ExpertCache::ask(const Layer& layer, int64_t expert) {
  auto gate_up = reader_->need(file_bytes(layer.gate_up, expert));
  return {std::move(gate_up), reader_->need(file_bytes(layer.down, expert))};
}

void ExpertCache::read_into(Context& ctx, const Part& part, int64_t expert, int64_t slot,
                            std::unique_ptr<PageReader::Request> pages) const {
  pages->wait();
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
    for (const auto& span : file_bytes(part, expert)) evict_pages(span);
  }
  if (weights_->is_made(part.parameter)) weights_->release(part.parameter, elements);
}

void ExpertCache::load(Context& ctx, Layer& layer, int64_t expert, std::span<const int64_t> kept,
                       Pages pages) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t bytes = pages.bytes();
  const int64_t slot = layer.slots.place(expert, kept);
  try {
    read_into(ctx, layer.gate_up, expert, slot, std::move(pages.gate_up));
    read_into(ctx, layer.down, expert, slot, std::move(pages.down));
  } catch (...) {
    layer.slots.remove(expert);
    throw;
  }
  const double seconds = seconds_since(start);
  std::lock_guard lock(mutex_);
  statistics_.read_bytes += bytes;
  statistics_.load_seconds += seconds;
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
  // Whoever is in that layer may wait for pages behind those of this thread.
  const std::unique_lock lock(next.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  if (next.slots.num_slots() == next.slots.num_experts()) return false;
  next.guess_begun = std::chrono::steady_clock::now();
  return true;
}

void ExpertCache::guess(int64_t layer, std::span<const int64_t> rows) {
  Layer& next = *layers_[static_cast<size_t>(layer)];
  std::vector<std::span<const std::byte>> wanted;
  double seconds = 0.0;
  {
    const std::unique_lock lock(next.mutex, std::try_to_lock);
    if (!lock.owns_lock()) return;
    seconds = seconds_since(next.guess_begun);
    next.guessed.assign(rows.size(), false);
    for (int64_t e = 0; e < next.slots.num_experts(); ++e) {
      if (rows[static_cast<size_t>(e)] == 0 || next.slots.slot_of(e) >= 0) continue;
      next.guessed[static_cast<size_t>(e)] = true;
      for (const Part* part : {&next.gate_up, &next.down}) {
        const auto bytes = file_bytes(*part, e);
        wanted.insert(wanted.end(), bytes.begin(), bytes.end());
      }
    }
  }
  reader_->expect(wanted);
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
  result.read_seconds = reader_->busy_seconds() - read_seconds_;
  return result;
}

void ExpertCache::reset_statistics() {
  std::lock_guard lock(mutex_);
  ExpertCacheStatistics fresh;
  fresh.experts = statistics_.experts;
  fresh.slots = statistics_.slots;
  fresh.bytes = statistics_.bytes;
  fresh.page_bytes = statistics_.page_bytes;
  statistics_ = fresh;
  read_seconds_ = reader_->busy_seconds();
}

}  // namespace cadre::model
