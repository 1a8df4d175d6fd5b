// Files to documents: the first station of text on its way into a model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/fields.h"
#include "core/io/text_reader.h"
#include "data/input_files.h"

namespace cadre::data {

struct DocumentOptions {
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  std::string text_field = "text";
  int64_t max_file_bytes = int64_t{1} << 30;
  double max_invalid_share = 0.02;
  bool deduplicate = true;
  bool strict = false;

  void visit_fields(auto&& field) {
    field("include", include, "endings (.py) or patterns of file names taken from folders");
    field("exclude", exclude, "endings or patterns of file names left out");
    field("text_field", text_field, "member of a JSONL line that holds the text");
    field("max_file_bytes", max_file_bytes, Interval{1, 4294967295.0},
          "skip text files and JSONL lines larger than this, unpacked");
    field("max_invalid_share", max_invalid_share, Interval{0.0, 1.0},
          "skip texts with a larger share of bytes that are not UTF-8");
    field("deduplicate", deduplicate, "skip texts that were read before");
    field("strict", strict, "stop at a malformed JSONL line or an unreadable file");
  }
};

struct Document {
  std::string text;  // valid UTF-8, not empty
  std::string path;
  int64_t line = 0;  // of a JSONL file, from 1; 0 for a text file
};

// What became of everything that was looked at.
struct DocumentCounts {
  int64_t files = 0;      // opened
  int64_t documents = 0;  // handed out
  int64_t bytes = 0;      // of their text
  int64_t duplicates = 0;
  int64_t empty = 0;   // nothing but white space
  int64_t binary = 0;  // with NUL bytes, or too many that are not UTF-8
  int64_t too_large = 0;
  int64_t malformed = 0;  // JSONL lines that are not JSON or lack the text
  int64_t unreadable = 0;
  int64_t excluded = 0;
  std::vector<std::string> problems;  // the first few, as `file:line: what`
};

// Reads documents in a fixed order: a text file is one document, a JSONL file (.jsonl, .ndjson, and
// compressed .json, as C4 and Dolma name theirs) one for each line; either may be compressed (.zst,
// .gz). Bytes that are not UTF-8 become U+FFFD. What
// cannot be used is counted and passed over. One thread at a time.
class DocumentReader {
 public:
  // `seen`, if given, is shared by the readers of several sources, so that no text comes twice; it
  // must outlive them. Throws the errors of list_input_files.
  DocumentReader(const std::vector<std::string>& inputs, DocumentOptions options,
                 std::unordered_set<uint64_t>* seen = nullptr);

  // The next document, nothing at the end. With strict it throws Error(corrupt_data) `file:line:`
  // for a malformed line, and the error of the file system for a file that cannot be read.
  std::optional<Document> next();

  const DocumentCounts& counts() const { return counts_; }
  // How far reading has come, in files and their bytes on disk.
  int64_t total_files() const { return static_cast<int64_t>(files_.size()); }
  int64_t total_bytes() const { return total_bytes_; }
  int64_t read_bytes() const { return read_bytes_; }

 private:
  std::optional<Document> read_text_file(const InputFile& file);
  std::optional<Document> next_line();
  // Checks and repairs the text; nothing if it is not wanted.
  std::optional<Document> accept(std::string text, const std::string& path, int64_t line);
  void note(const std::string& problem);

  DocumentOptions options_;
  std::unordered_set<uint64_t> own_seen_;
  std::unordered_set<uint64_t>* seen_;
  std::vector<InputFile> files_;
  int64_t total_bytes_ = 0;
  size_t next_file_ = 0;
  int64_t read_bytes_ = 0;
  std::unique_ptr<io::TextReader> lines_;  // of the JSONL file that is being read
  DocumentCounts counts_;
};

}  // namespace cadre::data
