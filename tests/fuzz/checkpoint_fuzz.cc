// What a run reads back of its own: the trainer's state, a checkpoint's manifest, metrics. They may
// have been damaged in any way since.
#include "core/base/error.h"
#include "core/io/json.h"
#include "tests/fuzz/fuzz.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/state.h"
#include "train/log/run_log.h"

namespace cadre::fuzz {
namespace {

void read_state(std::string_view bytes) {
  const train::RunState state =
      train::run_state_from_json(io::JsonView::parse(bytes, "trainer_state.json"));
  // What was accepted can be written and reads back the same.
  const std::string text = train::to_json_text(state);
  const train::RunState again = train::run_state_from_json(io::JsonView::parse(text, "again.json"));
  if (train::to_json_text(again) != text) {
    fail(ErrorKind::internal, "a state does not read back: {}", text);
  }
}

}  // namespace

// The first byte says which of the files it is: state, manifest or log.
void read_input(std::string_view bytes) {
  const char kind = bytes.empty() ? 's' : bytes[0];
  const std::string_view content = bytes.substr(bytes.empty() ? 0 : 1);
  if (kind == 'm') {
    const InputFile manifest(content, "checksums.json");
    if (!train::find_damage(manifest.folder())) {
      fail(ErrorKind::internal, "a checkpoint without files was taken for whole");
    }
  } else if (kind == 'l') {
    const InputFile metrics(content, "metrics.jsonl");
    train::RunLog log(metrics.folder(), 1000);
    log.on_warning(1000, "resumed");
  } else {
    read_state(content);
  }
}

std::vector<std::string> seeds() {
  train::RunState state;
  state.step = 12;
  state.total_steps = 100;
  state.losses = {4.25, 3.5};
  state.gradient_norms = {1.0, 0.1};
  state.data_fingerprint = "00112233aabbccdd";
  state.routers = {{0, 64, {10, 20, 34}, 12.5, 0.25, 1, 0}};
  return {
      "s" + train::to_json_text(state),
      R"(m{"format": 1, "files": {"config.json": {"bytes": 12, "xxh3": "00112233aabbccdd"},
 "trainer_state.json": {"bytes": 1, "xxh3": "00112233aabbccdd"},
 "optimizer.safetensors": {"bytes": 1, "xxh3": "00112233aabbccdd"}}})",
      R"(l{"event": "train", "step": 1, "time": 0.5, "loss": 4.25, "learning_rate": 1e-3}
{"event": "routers", "step": 5, "time": 1, "layers": [{"layer": 0, "counts": [1, 2], "dead": 0}]}
{"event": "validation", "step": 6, "sources": [{"name": "a", "loss": 2, "experts": [3, 4]}]}
{"event": "sample", "step": 6, "prompt": "x", "text": "y"}
)",
  };
}

}  // namespace cadre::fuzz
