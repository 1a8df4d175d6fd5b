#include "data/build.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/checksum.h"
#include "data/build_folder.h"
#include "data/source_schedule.h"
#include "data/source_writer.h"

namespace cadre::data {
namespace {

namespace fs = std::filesystem;
using io::JsonValue;

// Documents are tokenised in lots, in parallel within a lot, and written in their order. The bounds
// keep memory small and do not depend on the number of threads.
constexpr size_t kLotDocuments = 1024;
constexpr size_t kLotBytes = 32 << 20;

void check_target(const fs::path& folder, bool overwrite) {
  if (!fs::exists(folder) || (fs::is_directory(folder) && fs::is_empty(folder))) return;
  if (!overwrite) {
    fail(ErrorKind::invalid_input, "{}: is there already, expected a new folder (or overwrite)",
         folder.string());
  }
  if (!fs::exists(folder / kManifestFile)) {
    fail(ErrorKind::invalid_input, "{}: holds no {}, so it is not overwritten", folder.string(),
         kManifestFile);
  }
}

void check_sources(const std::vector<SourceSpec>& sources) {
  std::set<std::string> names;
  std::vector<double> weights;
  for (const SourceSpec& source : sources) {
    check_source_name(source.name);
    if (!names.insert(source.name).second) {
      fail(ErrorKind::invalid_input, "source \"{}\" is named twice", source.name);
    }
    weights.push_back(source.weight);
  }
  SourceSchedule schedule(weights);  // throws for weights that make no mixture
}

TokenisedDocument tokenise(const TokenEncoder& encoder, std::string text, int worker) {
  TokenisedDocument document;
  encoder.encode(text, worker, document.tokens);
  if (!document.tokens.empty()) {
    document.first_token_bytes =
        std::min(encoder.token_bytes(document.tokens[0]), static_cast<int64_t>(text.size()));
  }
  document.tokens.push_back(encoder.eos_id);
  document.text = std::move(text);
  return document;
}

JsonValue reading_json(const DocumentCounts& counts) {
  JsonValue problems = JsonValue::array();
  for (const std::string& problem : counts.problems) problems.push(problem);
  return JsonValue::object()
      .set("files", counts.files)
      .set("documents", counts.documents)
      .set("text_bytes", counts.bytes)
      .set("duplicates", counts.duplicates)
      .set("empty", counts.empty)
      .set("binary", counts.binary)
      .set("too_large", counts.too_large)
      .set("malformed", counts.malformed)
      .set("unreadable", counts.unreadable)
      .set("excluded", counts.excluded)
      .set("problems", std::move(problems));
}

// Texts of the next lot; empty at the end of the source.
std::vector<std::string> read_lot(DocumentReader& reader) {
  std::vector<std::string> lot;
  size_t bytes = 0;
  while (lot.size() < kLotDocuments && bytes < kLotBytes) {
    std::optional<Document> document = reader.next();
    if (!document) break;
    bytes += document->text.size();
    lot.push_back(std::move(document->text));
  }
  return lot;
}

}  // namespace

DatasetManifest build_dataset(const std::vector<SourceSpec>& sources, const BuildOptions& options,
                              const TokenEncoder& encoder, const fs::path& folder, ThreadPool& pool,
                              const std::function<void(const BuildProgress&)>& progress) {
  check_sources(sources);
  BuildFolder::clear_leftovers(folder);
  check_target(folder, options.overwrite);
  BuildFolder building(folder);
  DatasetManifest manifest;
  manifest.vocab_size = encoder.vocab_size;
  manifest.eos_id = encoder.eos_id;
  manifest.tokenizer_checksum = io::checksum(encoder.tokenizer_json);
  std::unordered_set<uint64_t> seen;
  BuildProgress done;
  for (const SourceSpec& spec : sources) {
    DocumentReader reader(spec.inputs, options.documents, &seen);
    SourceWriter writer(building.path(), spec.name,
                        {options.held_out, options.max_shard_tokens, encoder.vocab_size});
    done.source = spec.name;
    done.total_bytes = reader.total_bytes();
    while (true) {
      std::vector<std::string> lot = read_lot(reader);
      if (lot.empty()) break;
      std::vector<TokenisedDocument> documents(lot.size());
      pool.run(static_cast<int64_t>(lot.size()), [&](int64_t i, int worker) {
        const auto index = static_cast<size_t>(i);
        documents[index] = tokenise(encoder, std::move(lot[index]), worker);
      });
      for (TokenisedDocument& document : documents) {
        ++done.documents;
        done.text_bytes += static_cast<int64_t>(document.text.size());
        done.tokens += static_cast<int64_t>(document.tokens.size());
        writer.add(std::move(document));
      }
      done.read_bytes = reader.read_bytes();
      if (progress) progress(done);
    }
    SourceEntry entry;
    entry.name = spec.name;
    entry.weight = spec.weight;
    entry.reading = reading_json(reader.counts());
    if (reader.counts().documents == 0) {
      fail(ErrorKind::invalid_input, "source \"{}\" has no document that can be used: {}",
           spec.name, entry.reading.dump());
    }
    writer.finish([&](std::string text) { return tokenise(encoder, std::move(text), 0); },
                  entry.train, entry.held_out);
    manifest.sources.push_back(std::move(entry));
  }
  write_file_atomically(building.path() / encoder.tokenizer_file, encoder.tokenizer_json);
  if (encoder.write_roles) encoder.write_roles(building.path());
  write_file_atomically(building.path() / kManifestFile, format_manifest(manifest));
  building.finish();
  return manifest;
}

}  // namespace cadre::data
