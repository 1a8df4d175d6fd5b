#include "text/chat_template.h"

#include <doctest/doctest.h>

#include "core/base/file.h"
#include "core/io/json.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"
#include "tests/text/text_cases.h"
#include "text/chat_template_files.h"

namespace cadre::text {
namespace {

using io::JsonValue;

constexpr const char* kGolden = "tests/golden/chat_templates/cases.json";

const JsonValue& member(const JsonValue& object, std::string_view key) {
  const JsonValue* found = object.find(key);
  REQUIRE_MESSAGE(found != nullptr, std::string(key));
  return *found;
}

const std::string& text_of(const JsonValue& object, std::string_view key) {
  return *member(object, key).get_if<std::string>();
}

ChatRequest request_from(const JsonValue& json) {
  ChatRequest request;
  request.messages = member(json, "messages");
  if (const JsonValue* tools = json.find("tools")) request.tools = *tools;
  if (const JsonValue* documents = json.find("documents")) request.documents = *documents;
  const auto flag = [&](const char* key, bool otherwise) {
    const JsonValue* value = json.find(key);
    return value == nullptr ? otherwise : *value->get_if<bool>();
  };
  request.add_generation_prompt = flag("add_generation_prompt", true);
  request.continue_final_message = flag("continue_final_message", false);
  if (const JsonValue* more = json.find("variables")) {
    request.variables = more->get_if<JsonValue::Object>()->members;
  }
  request.now = [] {
    std::tm now{};
    now.tm_year = 2026 - 1900;
    now.tm_mon = 2;
    now.tm_mday = 5;
    return now;
  };
  return request;
}

const SpecialTokens kTokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};

std::string render(const char* name, const std::string& messages, bool prompt = true) {
  ChatRequest request;
  request.messages = io::parse_json(messages, "messages");
  request.add_generation_prompt = prompt;
  return ChatTemplate(*builtin_chat_template(name), name, kTokens).render(request).text;
}

constexpr const char* kTalk =
    R"([{"role": "system", "content": "S"}, {"role": "user", "content": "A"},
  {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}])";

}  // namespace

TEST_CASE("chat templates render as transformers renders them") {
  const JsonValue golden = io::parse_json(read_text_file(kGolden), kGolden);
  const JsonValue& builtin = member(golden, "builtin");
  for (const auto& [name, source] : builtin.get_if<JsonValue::Object>()->members) {
    INFO("the golden file is of an older template; make it again: ", name);
    CHECK(*builtin_chat_template(name) == *source.get_if<std::string>());
  }
  const auto& cases = *member(golden, "cases").get_if<JsonValue::Array>();
  CHECK(cases.size() >= 60);
  for (const JsonValue& test : cases) {
    const std::string& name = text_of(test, "template");
    const std::string& kind = text_of(test, "request");
    CAPTURE(name);
    CAPTURE(kind);
    const JsonValue* source = builtin.find(name);
    if (source == nullptr) source = &member(member(golden, "templates"), name);
    const ChatTemplate chat(*source->get_if<std::string>(), name, kTokens);
    const ChatRequest request = request_from(member(member(golden, "requests"), kind));
    if (test.find("refused") != nullptr) {
      error_of(ErrorKind::invalid_input, [&] { chat.render(request); });
      continue;
    }
    const RenderedChat rendered = chat.render(request);
    CHECK(rendered.text == text_of(test, "text"));
    if (request.continue_final_message) continue;
    JsonValue spans = JsonValue::array();
    for (const auto& [begin, end] : rendered.assistant) {
      spans.push(JsonValue::array().push(begin).push(end));
    }
    CHECK(spans.dump() == member(test, "assistant").dump());
  }
}

