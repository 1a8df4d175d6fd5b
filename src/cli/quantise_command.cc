// cadre quantise: a model in fewer bits.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/convert.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/progress.h"
#include "cli/quantise_output.h"
#include "cli/quantise_report.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/staged_output.h"
#include "model/stored_model.h"
#include "quant/calibrate.h"
#include "quant/importance_file.h"
#include "quant/target.h"
#include "quant/write_hf.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model;
  std::string output;
  std::string format;
  std::string target;
  std::vector<std::string> tensors;
  bool pure = false;
  int64_t group = 32;
  bool zero_point = false;
  std::string calibrate;
  int64_t calibrate_tokens = 131072;
  quant::CalibrationOptions calibration;
  int64_t memory = 0;  // that weights may take while calibrating; 0 is no limit
  std::string importance;
  std::string save_importance;
  bool force = false;
  bool json = false;
  RuntimeOptions runtime;
};

void check_options(const Options& options) {
  if (options.format.empty() == options.target.empty()) {
    fail(ErrorKind::invalid_input, "expected one of --format and --target");
  }
  quant::HfQuantiseOptions hf;
  const bool to_hf = quant::set_hf_scheme(options.format, hf);
  if (to_hf && (options.pure || !options.tensors.empty())) {
    fail(ErrorKind::invalid_input, "--pure and --tensor: expected a format of GGUF, not {}",
         options.format);
  }
  if (!to_hf && !options.format.empty()) {
    quant::format_from_name(options.format, "int4, int8, fp8");
  }
  if (to_hf && options.output.ends_with(".gguf")) {
    fail(ErrorKind::invalid_input, "{}: --format {} writes a folder, expected a name without .gguf",
         options.output, options.format);
  }
  if (!to_hf && options.output.ends_with('/')) {
    fail(ErrorKind::invalid_input, "{}: {} writes a GGUF file, expected a name without /",
         options.output, options.format.empty() ? "--target" : "--format " + options.format);
  }
  if (options.pure && options.format.empty()) {
    fail(ErrorKind::invalid_input, "--pure: expected --format with it");
  }
  if (options.target.find_first_not_of("0123456789.") == std::string::npos &&
      !options.target.empty()) {
    fail(ErrorKind::invalid_input, "--target {}: expected a unit, as 4.5bpw or 3.8GB",
         options.target);
  }
  if ((!to_hf || hf.scheme == quant::HfScheme::fp8) &&
      (options.zero_point || options.group != 32)) {
    fail(ErrorKind::invalid_input, "--group and --zero-point: expected --format int4 or int8");
  }
  if (!options.calibrate.empty() && !options.importance.empty()) {
    fail(ErrorKind::invalid_input, "expected one of --calibrate and --importance");
  }
  if (options.calibrate.empty() && !options.save_importance.empty()) {
    fail(ErrorKind::invalid_input, "--save-importance: expected --calibrate with it");
  }
  if (options.calibrate.empty() && options.memory != 0) {
    fail(ErrorKind::invalid_input, "--memory: expected --calibrate with it");
  }
  if (options.calibrate_tokens < 1) {
    fail(ErrorKind::invalid_input, "--calibrate-tokens {}: expected at least 1",
         options.calibrate_tokens);
  }
}

// "4.5bpw" of the tensors, or a size of the file as parse_bytes reads it.
quant::SizeTarget target_of(const Options& options, const fs::path& place,
                            const model::ModelSpec& spec,
                            const std::vector<quant::OutputTensor>& tensors) {
  const std::string& target = options.target;
  constexpr std::string_view kUnit = "bpw";
  if (!target.ends_with(kUnit)) {
    return {.bytes = parse_bytes(target), .overhead = gguf_overhead(place, spec, tensors)};
  }
  int64_t weights = 0;
  for (const quant::OutputTensor& tensor : tensors) weights += tensor.shape.elements();
  const std::string number = target.substr(0, target.size() - kUnit.size());
  char* end = nullptr;
  const double bits = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0' || !(bits > 0.0 && bits <= 32.0)) {
    fail(ErrorKind::invalid_input, "--target {}: expected bits a weight such as 4.5bpw, or a size",
         target);
  }
  return {.bytes = static_cast<int64_t>(std::floor(bits * static_cast<double>(weights) / 8.0))};
}

