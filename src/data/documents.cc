#include "data/documents.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/io/checksum.h"
#include "core/io/json.h"
#include "core/io/text_reader.h"
#include "text/utf8.h"

namespace cadre::data {
namespace {

constexpr size_t kMaxProblems = 20;
// A NUL byte among the first so many tells a binary file without reading it all.
constexpr size_t kProbe = 4096;

bool is_jsonl(const std::filesystem::path& path) {
  const std::filesystem::path plain = io::is_compressed(path) ? path.stem() : path;
  return plain.extension() == ".jsonl" || plain.extension() == ".ndjson" ||
         (plain != path && plain.extension() == ".json");
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

// The bytes of text that belong to no well-formed character.
size_t invalid_bytes(std::string_view text) {
  size_t invalid = 0;
  for (;;) {
    text.remove_prefix(text::valid_prefix(text));
    if (text.empty()) return invalid;
    text.remove_prefix(1);
    ++invalid;
  }
}

}  // namespace

DocumentReader::DocumentReader(const std::vector<std::string>& inputs, DocumentOptions options,
                               std::unordered_set<uint64_t>* seen)
    : options_(std::move(options)), seen_(seen != nullptr ? seen : &own_seen_) {
  InputFiles found = list_input_files(inputs, options_.include, options_.exclude);
  files_ = std::move(found.files);
  counts_.excluded = found.excluded;
  counts_.unreadable = found.unreadable;
  for (const InputFile& file : files_) total_bytes_ += file.bytes;
}

void DocumentReader::note(const std::string& problem) {
  if (counts_.problems.size() < kMaxProblems) counts_.problems.push_back(problem);
}

std::optional<Document> DocumentReader::next() {
  for (;;) {
    std::optional<Document> document;
    try {
      if (lines_ == nullptr) {
        if (next_file_ == files_.size()) return std::nullopt;
        const InputFile& file = files_[next_file_++];
        read_bytes_ += file.bytes;
        if (is_jsonl(file.path)) {
          lines_ = io::open_text_reader(file.path);
          ++counts_.files;
          continue;
        }
        document = read_text_file(file);
      } else {
        document = next_line();
      }
    } catch (const Error& error) {
      // Unreadable, removed meanwhile, or damaged as a compressed file; the rest is still good.
      lines_.reset();
      if (options_.strict) throw;
      ++counts_.unreadable;
      note(error.what());
    }
    if (document) return document;
  }
}

std::optional<Document> DocumentReader::read_text_file(const InputFile& file) {
  const auto reader = io::open_text_reader(file.path);
  ++counts_.files;
  std::string text;
  std::string piece(1 << 16, '\0');
  while (const size_t got = reader->read(piece.data(), piece.size())) {
    if (text.size() < kProbe && piece.find('\0') < std::min(got, kProbe)) {
      ++counts_.binary;
      return std::nullopt;
    }
    text.append(piece, 0, got);
    if (text.size() > static_cast<uint64_t>(options_.max_file_bytes)) {
      ++counts_.too_large;
      note(fmt::format("{}: has more than {} bytes", file.path.string(), options_.max_file_bytes));
      return std::nullopt;
    }
  }
  return accept(std::move(text), file.path.string(), 0);
}

std::optional<Document> DocumentReader::next_line() {
  const std::string path = files_[next_file_ - 1].path.string();
  std::string line;
  if (!lines_->next_line(line, static_cast<uint64_t>(options_.max_file_bytes))) {
    lines_.reset();
    return std::nullopt;
  }
  const int64_t number = lines_->line_number();
  if (lines_->too_long()) {
    ++counts_.too_large;
    note(fmt::format("{}:{}: has more than {} bytes", path, number, options_.max_file_bytes));
    return std::nullopt;
  }
  if (is_blank(line)) return std::nullopt;
  std::string text;
  try {
    const std::string where = fmt::format("{}:{}", path, number);
    text = io::JsonView::parse(line, where).string(options_.text_field);
  } catch (const Error& error) {
    // A bad line among millions is a fact to report, not the end of the work.
    if (options_.strict) throw;
    ++counts_.malformed;
    note(error.what());
    return std::nullopt;
  }
  return accept(std::move(text), path, number);
}

std::optional<Document> DocumentReader::accept(std::string text, const std::string& path,
                                               int64_t line) {
  if (is_blank(text)) {
    ++counts_.empty;
    return std::nullopt;
  }
  const size_t invalid = invalid_bytes(text);
  const auto allowed = options_.max_invalid_share * static_cast<double>(text.size());
  if (text.find('\0') != std::string::npos || static_cast<double>(invalid) > allowed) {
    ++counts_.binary;
    return std::nullopt;
  }
  if (invalid > 0) {
    std::string repaired;
    text::append_repaired(text, repaired);
    text = std::move(repaired);
  }
  if (options_.deduplicate && !seen_->insert(io::checksum(text)).second) {
    ++counts_.duplicates;
    return std::nullopt;
  }
  ++counts_.documents;
  counts_.bytes += static_cast<int64_t>(text.size());
  return Document{std::move(text), path, line};
}

}  // namespace cadre::data