TEST_CASE("built-in chat templates follow the descriptions of their families") {
  CHECK(render("chatml", kTalk) ==
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nA<|im_end|>\n"
        "<|im_start|>assistant\nB<|im_end|>\n<|im_start|>user\nC<|im_end|>\n"
        "<|im_start|>assistant\n");
  CHECK(render("mistral-v1", kTalk) == "<s>[INST] S\n\nA [/INST] B</s>[INST] C [/INST]");
  CHECK(render("mistral-v3", kTalk) == "<s>[INST] A[/INST] B</s>[INST] S\n\nC[/INST]");
  CHECK(render("yuan", kTalk) == "S\nA\nB\nC<sep>");
  CHECK(render("yuan",
               R"([{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}])",
               false) == "Q<sep>A<eod>");
  const ChatTemplate olmoe(*builtin_chat_template("olmoe"), "olmoe",
                           {{"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}});
  ChatRequest request;
  request.messages = io::parse_json(kTalk, "messages");
  CHECK(olmoe.render(request).text ==
        "<|endoftext|><|system|>\nS\n<|user|>\nA\n<|assistant|>\nB<|endoftext|>\n<|user|>\nC\n"
        "<|assistant|>\n");
}

TEST_CASE("templates of a checkpoint are found in its files, and chosen by name") {
  const ScratchFolder folder;
  folder.write("tokenizer_config.json", R"({"bos_token": {"content": "<b>"}, "eos_token": "<e>",
    "add_bos_token": true, "pad_token": null, "chat_template": [
      {"name": "default", "template": "d{{ bos_token }}"},
      {"name": "tool_use", "template": "t{{ eos_token }}"}]})");
  ChatTemplateSet set = read_chat_templates(folder.path());
  CHECK(set.choose("", false).render({}).text == "d<b>");
  CHECK(set.choose("", true).render({}).text == "t<e>");
  CHECK(set.choose("default", true).render({}).text == "d<b>");
  CHECK(contains(error_of(ErrorKind::not_found, [&] { set.choose("rag", false); }),
                 "default, tool_use"));
  // A file of its own goes before.
  folder.write("chat_template.jinja", "file\n{{ 1/0 if messages }}");
  folder.write("additional_chat_templates/rag.jinja", "rag");
  set = read_chat_templates(folder.path());
  CHECK(set.choose("", true).render({}).text == "file\n");
  CHECK(set.choose("rag", false).render({}).text == "rag");
  ChatRequest request;
  request.messages.push(chat_message("user", "x"));
  CHECK(contains(error_of(ErrorKind::invalid_input, [&] { set.choose("", false).render(request); }),
                 "chat_template.jinja:2: division by zero"));
  CHECK(read_chat_templates(folder / "nowhere").empty());
}

TEST_CASE("a final message is continued where its text ends") {
  const ChatTemplate trims("{% for m in messages %}<{{ m.content|trim }}>{% endfor %}", "t", {});
  ChatRequest request;
  request.add_generation_prompt = false;
  request.continue_final_message = true;
  request.messages.push(chat_message("user", "a")).push(chat_message("assistant", " half "));
  CHECK(trims.render(request).text == "<a><half");
  const ChatTemplate drops("{{ messages[0].content }}", "t", {});
  CHECK(contains(error_of(ErrorKind::invalid_input, [&] { drops.render(request); }),
                 "does not appear"));
  request.messages.push(io::parse_json(R"({"role": "assistant", "content": null})", "m"));
  error_of(ErrorKind::invalid_input, [&] { trims.render(request); });
}

TEST_CASE("arguments of tool calls that are JSON in a string become objects") {
  const JsonValue messages = io::parse_json(
      R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\":1}"}},
          {"function": {"name": "g", "arguments": "not json"}}]}])",
      "messages");
  CHECK(
      with_parsed_arguments(messages).dump() ==
      R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, )"
      R"({"function": {"name": "g", "arguments": "not json"}}]}])");
}

// Mistral's own renderer shows JSON in tool results as JSON; its text has U+2581 for spaces.
TEST_CASE("chats of Mistral models are those of Mistral's own renderer") {
  const auto folder = real_file("tokenizers/mistral-chat-samples");
  if (!folder) {
    MESSAGE("skipped: no folder of real data (CADRE_TEST_DATA)");
    return;
  }
  const auto plain = [](std::string text, bool brackets_are_words) {
    const auto replace = [&](std::string_view from, std::string_view to) {
      for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
      }
    };
    replace("\xe2\x96\x81", " ");
    replace("<0x0A>", "\n");
    // SentencePiece's own space in front of each piece of text.
    if (brackets_are_words) replace("> [INST]", ">[INST]");
    return text;
  };
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    const JsonValue sample =
        io::parse_json(read_text_file(entry.path() / "sample.json"), "sample.json");
    JsonValue::Array messages =
        *with_parsed_arguments(member(sample, "messages")).get_if<JsonValue::Array>();
    for (JsonValue& message : messages) {
      if (text_of(message, "role") != "tool") continue;
      try {
        message.set("content", io::parse_json(text_of(message, "content"), "content"));
      } catch (const Error&) {
        continue;  // an ordinary text
      }
    }
    for (const std::string version : {"v1", "v3"}) {
      const auto file = entry.path() / ("text_" + version + ".txt");
      if (!std::filesystem::exists(file)) continue;
      CAPTURE(file.string());
      ChatRequest request;
      request.messages = messages;
      request.tools = member(sample, "tools");
      const ChatTemplate chat(*builtin_chat_template("mistral-" + std::string(version)), "mistral",
                              kTokens);
      CHECK(chat.render(request).text == plain(read_text_file(file), std::string(version) == "v1"));
      ++compared;
    }
  }
  CHECK(compared == 7);
}

}  // namespace cadre::text