// Of a file, or of all files of a folder.
int64_t bytes_on_disk(const fs::path& place) {
  if (fs::is_regular_file(place)) return static_cast<int64_t>(fs::file_size(place));
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(place)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

// The model reads the text, in full precision; it is gone again afterwards.
quant::Importance calibrated(Context& ctx, const Options& options, const fs::path& place,
                             const model::ModelSpec& spec) {
  const std::string text = read_text_input(options.calibrate);
  std::vector<int32_t> tokens = load_tokenizer(place).encode(text);
  if (static_cast<int64_t>(tokens.size()) > options.calibrate_tokens) {
    tokens.resize(static_cast<size_t>(options.calibrate_tokens));
  }
  const model::LoadedModel loaded =
      model::load_model(ctx, place,
                        model::LoadOptions{.compute = model::natural_compute(place, spec),
                                           .format = model::WeightFormat::dense,
                                           .memory_bytes = options.memory});
  ProgressBar bar("calibrating", "tokens", static_cast<int64_t>(tokens.size()));
  bar.stops_on_signals();
  quant::Importance importance = quant::calibrate(ctx, *loaded.decoder, tokens, options.calibration,
                                                  [&](int64_t done) { bar.update(done); });
  bar.finish();
  if (!options.save_importance.empty()) {
    const int64_t context = options.calibration.context == 0
                                ? std::min<int64_t>(spec.max_positions, 2048)
                                : options.calibration.context;
    const auto count = static_cast<int64_t>(tokens.size());
    quant::save_importance(options.save_importance, importance, spec,
                           {fs::path(options.calibrate).filename().string(),
                            (count + context - 1) / context, context});
  }
  return importance;
}

quant::Importance importance_for(Context& ctx, const Options& options, const fs::path& place,
                                 const model::ModelSpec& spec) {
  if (!options.calibrate.empty()) return calibrated(ctx, options, place, spec);
  if (!options.importance.empty()) return quant::load_importance(options.importance, spec);
  return quant::Importance(model::parameter_list(spec));
}

// The types of all tensors; the format that the file is named after.
io::StoredType choose(Context& ctx, const Options& options, const model::Weights& weights,
                      const quant::Importance& importance, const fs::path& place,
                      const model::ModelSpec& spec, std::vector<quant::OutputTensor>& tensors) {
  if (!options.format.empty()) {
    const io::StoredType format = quant::format_from_name(options.format);
    quant::apply_format(format, options.pure, tensors);
    quant::apply_patterns(options.tensors, tensors);
    return format;
  }
  const std::vector<bool> fixed = quant::apply_patterns(options.tensors, tensors);
  const quant::SizeTarget target = target_of(options, place, spec, tensors);
  ProgressBar bar("measuring", "tensors", static_cast<int64_t>(tensors.size()));
  bar.stops_on_signals();
  try {
    quant::choose_types(ctx, weights, importance, fixed, spec.num_layers(), target, tensors,
                        [&](int64_t done) { bar.update(done); });
  } catch (const Error& error) {
    fail(error.kind(), "--target {}: {}", options.target, error.what());
  }
  bar.finish();
  std::vector<std::pair<int64_t, io::StoredType>> bytes;
  for (const quant::OutputTensor& tensor : tensors) {
    const auto same = [&](const auto& entry) { return entry.second == tensor.type; };
    auto found = std::ranges::find_if(bytes, same);
    if (found == bytes.end()) found = bytes.insert(found, {0, tensor.type});
    found->first += tensor.bytes();
  }
  return std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.first; })->second;
}

