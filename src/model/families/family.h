// What a family file declares: how a published configuration becomes a spec and back, and how its
// tensors are called in files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::io {
class JsonView;
class JsonValue;
class TensorSource;
}  // namespace cadre::io

namespace cadre::model {

// The part of one of our tensors that a tensor in a file holds, or the part of a file's tensor that
// ours is.
enum class Part {
  whole,
  expert,          // [E, out, in] at {e}
  expert_gate,     // rows [0, F) of [E, 2F, D] at {e}
  expert_up,       // rows [F, 2F)
  gate,            // rows [0, F) of [2F, D], or of a bias [2F]
  up,              // rows [F, 2F)
  rope_pairs,      // rows of each head in pairs that turn together: theirs 2i+s is ours i + s Dh/2
  fused_query,     // the first rows of [(H + 2 Hkv) Dh, D], queries, keys and values end to end
  fused_key,       // the rows after the queries
  fused_value,     // the last rows
  experts_gate,    // [E, F, D]: rows [0, F) of each of [E, 2F, D]
  experts_up,      // rows [F, 2F) of each
  row,             // [D], of our [1, D]
  stacked_gate,    // [E F, D], experts end to end: rows [0, F) of each [2F, D]
  stacked_up,      // rows [F, 2F)
  stacked_down_t,  // [E F, D], experts end to end, each the transpose of ours, [D, F]
  // Heads in turns: the rows of a head's query are followed by those of its key, and the whole is
  // cut into two tensors of H Dh rows.
  turns_query_first,  // the queries in the first tensor
  turns_query_second,
  turns_key_first,
  turns_key_second,
  router_query,  // rows [0, E) of [3E, D]
  router_key,    // rows [E, 2E)
  router_value,  // rows [2E, 3E)
  taps_last      // [C, D, 2, 1] for ours [C, 2D]: a convolution of depth two
};

// One line per tensor, read both ways. {l} stands for a layer and {e} for an expert.
struct NameRule {
  std::string_view ours;
  Part part;
  std::string_view theirs;
};

// A set of rules for the same tensors; a file must follow one layout in full.
struct NameLayout {
  std::string_view description;  // for messages: "one tensor for each expert"
  std::span<const NameRule> rules;
};

struct Family {
  std::string_view architecture;  // in config.json: architectures[0]
  std::string_view model_type;
  // Throws Error(unsupported), naming the key, for what this family file cannot express.
  ModelSpec (*read_config)(const io::JsonView& config);
  // Writes every key of config.json that read_config reads, and those that other readers expect.
  void (*write_config)(const ModelSpec& spec, DType dtype, io::JsonValue& json);
  std::span<const NameLayout> layouts;  // the first is the one we write
  // The keys of a published config.json that decide the model: what a model that is trained from
  // scratch is like, but for its sizes. Empty: the class defaults.
  std::string_view published = {};
  // Published files hold the head even where it is the embedding, and so do ours.
  bool stores_tied_head = false;
  // Where published configurations are known to disagree with the tensors beside them: corrects the
  // spec and adds a note. Null if they agree.
  void (*reconcile)(const io::TensorSource& files, ModelSpec& spec) = nullptr;
  // The form of load-balancing loss that its published training code has (model/router_loss.h).
  std::string_view load_balancing = "megablocks";
};

// All families, and the one that a configuration names through `architectures` or `model_type`.
// Throws Error(unsupported) listing the known ones.
std::span<const Family* const> families();
const Family& find_family(const io::JsonView& config);
// By architecture or model_type.
const Family& find_family(std::string_view name);

// How the elements of a piece of a file lie in ours: the piece is [outer, rows, columns, width] in
// the file and [outer, columns, rows, width] in ours. The inverse swaps rows and columns.
struct AxisSwap {
  int64_t outer = 1;
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t width = 1;

  bool is_identity() const { return rows == 1 || columns == 1; }
  int64_t elements() const { return outer * rows * columns * width; }
  AxisSwap inverse() const { return {outer, columns, rows, width}; }
};

// A piece of a tensor of a file and the place of its elements in ours. Most tensors are one piece.
struct FilePart {
  std::string name;         // in the file
  Shape shape;              // of the whole tensor in the file
  int64_t parameter;        // index in the parameter list
  int64_t offset;           // elements from the start of that parameter
  int64_t file_offset = 0;  // elements from the start of the file's tensor
  int64_t elements = 0;
  AxisSwap swap;  // of `elements` elements, or the identity
};

// Every piece of every tensor that a file of the layout holds for the parameters of the spec, in
// the order of the list. Together the pieces hold each element of ours and of theirs exactly once.
// Parameters without a rule are an error of ours.
std::vector<FilePart> file_parts(const NameLayout& layout, const ModelSpec& spec,
                                 std::span<const ParameterSpec> parameters);

// The name under which the layout stores the head; empty if it has none.
std::string head_name(const NameLayout& layout);

}  // namespace cadre::model
