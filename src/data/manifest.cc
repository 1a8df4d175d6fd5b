#include "data/manifest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/base/file.h"
#include "core/io/checksum.h"
#include "core/io/json.h"

namespace cadre::data {
namespace {

using io::JsonValue;
using io::JsonView;

constexpr char kFormat[] = "cadre-dataset";
constexpr int64_t kVersion = 1;
constexpr uint64_t kMaxManifestBytes = 256 << 20;
// Of a count in a manifest; sums of a million shards still fit in 64 bits.
constexpr int64_t kMaxCount = int64_t{1} << 42;

bool is_plain_name(const std::string& name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !name.empty() && name.size() <= 200 && name[0] != '.' &&
         name.find_first_not_of(kAllowed) == std::string::npos;
}

template <typename Entries, typename Member>
int64_t sum(const Entries& entries, Member member) {
  int64_t total = 0;
  for (const auto& entry : entries) total += entry.*member;
  return total;
}

JsonValue split_json(const SplitEntry& split) {
  JsonValue shards = JsonValue::array();
  for (const ShardEntry& shard : split.shards) {
    shards.push(JsonValue::object()
                    .set("file", shard.file)
                    .set("tokens", shard.tokens)
                    .set("documents", shard.documents)
                    .set("text_bytes", shard.text_bytes)
                    .set("checksum", io::to_hex(shard.checksum)));
  }
  return JsonValue::object()
      .set("tokens", split.tokens())
      .set("documents", split.documents())
      .set("text_bytes", split.text_bytes())
      .set("shards", std::move(shards));
}

int64_t count(const JsonView& object, std::string_view key) {
  const int64_t value = object.integer(key);
  if (value < 0 || value > kMaxCount) object.at(key).fail_expected("a count from 0 to 2^42");
  return value;
}

uint64_t hex(const JsonView& object, std::string_view key) {
  uint64_t value = 0;
  if (!io::from_hex(object.string(key), value)) {
    object.at(key).fail_expected("16 hexadecimal digits");
  }
  return value;
}

SplitEntry parse_split(const JsonView& object) {
  SplitEntry split;
  const JsonView shards = object.array("shards");
  for (int64_t i = 0; i < shards.size(); ++i) {
    const JsonView entry = shards.element(i);
    ShardEntry shard;
    shard.file = entry.string("file");
    if (!is_plain_name(shard.file)) {
      entry.at("file").fail_expected("the name of a file beside the manifest");
    }
    shard.tokens = count(entry, "tokens");
    shard.documents = count(entry, "documents");
    shard.text_bytes = count(entry, "text_bytes");
    shard.checksum = hex(entry, "checksum");
    split.shards.push_back(std::move(shard));
  }
  if (split.tokens() != count(object, "tokens")) {
    object.at("tokens").fail_expected(fmt::format("{}, the sum over its shards", split.tokens()));
  }
  return split;
}

SourceEntry parse_source(const JsonView& object) {
  SourceEntry source;
  source.name = object.string("name");
  if (!is_plain_name(source.name)) object.at("name").fail_expected("letters, digits, '_' and '-'");
  source.weight = object.number("weight");
  if (!(source.weight >= 0.0) || !std::isfinite(source.weight)) {
    object.at("weight").fail_expected("a number of at least 0");
  }
  source.train = parse_split(object.object("train"));
  source.held_out = parse_split(object.object("held_out"));
  source.reading = object.object("reading").value();
  return source;
}

}  // namespace

int64_t SplitEntry::tokens() const { return sum(shards, &ShardEntry::tokens); }
int64_t SplitEntry::documents() const { return sum(shards, &ShardEntry::documents); }
int64_t SplitEntry::text_bytes() const { return sum(shards, &ShardEntry::text_bytes); }

void check_source_name(const std::string& name) {
  if (!is_plain_name(name)) {
    fail(ErrorKind::invalid_input, "source name {}: expected letters, digits, '_', '-' and '.'",
         io::json_quote(name));
  }
}

std::string format_manifest(const DatasetManifest& manifest) {
  JsonValue root = JsonValue::object();
  root.set("format", kFormat).set("version", kVersion);
  root.set("vocab_size", manifest.vocab_size).set("eos_token_id", manifest.eos_id);
  root.set("tokenizer_checksum", io::to_hex(manifest.tokenizer_checksum));
  JsonValue sources = JsonValue::array();
  for (const SourceEntry& source : manifest.sources) {
    sources.push(JsonValue::object()
                     .set("name", source.name)
                     .set("weight", source.weight)
                     .set("train", split_json(source.train))
                     .set("held_out", split_json(source.held_out))
                     .set("reading", source.reading));
  }
  root.set("sources", std::move(sources));
  root.set("checksum", io::to_hex(io::checksum(root.dump())));
  return root.pretty() + "\n";
}

DatasetManifest parse_manifest(std::string_view text, const std::string& where) {
  const JsonView root = JsonView::parse(text, where, {.max_bytes = kMaxManifestBytes});
  if (root.string("format") != kFormat) root.at("format").fail_expected(kFormat);
  if (root.integer("version") != kVersion) {
    fail(ErrorKind::unsupported, "{}: version is {}, expected {}", where, root.integer("version"),
         kVersion);
  }
  // The checksum is that of everything before it on one line, whatever the layout of the file.
  JsonValue content = JsonValue::object();
  for (const std::string& key : root.keys()) {
    if (key != "checksum") content.set(key, root.at(key).value());
  }
  const std::string found = io::to_hex(io::checksum(content.dump()));
  if (root.string("checksum") != found) {
    root.at("checksum").fail_expected(found + ": the manifest was changed");
  }
  DatasetManifest manifest;
  manifest.vocab_size = count(root, "vocab_size");
  if (manifest.vocab_size < 1 || manifest.vocab_size > std::numeric_limits<int32_t>::max()) {
    root.at("vocab_size").fail_expected("1 to 2^31 - 1");
  }
  const int64_t eos_id = count(root, "eos_token_id");
  if (eos_id >= manifest.vocab_size) root.at("eos_token_id").fail_expected("less than vocab_size");
  manifest.eos_id = static_cast<int32_t>(eos_id);
  manifest.tokenizer_checksum = hex(root, "tokenizer_checksum");
  const JsonView sources = root.array("sources");
  std::set<std::string> names;
  for (int64_t i = 0; i < sources.size(); ++i) {
    manifest.sources.push_back(parse_source(sources.element(i)));
    if (!names.insert(manifest.sources.back().name).second) {
      sources.element(i).at("name").fail_expected("a name that no other source has");
    }
  }
  return manifest;
}

DatasetManifest read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kManifestFile;
  return parse_manifest(read_text_file(file, kMaxManifestBytes), file.string());
}

}  // namespace cadre::data
