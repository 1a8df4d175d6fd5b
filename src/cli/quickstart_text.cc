#include "cli/quickstart_text.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "cli/human.h"
#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

// Less than this is no domain to speak of.
constexpr int64_t kMinDomainBytes = 64 << 10;
// Larger files of a machine are tables and generated code.
constexpr int64_t kMaxMachineFile = 512 << 10;

struct Place {
  std::vector<std::string> inputs;  // those that are not there are passed over
  std::vector<std::string> include;
  std::vector<std::string> exclude;
};

data::InputFiles list_existing(const Place& place) {
  data::InputFiles found;
  for (const std::string& input : place.inputs) {
    try {
      data::InputFiles more = data::list_input_files({input}, place.include, place.exclude);
      found.files.insert(found.files.end(), more.files.begin(), more.files.end());
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found) throw;
    }
  }
  return found;
}

// A fixed order that has nothing to do with folders, so that a sample sees all of them.
uint64_t shuffle_key(const data::InputFile& file) {
  uint64_t key = 0;
  for (const char c : file.path.native()) key = mix_bits(key ^ static_cast<uint8_t>(c));
  return key;
}

Domain sample(std::string name, std::string prompt, std::vector<data::InputFile> files,
              int64_t max_file_bytes) {
  Domain domain{.name = std::move(name), .prompt = std::move(prompt), .files = {}};
  std::erase_if(files, [&](const data::InputFile& file) {
    return file.bytes == 0 || file.bytes > max_file_bytes;
  });
  domain.found_files = std::ssize(files);
  for (const data::InputFile& file : files) domain.found_bytes += file.bytes;
  std::ranges::sort(files, {}, [](const data::InputFile& file) {
    return std::pair(shuffle_key(file), file.path.native());
  });
  int64_t bytes = 0;
  for (const data::InputFile& file : files) {
    if (bytes >= kDomainBytes) break;
    bytes += file.bytes;
    domain.files.push_back(file);
  }
  return domain;
}

// Names become parts of file names.
std::string domain_name(const fs::path& folder) {
  std::string name = folder.filename().string();
  for (char& c : name) {
    const bool fit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_';
    if (!fit) c = '_';
  }
  return name;
}

void keep_large_enough(std::vector<Domain>& domains, std::vector<std::string>& notes) {
  std::erase_if(domains, [&](const Domain& domain) {
    if (domain.bytes() >= kMinDomainBytes) return false;
    notes.push_back(fmt::format("left out \"{}\": {} of text, expected at least {}", domain.name,
                                human_bytes(static_cast<double>(domain.bytes())),
                                human_bytes(static_cast<double>(kMinDomainBytes))));
    return true;
  });
}

}  // namespace

int64_t Domain::bytes() const {
  int64_t sum = 0;
  for (const data::InputFile& file : files) sum += file.bytes;
  return sum;
}

std::vector<Domain> machine_domains(std::vector<std::string>& notes) {
  // Whatever people write is prose: licences, READMEs, manuals. Files without an ending are taken
  // by the capital that such names begin with.
  const Place prose = {
      {"/usr/share/doc", "/usr/share/common-licenses", "/usr/share/cmake-*/Help",
       "/usr/share/perl"},
      {"copyright", "[A-Z]*", ".txt", ".rst", ".md", ".pod"},
      {".gz", ".html", ".htm",           ".png",     ".gif", ".svg", ".pdf", ".xml",
       ".c",  ".h",    ".cpp",           ".py",      ".pl",  ".pm",  ".sh",  ".css",
       ".js", ".json", "CMakeLists.txt", "Makefile*"}};
  const Place c = {{"/usr/include"}, {".h"}, {}};
  const Place python = {{"/usr/lib/python3*", "/usr/share/gcc*/python"}, {".py"}, {}};
  const Place perl = {{"/usr/share/perl*", "/usr/lib/*/perl*"}, {".pm", ".pl"}, {}};

  std::vector<Domain> domains;
  const auto add = [&](const char* name, const char* prompt, const Place& place) {
    domains.push_back(sample(name, prompt, list_existing(place).files, kMaxMachineFile));
  };
  add("prose", "This program is", prose);
  add("c", "#include <", c);
  add("python", "def ", python);
  if (domains.back().bytes() < kMinDomainBytes) {
    domains.pop_back();
    add("perl", "sub ", perl);
    notes.push_back("no Python sources under /usr/lib/python3*; Perl's take their place");
  }
  keep_large_enough(domains, notes);
  if (domains.empty()) {
    fail(ErrorKind::not_found,
         "no text to train on: looked under {}, {} and {}; give a folder of your own with --data",
         fmt::join(prose.inputs, ", "), fmt::join(c.inputs, ", "), fmt::join(python.inputs, ", "));
  }
  return domains;
}

std::vector<Domain> folder_domains(const fs::path& folder, std::vector<std::string>& notes) {
  if (!fs::is_directory(folder)) {
    fail(ErrorKind::not_found, "{}: is not a folder, expected one with text", folder.string());
  }
  std::vector<fs::path> subfolders, loose;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().native().starts_with(".")) continue;
    if (entry.is_directory()) subfolders.push_back(entry.path());
    if (entry.is_regular_file()) loose.push_back(entry.path());
  }
  std::ranges::sort(subfolders);
  std::ranges::sort(loose);
  const auto files_of = [](const std::vector<std::string>& inputs) {
    return data::list_input_files(inputs, {}, {}).files;
  };
  std::vector<Domain> domains;
  if (subfolders.size() < 2) {
    domains.push_back(sample("text", "", files_of({folder.string()}), INT64_MAX));
  } else {
    for (const fs::path& subfolder : subfolders) {
      domains.push_back(
          sample(domain_name(subfolder), "", files_of({subfolder.string()}), INT64_MAX));
    }
    std::vector<std::string> names(loose.begin(), loose.end());
    if (!names.empty()) domains.push_back(sample("files", "", files_of(names), INT64_MAX));
    keep_large_enough(domains, notes);
  }
  if (domains.empty() || domains.front().files.empty()) {
    fail(ErrorKind::not_found,
         "{}: no text, expected files (text, JSONL, or either with .zst or .gz)", folder.string());
  }
  return domains;
}

}  // namespace cadre::cli
