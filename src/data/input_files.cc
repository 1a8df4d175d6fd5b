#include "data/input_files.h"

#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/error.h"

namespace cadre::data {
namespace {

namespace fs = std::filesystem;

bool matches(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (pattern.starts_with('.')) return name.ends_with(pattern);
    return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

class Lister {
 public:
  Lister(const std::vector<std::string>& include, const std::vector<std::string>& exclude)
      : include_(include), exclude_(exclude) {}

  void add_input(const std::string& input) {
    struct stat status {};
    if (::stat(input.c_str(), &status) == 0) {
      S_ISDIR(status.st_mode) ? walk(input) : add_file(input, /*filtered=*/false);
    } else if (input.find_first_of("*?[") != std::string::npos) {
      add_glob(input);
    } else {
      fail(ErrorKind::not_found, "{}: there is no such file or folder", input);
    }
  }
  InputFiles take() { return std::move(result_); }

 private:
  void add_glob(const std::string& pattern) {
    ::glob_t found{};
    const int code = ::glob(pattern.c_str(), 0, nullptr, &found);
    std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    if (code != 0 || paths.empty()) {
      fail(ErrorKind::not_found, "{}: the pattern matches no file", pattern);
    }
    std::sort(paths.begin(), paths.end());  // glob() sorts by locale
    for (const std::string& path : paths) {
      fs::is_directory(path) ? walk(path) : add_file(path, /*filtered=*/true);
    }
  }

  // Folders are kept in a list rather than on the stack, for the depth is the disk's to choose.
  void walk(const fs::path& top) {
    std::vector<fs::path> files;
    std::vector<fs::path> folders = {top};
    while (!folders.empty()) {
      const fs::path folder = std::move(folders.back());
      folders.pop_back();
      std::error_code error;
      fs::directory_iterator entry(folder, error);
      if (error) ++result_.unreadable;
      for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        if (entry->path().filename().string().starts_with('.')) continue;
        std::error_code ignored;
        const bool linked = entry->is_symlink(ignored);
        if (entry->is_directory(ignored)) {
          if (!linked) folders.push_back(entry->path());
        } else {
          files.push_back(entry->path());
        }
      }
    }
    std::sort(files.begin(), files.end(),
              [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
    for (const fs::path& file : files) add_file(file, /*filtered=*/true);
  }

  void add_file(const fs::path& path, bool filtered) {
    const std::string name = path.filename().string();
    if (filtered && ((!include_.empty() && !matches(name, include_)) || matches(name, exclude_))) {
      ++result_.excluded;
      return;
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      ++result_.unreadable;
      return;
    }
    if (!S_ISREG(status.st_mode)) {
      if (!filtered) fail(ErrorKind::invalid_input, "{}: is not a regular file", path.string());
      return;
    }
    // The same file may be reached by links and by several inputs.
    if (!seen_.emplace(status.st_dev, status.st_ino).second) return;
    result_.files.push_back({path, static_cast<int64_t>(status.st_size)});
  }

  const std::vector<std::string>& include_;
  const std::vector<std::string>& exclude_;
  std::set<std::pair<dev_t, ino_t>> seen_;
  InputFiles result_;
};

}  // namespace

InputFiles list_input_files(const std::vector<std::string>& inputs,
                            const std::vector<std::string>& include,
                            const std::vector<std::string>& exclude) {
  Lister lister(include, exclude);
  for (const std::string& input : inputs) lister.add_input(input);
  return lister.take();
}

}  // namespace cadre::data
