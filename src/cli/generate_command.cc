// cadre generate: one prompt, one continuation, token by token.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/chat_model.h"
#include "cli/command.h"
#include "cli/constraint_input.h"
#include "cli/expert_report.h"
#include "cli/expert_trace.h"
#include "cli/flags.h"
#include "cli/generate_many.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/runtime.h"
#include "cli/stop_signals.h"
#include "cli/terminal.h"
#include "core/io/json_value.h"
#include "infer/sampler.h"
#include "infer/session.h"
#include "infer/stop_strings.h"

namespace cadre::cli {
namespace {

struct Options {
  std::string model;
  std::string prompt;
  std::string prompt_file;
  std::string prompt_tokens;
  bool chat = false;
  std::string system;
  std::string chat_template;
  ModelOptions load;
  std::string trace_experts;
  bool expert_counts = false;
  bool no_display_prompt = false;
  int64_t max_tokens = 128;
  std::vector<std::string> stop;
  int64_t logprobs = -1;
  bool json = false;
  std::string prompts;
  int64_t answers = 1;
  std::string draft;
  infer::EngineOptions engine = {.max_sequences = 16};
  ConstraintOptions constraint;
  infer::SamplerOptions sampler;
  RuntimeOptions runtime;
};

io::JsonValue as_json(const infer::GenerateResult& result, const std::vector<int32_t>& prompt,
                      const std::string& text, const text::Tokenizer* tokenizer) {
  io::JsonValue json = io::JsonValue::object();
  json.set("prompt_tokens", prompt)
      .set("tokens", result.tokens)
      .set("text", text)
      .set("stop_reason", infer::stop_reason_name(result.reason))
      .set("prefill_seconds", result.prefill_seconds)
      .set("decode_seconds", result.decode_seconds);
  if (!result.logprobs.empty()) {
    json.set("logprobs", logprobs_json(result.logprobs, tokenizer));
  }
  return json;
}

void report(const infer::GenerateResult& result, const infer::EngineStatistics& engine,
            size_t prompt_size) {
  const auto rate = [](size_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  print_error(fmt::format(
      "prompt {} tokens at {:.0f} tokens/s, text {} tokens at {:.1f} tokens/s ({})", prompt_size,
      rate(prompt_size, result.prefill_seconds), result.tokens.size(),
      rate(result.tokens.size(), result.decode_seconds), infer::stop_reason_name(result.reason)));
  if (engine.drafted_tokens > 0) {
    print_error(fmt::format("{} guesses, {} of them right, {} passes in all", engine.drafted_tokens,
                            engine.accepted_tokens, engine.steps));
  }
  report_draft_failures(engine);
}

// The text as a user's message, up to where the answer begins.
std::vector<int32_t> chat_prompt(const Options& options, const std::filesystem::path& place,
                                 const model::ModelSpec& spec, const text::Tokenizer& tokenizer,
                                 const std::string& text, infer::GenerateOptions& generate) {
  const text::ChatTemplate chat =
      chat_template_of(place, spec, tokenizer, options.chat_template, /*with_tools=*/false);
  text::ChatRequest request;
  if (!options.system.empty()) {
    request.messages.push(text::chat_message("system", options.system));
  }
  request.messages.push(text::chat_message("user", text));
  generate.stop_tokens = chat_stop_tokens(place, spec, tokenizer, chat);
  return encode_chat(tokenizer, chat.render(request).text);
}

// What both ways of asking share.
struct Loaded {
  std::filesystem::path place;
  std::optional<text::Tokenizer> tokenizer;
  model::ModelSpec spec;
  std::optional<ExpertTrace> trace;  // before the model, which tells it
  infer::GenerateOptions generate;
  model::LoadedModel model;
  std::optional<model::LoadedModel> draft;

  const model::Decoder* draft_decoder() const { return draft ? draft->decoder.get() : nullptr; }
};

// An empty prompt asks for a text from its beginning, which models mark with their end token.
std::vector<int32_t> begun(std::vector<int32_t> prompt, const model::ModelSpec& spec) {
  if (prompt.empty() && spec.eos_token_id >= 0) {
    prompt.push_back(static_cast<int32_t>(spec.eos_token_id));
  }
  return prompt;
}

std::vector<int32_t> encode_prompt(const Options& options, Loaded& loaded,
                                   const std::string& text) {
  if (!options.chat) return begun(loaded.tokenizer->encode(text), loaded.spec);
  return begun(
      chat_prompt(options, loaded.place, loaded.spec, *loaded.tokenizer, text, loaded.generate),
      loaded.spec);
}

void load_draft(Context& ctx, const Options& options, Loaded& loaded) {
  if (options.draft.empty()) return;
  const std::filesystem::path place = find_model(options.draft);
  if (loaded.tokenizer && has_tokenizer(place)) {
    const int64_t size = load_tokenizer(place).vocab_size();
    if (size != loaded.tokenizer->vocab_size()) {
      fail(ErrorKind::invalid_input, "{}: a draft model with {} tokens, expected {} as in {}",
           place.string(), size, loaded.tokenizer->vocab_size(), loaded.place.string());
    }
  }
  // Neither limited nor changed: what it is for is speed.
  loaded.draft = load_model(ctx, place, model::read_spec(place),
                            {.dtype = options.load.dtype, .weights = options.load.weights});
}

void run_many(Context& ctx, const Options& options, Loaded& loaded) {
  const InterruptSignal interrupt;
  GenerateMany many = {.engine = options.engine,
                       .text = loaded.generate,
                       .answers = options.answers,
                       .stop = options.stop,
                       .skip_special = options.chat,
                       .encode = {},
                       .keep_going = [&] { return !interrupt.requested(); }};
  std::vector<PromptLine> prompts = read_prompts(options.prompts);
  many.encode = [&](const std::string& text) { return encode_prompt(options, loaded, text); };
  if (options.chat) {
    many.encode(prompts.front().text);
    many.text.stop_tokens = loaded.generate.stop_tokens;
  }
  many.text.constraint =
      make_constraint(options.constraint, *loaded.tokenizer, many.text.stop_tokens);
  generate_many(ctx, *loaded.model.decoder, loaded.draft_decoder(), *loaded.tokenizer, prompts,
                many);
}

void run_one(Context& ctx, const Options& options, Loaded& loaded,
             const std::vector<int32_t>& prompt, const std::string& beginning) {
  std::optional<infer::TextStream> stream;
  if (loaded.tokenizer) {
    loaded.generate.constraint =
        make_constraint(options.constraint, *loaded.tokenizer, loaded.generate.stop_tokens);
    stream.emplace(*loaded.tokenizer, /*skip_special=*/options.chat, options.stop);
  }
  std::string text;
  const auto show = [&](const std::string& piece) {
    text += piece;
    if (options.json) return;
    print_text(piece);
    flush_output();
  };
  infer::EngineOptions engine = options.engine;
  engine.max_sequences = 1;
  loaded.generate.prefill_chunk = engine.step_tokens;
  infer::Session session(*loaded.model.decoder, engine, loaded.draft_decoder());
  // Ctrl-C ends the text, or the reading of the prompt; a second one the program.
  const InterruptSignal interrupt;
  loaded.generate.keep_going = [&] { return !interrupt.requested(); };
  show(beginning);
  text.clear();
  infer::GenerateResult result = session.generate(ctx, prompt, loaded.generate, [&](int32_t token) {
    if (stream) {
      show(stream->push(token));
    } else if (!options.json) {
      show(std::to_string(token) + " ");
    }
    return !interrupt.requested() && !(stream && stream->stopped());
  });
  if (stream) show(stream->finish());
  if (stream && stream->stopped()) result.reason = infer::StopReason::stop_string;
  if (options.json) {
    io::JsonValue json =
        as_json(result, prompt, text, loaded.tokenizer ? &*loaded.tokenizer : nullptr);
    if (options.expert_counts) json.set("expert_counts", loaded.trace->counts_json());
    if (loaded.model.experts) json.set("experts", experts_json(loaded.model.experts->statistics()));
    print("{}\n", json.dump());
    return;
  }
  print_text("\n");
  flush_output();
  report(result, session.statistics(), prompt.size());
}

void run(const Options& options, const CLI::App& app) {
  Loaded loaded;
  loaded.place = find_model(options.model);
  const bool by_ids = app.count("--prompt-tokens") > 0;
  // Ids need no tokenizer: a model without one can still be tried.
  if (!by_ids || has_tokenizer(loaded.place)) loaded.tokenizer = load_tokenizer(loaded.place);
  loaded.spec = model::read_spec(loaded.place);
  print_notes(loaded.spec);
  if (!loaded.tokenizer && (!options.stop.empty() || options.constraint.asked())) {
    fail(ErrorKind::invalid_input, "{} needs a model with a tokenizer",
         options.stop.empty() ? "the form of a text" : "--stop");
  }
  if (options.logprobs >= 0 && !options.json && options.prompts.empty()) {
    fail(ErrorKind::invalid_input, "--logprobs is written with --json or --prompts");
  }
  infer::GenerateOptions& generate = loaded.generate;
  if (loaded.spec.eos_token_id >= 0) {
    generate.stop_tokens.push_back(static_cast<int32_t>(loaded.spec.eos_token_id));
  }
  generate.sampler = options.sampler;
  static_cast<void>(infer::Sampler(generate.sampler));  // refuses what it cannot take
  if (options.max_tokens == 0) fail(ErrorKind::invalid_input, "-n 0, expected a number of tokens");
  generate.max_tokens = options.max_tokens < 0 ? int64_t{1} << 40 : options.max_tokens;
  draw_seed(generate.sampler);
  if (loaded.tokenizer) generate.num_candidates = loaded.tokenizer->vocab_size();
  generate.logprobs = options.logprobs;
  const bool many = !options.prompts.empty();
  std::vector<int32_t> prompt;
  std::string beginning;
  if (by_ids) {
    prompt = begun(parse_token_ids(options.prompt_tokens), loaded.spec);
  } else if (!many) {
    const bool given = app.count("--prompt") > 0;
    prompt =
        encode_prompt(options, loaded, prompt_text(options.prompt, options.prompt_file, given));
    // A text that has to have a form is for a program to read.
    if (given && !options.json && !options.chat && !options.no_display_prompt &&
        !options.constraint.asked()) {
      beginning = options.prompt;
    }
  }
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  model::LoadOptions load = load_options(options.load, loaded.place, loaded.spec);
  if (options.expert_counts || !options.trace_experts.empty()) {
    load.routing.observer = &loaded.trace.emplace(loaded.spec, options.trace_experts);
  }
  loaded.model = model::load_model(ctx, loaded.place, load);
  load_draft(ctx, options, loaded);
  if (many) {
    run_many(ctx, options, loaded);
  } else {
    run_one(ctx, options, loaded, prompt, beginning);
  }
  if (loaded.trace) loaded.trace->finish();
  if (options.json && !many) return;
  report_experts(loaded.model);
  if (options.expert_counts) loaded.trace->print_counts();
}

}  // namespace

void setup_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a .gguf file")
      ->type_name("MODEL")
      ->required();
  app.add_option("-p,--prompt", options->prompt, "The text to go on from; standard input if absent")
      ->type_name("TEXT");
  app.add_option("-f,--prompt-file", options->prompt_file, "Read the prompt from this file")
      ->type_name("FILE");
  app.add_option("--prompt-tokens", options->prompt_tokens, "The prompt as token ids: 1,2,3")
      ->type_name("IDS");
  auto* prompts = app.add_option(
      "--prompts", options->prompts,
      "Many prompts at once: a .txt file with one a line, or JSONL with strings or objects with "
      "prompt, id, max_tokens and seed; - is standard input. Writes JSONL");
  prompts->type_name("FILE")->excludes("--prompt", "--prompt-file", "--prompt-tokens");
  app.add_option("--parallel", options->engine.max_sequences,
                 "With --prompts, texts that are written at the same time")
      ->type_name("N")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str()
      ->needs(prompts);
  app.add_option("--answers", options->answers,
                 "With --prompts, texts for each, with seeds that count up")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->needs(prompts);
  app.add_option("--draft", options->draft,
                 "A smaller model with the same tokens that guesses what comes next; the text "
                 "stays the same")
      ->type_name("MODEL");
  auto* chat = app.add_flag("--chat", options->chat,
                            "The prompt is a message, in the format of conversations");
  app.add_option("--system", options->system, "A system prompt before it")
      ->type_name("TEXT")
      ->needs(chat);
  app.add_option("--chat-template", options->chat_template, chat_template_help())
      ->type_name("NAME")
      ->needs(chat);
  app.add_flag("--no-display-prompt", options->no_display_prompt,
               "Write what follows the prompt alone, as with --json-schema, --regex and --grammar");
  app.add_option("-n,--max-tokens,--n-predict", options->max_tokens,
                 "Stop after this many tokens; -1 goes on until the model or its context ends it")
      ->type_name("N")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 40))
      ->capture_default_str();
  add_stop_option(app, options->stop);
  app.add_option("--logprobs", options->logprobs,
                 "With --json or --prompts, log probabilities of each token and of this many "
                 "alternatives")
      ->type_name("N")
      ->check(CLI::Range(0, 1000));
  app.add_option("--trace-experts", options->trace_experts,
                 "Write which experts each token meets in each layer to this file, a line of JSON "
                 "each")
      ->type_name("FILE");
  app.add_flag("--expert-counts", options->expert_counts,
               "Show how often each layer's experts were met");
  add_model_options(app, options->load);
  add_constraint_options(app, options->constraint);
  add_fields(app, options->sampler, "Sampling");
  add_fields(app, options->engine, "Cache and passes");
  app.get_option("--draft-tokens")->needs("--draft");
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(
      app,
      "  cadre generate runs/quickstart --prompt 'The licence'\n"
      "  cadre generate model/ -p 'def main' -n 200 --temperature 0\n"
      "  cadre generate olmoe-q8_0.gguf -p 'Once' -n 20\n"
      "  cadre generate model/ -p 'A person:' --json-schema person.json -n 500\n"
      "  cadre generate model/ -p 'Yes or no?' --regex 'yes|no'\n"
      "  cadre generate mixtral-q4_k.gguf --memory 8G -p 'Once'\n"
      "  cadre generate model/ -p 'Once' --active-experts 4 --expert-counts\n"
      "  cadre generate model/ -p 'Once' --trace-experts routing.jsonl\n"
      "  cadre generate model/ --chat -p 'What is a router?'\n"
      "  cadre generate model/ -p 'Q: 2+2? A:' --stop 'Q:' --min-p 0.1 --repeat-penalty 1.1\n"
      "  cadre generate model/ --prompts questions.jsonl --parallel 32 --cache-type int8 > "
      "out.jsonl\n"
      "  cadre generate model/ -p 'Once' --sinks 4 --attention-window 1020 -n 100000 --ignore-eos\n"
      "  cadre generate model/ -p 'Once' --lookup 8 --draft small-model/\n"
      "  cadre generate model/ --prompt-tokens 12,7,9 --temperature 0 --json");
  app.callback([options, &app] { run(*options, app); });
}

}  // namespace cadre::cli
