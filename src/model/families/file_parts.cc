#include <charconv>
#include <optional>

#include "core/base/error.h"
#include "model/families/family.h"

namespace cadre::model {
namespace {

// Far above any published model (DeepSeek-V3 has 45 thousand): a hostile file may claim 4096 layers
// of 65536 experts, each of which would take memory here.
constexpr size_t kMaxParts = 1 << 19;

// The layer of a name such as "blocks.12.router", if `pattern` is "blocks.{l}.router"; -1 if the
// pattern has no {l} and equals the name.
std::optional<int64_t> match(std::string_view pattern, std::string_view name) {
  const size_t at = pattern.find("{l}");
  if (at == std::string_view::npos) {
    return pattern == name ? std::optional<int64_t>(-1) : std::nullopt;
  }
  const std::string_view tail = pattern.substr(at + 3);
  if (name.size() <= at + tail.size() || name.substr(0, at) != pattern.substr(0, at) ||
      name.substr(name.size() - tail.size()) != tail) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(at, name.size() - at - tail.size());
  int64_t layer = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return layer;
}

std::string substitute(std::string_view pattern, std::string_view mark, int64_t value) {
  std::string result(pattern);
  const size_t at = result.find(mark);
  if (at != std::string::npos) result.replace(at, mark.size(), std::to_string(value));
  return result;
}

// What a rule may need to know to place one parameter.
struct Place {
  const ParameterSpec& parameter;
  int64_t index;
  const AttentionSpec& attention;  // of the parameter's block
};

// Adds pieces of one tensor after another.
class PartBuilder {
 public:
  PartBuilder(const Place& place, std::vector<FilePart>& parts) : place_(place), parts_(parts) {}

  // A tensor that is one piece of ours, element after element.
  void add(std::string name, Shape shape, int64_t offset) {
    piece(std::move(name), shape, offset, 0, shape.elements());
  }
  // A piece of a tensor.
  FilePart& piece(std::string name, Shape shape, int64_t offset, int64_t file_offset,
                  int64_t elements) {
    parts_.push_back({std::move(name), shape, place_.index, offset, file_offset, elements, {}});
    return parts_.back();
  }

