#include "cli/model_input.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "cli/input.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "model/format.h"

namespace cadre::cli {

std::filesystem::path find_model(const std::filesystem::path& place) {
  namespace fs = std::filesystem;
  if (model::find_format(place) != nullptr) return place;
  if (fs::exists(place / "latest" / "config.json")) return fs::canonical(place / "latest");
  model::format_of(place);  // says what was looked for
  return place;
}

void expect_outside(const std::filesystem::path& model, const std::filesystem::path& output) {
  namespace fs = std::filesystem;
  const auto resolved = [](const fs::path& path) {
    return fs::weakly_canonical(fs::absolute(path));
  };
  const fs::path way = resolved(model).lexically_relative(resolved(output));
  std::error_code error;
  if (fs::equivalent(model, output, error) || way.empty() || *way.begin() != "..") {
    fail(ErrorKind::invalid_input, "{}: holds the model that is to be read", output.string());
  }
  if (fs::is_directory(output, error) && !fs::is_empty(output, error) &&
      model::find_format(output) == nullptr) {
    fail(ErrorKind::invalid_input,
         "{}: a folder with other things than a model in it, which is not replaced",
         output.string());
  }
}

void print_notes(const model::ModelSpec& spec) {
  for (const std::string& note : spec.notes) print_error("note: " + note);
}

void add_stop_option(CLI::App& app, std::vector<std::string>& stop) {
  app.add_option("--stop", stop, "End the text before this string; may be repeated")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
}

void add_model_options(CLI::App& app, ModelOptions& options) {
  app.add_option("--dtype", options.dtype,
                 "Arithmetic with activations and dense weights: auto, f32 or bf16; auto as stored")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}))
      ->capture_default_str();
  app.add_option(
         "--weights", options.weights,
         "How matrices are held: stored (blocks of a quantised file stay blocks), dense, or "
         "rounded while loading: q8_0, q4_0, ...")
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option(
         "--memory", options.memory,
         "The most memory that weights may take, as 6G: of a larger model, experts are read "
         "from the file when they are needed")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  app.add_option("--active-experts", options.active_experts,
                 "Experts of each token, fewer or more than the model was trained with")
      ->type_name("K")
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--expert-threshold", options.expert_threshold,
                 "Drop experts whose weight is below this share of the token's largest")
      ->type_name("T")
      ->check(CLI::Range(0.0, 1.0));
}

model::LoadOptions load_options(const ModelOptions& options, const std::filesystem::path& place,
                                const model::ModelSpec& spec) {
  model::LoadOptions load;
  model::set_weight_format(options.weights, load);
  load.compute = options.dtype == "auto" ? model::natural_compute(place, spec)
                                         : *dtype_from_name(options.dtype);
  load.memory_bytes = options.memory;
  load.drop_cache = options.drop_cache;
  load.routing.active_experts = options.active_experts;
  load.routing.threshold = options.expert_threshold;
  return load;
}

model::LoadedModel load_model(Context& ctx, const std::filesystem::path& place,
                              const model::ModelSpec& spec, const ModelOptions& options) {
  return model::load_model(ctx, place, load_options(options, place, spec));
}

std::vector<int32_t> parse_token_ids(const std::string& text) {
  constexpr std::string_view kSeparators = " \t\r\n,[]";
  std::vector<int32_t> ids;
  for (size_t at = text.find_first_not_of(kSeparators); at != std::string::npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    int32_t id = 0;
    const auto [last, error] = std::from_chars(text.data() + at, text.data() + end, id);
    if (error != std::errc() || last != text.data() + end || id < 0) {
      fail(ErrorKind::invalid_input, "token ids: \"{}\", expected a whole number from 0",
           text.substr(at, end - at));
    }
    ids.push_back(id);
    at = text.find_first_not_of(kSeparators, end);
  }
  return ids;
}

std::string prompt_text(const std::string& prompt, const std::string& file, bool given) {
  if (given) return prompt;
  return file.empty() ? read_standard_input() : read_text_file(file);
}

}  // namespace cadre::cli
