#include "cli/flags.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace cadre::cli {
namespace {

struct Description {
  std::string type_name;
  std::string value;  // the default, shown if not empty

  void operator()(const bool*) {}
  void operator()(const int64_t* number) { *this = {"N", fmt::format("{}", *number)}; }
  void operator()(const double* number) { *this = {"X", fmt::format("{}", *number)}; }
  void operator()(const std::string* text) { *this = {"TEXT", *text}; }
  void operator()(const std::vector<std::string>* list) {
    *this = {"A,B", fmt::format("{}", fmt::join(*list, ","))};
  }
  void operator()(const std::vector<double>* list) {
    *this = {"X,Y", fmt::format("{}", fmt::join(*list, ","))};
  }
};

// A switch. One that is on by default is shown by its negation, though both are understood.
void add_switch(CLI::App& app, const io::Field& field, const std::string& flag,
                const std::string& group) {
  bool* value = *std::get_if<bool*>(&field.target);
  if (!*value) {
    app.add_flag(flag, *value, field.help)->group(group);
    return;
  }
  app.add_flag_callback(flag, [value] { *value = true; })->group("");
  app.add_flag_callback(
         "--no-" + flag.substr(2), [value] { *value = false; }, "turn off: " + field.help)
      ->group(group);
}

// The short and other names under which users of other programs know a flag.
std::string with_other_names(const std::string& flag) {
  if (flag == "--threads") return "-t,--threads";
  if (flag == "--seed") return "-s,--seed";
  if (flag == "--temperature") return "--temperature,--temp";
  return flag;
}

}  // namespace

std::string flag_name(std::string_view field) {
  std::string name = "--" + std::string(field.substr(field.rfind('.') + 1));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

void add_field_flags(CLI::App& app, const std::vector<io::Field>& fields, const std::string& group,
                     const std::string& prefix) {
  const std::string heading = group.empty() ? "Options" : group;
  for (const io::Field& field : fields) {
    std::string flag = flag_name(field.name);
    if (!prefix.empty()) flag = "--" + prefix + "-" + flag.substr(2);
    if (std::holds_alternative<bool*>(field.target)) {
      add_switch(app, field, flag, heading);
      continue;
    }
    Description description;
    std::visit([&](const auto* target) { description(target); }, field.target);
    std::string help = field.help;
    if (!field.choices.empty()) {
      description.type_name = "NAME";
      help += fmt::format(" ({})", fmt::join(field.choices, ", "));
    }
    const auto set = [field, flag](const std::string& text) {
      // Messages speak of what was typed.
      io::Field typed = field;
      typed.name = flag;
      io::set_field_from_text(typed, text, "command line");
    };
    app.add_option_function<std::string>(with_other_names(flag), set, help)
        ->type_name(description.type_name)
        ->default_str(description.value)
        ->take_last()
        ->group(heading);
  }
}

void add_examples(CLI::App& app, std::string_view examples) {
  app.footer("Examples:\n" + std::string(examples));
}

void add_json_flag(CLI::App& app, bool& json) { app.add_flag("--json", json, "Print JSON"); }

}  // namespace cadre::cli