void run(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  check_options(options);
  const fs::path place = find_model(options.model);
  expect_outside(place, options.output);
  const model::ModelSpec spec = model::read_spec(place);
  const auto weights = model::open_weights(place, spec);
  StagedOutput output(options.output, options.force);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  QuantiseReport report;
  quant::HfQuantiseOptions hf;
  hf.integers.group = options.group;
  hf.integers.symmetric = !options.zero_point;
  const bool to_hf = quant::set_hf_scheme(options.format, hf);
  report.format = to_hf ? "hf" : "gguf";
  report.tensors =
      to_hf ? quant::planned_hf_tensors(*weights, spec, hf) : quant::gguf_tensors(spec);
  const quant::Importance importance = importance_for(ctx, options, place, spec);
  const QuantiseSource source = {place, spec, *weights, importance};
  io::StoredType format;
  if (!to_hf) {
    format = choose(ctx, options, *weights, importance, place, spec, report.tensors);
  }
  int64_t elements = 0;
  for (const quant::OutputTensor& tensor : report.tensors) {
    report.bytes += tensor.bytes();
    elements += tensor.shape.elements();
    const bool embeds = tensor.group == quant::TensorGroup::embedding;
    const bool rounded = tensor.group != quant::TensorGroup::kept && !embeds;
    report.unknown += rounded && !importance.knows(tensor.parameter) ? 1 : 0;
  }
  report.bits_per_weight = 8.0 * static_cast<double>(report.bytes) / static_cast<double>(elements);
  if (to_hf) {
    write_quantised_hf(ctx, output.temporary(), source, report.tensors, hf);
  } else {
    write_quantised_gguf(ctx, output.temporary(), source, report.tensors, format);
  }
  const model::ModelSpec found = model::read_spec(output.temporary());
  check_same_spec(spec, found);
  {
    ProgressBar bar("checking", "weights", elements);
    bar.stops_on_signals();
    report.errors =
        quant::measure_written(ctx, *weights, *model::open_weights(output.temporary(), found),
                               importance, [&](int64_t done) { bar.update(done); });
  }
  output.commit();
  report.output = output.place().string();
  report.file_bytes = bytes_on_disk(output.place());
  report.coverage = importance.coverage();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  warn_of_unreached(report.coverage);
  if (!to_hf) warn_of_unpacked(report.tensors);
  if (options.json) {
    print("{}\n", as_json(report).dump());
    return;
  }
  print_coverage(report.coverage);
  print_summary(report);
}

}  // namespace

void setup_quantise(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a file such as model.gguf")
      ->type_name("MODEL")
      ->required();
  app.add_option("output", options->output, "The GGUF file or Hugging Face folder to write")
      ->type_name("OUT")
      ->required();
  app.add_option("--format", options->format,
                 "For GGUF: q2_k, q3_k, q4_0, q4_1, q4_k, q5_0, q5_1, q5_k, q6_k or q8_0, of "
                 "experts and MLPs; attention, shared experts, embedding and head get more bits. "
                 "For a Hugging Face folder: int4, int8 (compressed-tensors) or fp8 (blocks of "
                 "128 x 128); embedding and head are kept")
      ->type_name("FORMAT");
  app.add_option(
         "--target", options->target,
         "Instead: a size, as 4.5bpw (bits a weight) or 3.8GB (the whole file); formats are chosen "
         "tensor by tensor so that least is lost")
      ->type_name("SIZE");
  app.add_option("--tensor", options->tensors,
                 "Tensors of this format whatever else is said, as 'blk.*.attn_v.weight=q8_0'; may "
                 "be repeated")
      ->type_name("PATTERN=FORMAT");
  app.add_flag("--pure", options->pure, "One format for all matrices");
  app.add_option("--group", options->group, "int4, int8: columns that share a scale")
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--zero-point", options->zero_point, "int4, int8: a zero point for each group");
  const std::string group = "Calibration";
  app.add_option(
         "--calibrate", options->calibrate,
         "A text that the model reads first: columns of weights then count by their inputs; "
         "- is standard input")
      ->type_name("TEXT")
      ->group(group);
  app.add_option("--calibrate-tokens", options->calibrate_tokens, "Read at most so many tokens")
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--memory", options->memory,
                 "The most memory that weights may take while the model reads, as 6G: of a larger "
                 "one, experts are read from the file when they are needed")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->group(group);
  app.add_option("--context", options->calibration.context,
                 "Tokens of a window; 0 takes the model's context, at most 2048")
      ->type_name("N")
      ->group(group);
  app.add_option("--importance", options->importance,
                 "Importance from a file of --save-importance, or of llama.cpp's imatrix")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--save-importance", options->save_importance, "Keep what calibration found")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--force", options->force, "Replace OUT if it is there");
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(
      app,
      "  cadre quantise olmoe/ olmoe-q4_k.gguf --format q4_k --calibrate wiki.txt\n"
      "  cadre quantise mixtral/ m.gguf --format q4_k --calibrate wiki.txt --memory 12G\n"
      "  cadre quantise olmoe/ olmoe.gguf --target 4.5bpw --importance olmoe.imatrix\n"
      "  cadre quantise olmoe/ olmoe-int4/ --format int4 --group 128\n"
      "  cadre quantise mixtral/ m.gguf --format q5_k --tensor 'blk.*.attn_v.weight=q8_0'");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