 private:
  const Place& place_;
  std::vector<FilePart>& parts_;
};

// Rows [0, F) or [F, 2F) of [2F, D] or [2F].
void add_half(const std::string& theirs, bool second, const Place& place, PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const int64_t rows = shape.dim(0) / 2;
  const Shape half = shape.rank() == 1 ? Shape{rows} : Shape{rows, shape.dim(1)};
  builder.add(theirs, half, second ? half.elements() : 0);
}

// One tensor for each expert.
void add_experts(const std::string& theirs, Part part, const Place& place, PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const int64_t matrix = shape.dim(1) * shape.dim(2);
  const int64_t rows = part == Part::expert ? shape.dim(1) : shape.dim(1) / 2;
  const int64_t start = part == Part::expert_up ? rows * shape.dim(2) : 0;
  for (int64_t e = 0; e < shape.dim(0); ++e) {
    builder.add(substitute(theirs, "{e}", e), {rows, shape.dim(2)}, e * matrix + start);
  }
}

// The experts end to end in one tensor.
void add_stacked(const std::string& theirs, Part part, const Place& place, PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const int64_t matrix = shape.dim(1) * shape.dim(2);
  const bool down = part == Part::stacked_down_t;
  const int64_t width = down ? shape.dim(2) : shape.dim(1) / 2;  // F
  const int64_t hidden_size = down ? shape.dim(1) : shape.dim(2);
  const int64_t block = width * hidden_size;
  const int64_t start = part == Part::stacked_up ? block : 0;
  const Shape whole = {shape.dim(0) * width, hidden_size};
  for (int64_t e = 0; e < shape.dim(0); ++e) {
    FilePart& piece = builder.piece(theirs, whole, e * matrix + start, e * block, block);
    if (down) piece.swap = {1, width, hidden_size, 1};
  }
}

// The experts in one tensor of rank 3.
void add_rank_3(const std::string& theirs, bool second, const Place& place, PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const Shape whole = {shape.dim(0), shape.dim(1) / 2, shape.dim(2)};
  const int64_t block = whole.dim(1) * whole.dim(2);
  for (int64_t e = 0; e < shape.dim(0); ++e) {
    builder.piece(theirs, whole, (2 * e + (second ? 1 : 0)) * block, e * block, block);
  }
}

void add_fused(const std::string& theirs, Part part, const Place& place, PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const int64_t queries = place.attention.num_heads * place.attention.head_dim;
  const int64_t keys = place.attention.num_kv_heads * place.attention.head_dim;
  int64_t row = 0;
  if (part != Part::fused_query) row = part == Part::fused_key ? queries : queries + keys;
  builder.piece(theirs, {queries + 2 * keys, shape.dim(1)}, 0, row * shape.dim(1),
                shape.elements());
}

void add_rope_pairs(const std::string& theirs, const Place& place, PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const int64_t half = place.attention.head_dim / 2;
  FilePart& piece = builder.piece(theirs, shape, 0, 0, shape.elements());
  piece.swap = {shape.dim(0) / (2 * half), half, 2, shape.elements() / shape.dim(0)};
}

// Of 2H blocks of head_dim rows, H in each of two tensors, query i is block 2i and key i the next.
void add_turns(const std::string& theirs, bool key, bool second, const Place& place,
               PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const int64_t heads = place.attention.num_heads;
  const int64_t block = place.attention.head_dim * shape.dim(1);
  for (int64_t head = 0; head < heads; ++head) {
    const int64_t at = 2 * head + (key ? 1 : 0) - (second ? heads : 0);
    if (at >= 0 && at < heads) builder.piece(theirs, shape, head * block, at * block, block);
  }
}

void add_router(const std::string& theirs, int64_t third, const Place& place,
                PartBuilder& builder) {
  const Shape& shape = place.parameter.shape;
  const Shape rows = {shape.dim(0) / 3, shape.dim(1)};
  builder.add(theirs, rows, third * rows.elements());
}

void add_taps(const std::string& theirs, const Place& place, PartBuilder& builder) {
  const int64_t out = place.parameter.shape.dim(0);
  const int64_t in = place.parameter.shape.dim(1) / 2;
  FilePart& piece = builder.piece(theirs, {out, in, 2, 1}, 0, 0, 2 * out * in);
  piece.swap = {out, in, 2, 1};
}

void add_parts(const NameRule& rule, int64_t layer, const Place& place,
               std::vector<FilePart>& parts) {
  const std::string theirs = substitute(rule.theirs, "{l}", layer);
  PartBuilder builder(place, parts);
  switch (rule.part) {
    case Part::whole:
      return builder.add(theirs, place.parameter.shape, 0);
    case Part::gate:
    case Part::up:
      return add_half(theirs, rule.part == Part::up, place, builder);
    case Part::expert:
    case Part::expert_gate:
    case Part::expert_up:
      return add_experts(theirs, rule.part, place, builder);
    case Part::experts_gate:
    case Part::experts_up:
      return add_rank_3(theirs, rule.part == Part::experts_up, place, builder);
    case Part::row:
      return builder.add(theirs, {place.parameter.shape.elements()}, 0);
    case Part::rope_pairs:
      return add_rope_pairs(theirs, place, builder);
    case Part::fused_query:
    case Part::fused_key:
    case Part::fused_value:
      return add_fused(theirs, rule.part, place, builder);
    case Part::stacked_gate:
    case Part::stacked_up:
    case Part::stacked_down_t:
      return add_stacked(theirs, rule.part, place, builder);
    case Part::turns_query_first:
    case Part::turns_query_second:
      return add_turns(theirs, false, rule.part == Part::turns_query_second, place, builder);
    case Part::turns_key_first:
    case Part::turns_key_second:
      return add_turns(theirs, true, rule.part == Part::turns_key_second, place, builder);
    case Part::router_query:
    case Part::router_key:
    case Part::router_value:
      return add_router(theirs,
                        static_cast<int64_t>(rule.part) - static_cast<int64_t>(Part::router_query),
                        place, builder);
    case Part::taps_last:
      return add_taps(theirs, place, builder);
  }
}

// What a router has beyond those of published families (model/router_json.h), in every layout; the
// weight itself where a family knows only that of an attention router.
constexpr NameRule kRouterNames[] = {
    {"blocks.{l}.router", Part::whole, "cadre.layers.{l}.router.weight"},
    {"blocks.{l}.router_noise", Part::whole, "cadre.layers.{l}.router_noise.weight"},
    {"blocks.{l}.router_bias", Part::whole, "cadre.layers.{l}.router_bias"},
};

bool is_third_of_router(Part part) {
  return part == Part::router_query || part == Part::router_key || part == Part::router_value;
}

bool has_attention_router(const BlockSpec& block) {
  const auto* moe = std::get_if<MoeSpec>(&block.feed_forward);
  return moe != nullptr && moe->router.kind == RouterKind::attention;
}

}  // namespace

std::vector<FilePart> file_parts(const NameLayout& layout, const ModelSpec& spec,
                                 std::span<const ParameterSpec> parameters) {
  std::vector<FilePart> parts;
  for (size_t index = 0; index < parameters.size(); ++index) {
    const size_t before = parts.size();
    const auto apply = [&](std::span<const NameRule> rules) {
      for (const NameRule& rule : rules) {
        const std::optional<int64_t> layer = match(rule.ours, parameters[index].name);
        if (!layer) continue;
        const size_t block = *layer < 0 ? 0 : static_cast<size_t>(*layer);
        if (is_third_of_router(rule.part) && !has_attention_router(spec.blocks[block])) continue;
        add_parts(rule, *layer,
                  {parameters[index], static_cast<int64_t>(index), spec.blocks[block].attention},
                  parts);
      }
    };
    apply(layout.rules);
    if (parts.size() == before) apply(kRouterNames);
    if (parts.size() > kMaxParts) {
      fail(ErrorKind::unsupported, "a model of more than {} matrices is not supported", kMaxParts);
    }
    if (parts.size() == before) {
      fail(ErrorKind::internal, "no name rule for \"{}\"", parameters[index].name);
    }
  }
  return parts;
}

std::string head_name(const NameLayout& layout) {
  for (const NameRule& rule : layout.rules) {
    if (rule.ours == "head") return std::string(rule.theirs);
  }
  return {};
}

}  // namespace cadre::model
