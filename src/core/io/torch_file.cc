#include "core/io/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/io/mapped_tensor.h"
#include "core/io/pickle.h"
#include "core/io/zip.h"

namespace cadre::io {
namespace {

struct NamedType {
  std::string_view name;
  DType dtype;
};

// Typed storages, and element types of tensors on untyped ones.
constexpr NamedType kStorages[] = {
    {"torch FloatStorage", DType::f32}, {"torch DoubleStorage", DType::f64},
    {"torch HalfStorage", DType::f16},  {"torch BFloat16Storage", DType::bf16},
    {"torch LongStorage", DType::i64},  {"torch IntStorage", DType::i32},
    {"torch ShortStorage", DType::i16}, {"torch CharStorage", DType::i8},
    {"torch ByteStorage", DType::u8},   {"torch BoolStorage", DType::boolean},
};
constexpr NamedType kElementTypes[] = {
    {"torch float8_e4m3fn", DType::f8_e4m3}, {"torch float8_e5m2", DType::f8_e5m2},
    {"torch float32", DType::f32},           {"torch bfloat16", DType::bf16},
    {"torch float16", DType::f16},
};
constexpr std::string_view kUntyped = "torch.storage UntypedStorage";
constexpr std::string_view kTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kTypedTensor = "torch._utils _rebuild_tensor_v3";
constexpr std::string_view kParameter = "torch._utils _rebuild_parameter";

constexpr int kMaxDepth = 16;            // of dicts within dicts
constexpr int64_t kMaxValues = 1 << 22;  // visited in all: shared dicts are walked once each time
// A key stands once in the pickle, whatever the number of values that it names: names are bounded
// by what they could take if each stood there.
constexpr size_t kMaxName = 4096;
constexpr size_t kMaxNameShare = 16;  // bytes of names for each byte of the pickle

std::vector<std::string_view> allowed_globals() {
  std::vector<std::string_view> names = {"collections OrderedDict", kUntyped, kTensor, kTypedTensor,
                                         kParameter};
  for (const NamedType& type : kStorages) names.push_back(type.name);
  for (const NamedType& type : kElementTypes) names.push_back(type.name);
  return names;
}

std::optional<DType> type_of(std::span<const NamedType> types, const PickleNode& node) {
  for (const NamedType& type : types) {
    if (node.is_global(type.name)) return type.dtype;
  }
  return std::nullopt;
}

// Turns the pickle of one archive into tensors.
class Reader {
 public:
  Reader(std::string where, const std::vector<ZipEntry>& entries) : where_(std::move(where)) {
    for (const ZipEntry& entry : entries) entries_[entry.name] = entry.bytes;
    for (const ZipEntry& entry : entries) {
      const size_t slash = entry.name.find('/');
      if (slash == std::string::npos || entry.name.substr(slash) != "/data.pkl") continue;
      if (!prefix_.empty()) corrupt("holds more than one data.pkl");
      prefix_ = entry.name.substr(0, slash + 1);
    }
    if (prefix_.empty()) corrupt("holds no data.pkl");
    const auto order = entries_.find(prefix_ + "byteorder");
    if (order != entries_.end() && text_of(order->second) != "little") {
      fail(ErrorKind::unsupported, "{}: its byte order is \"{}\", expected little", where_,
           text_of(order->second));
    }
  }

  std::vector<TorchTensor> read() {
    const std::vector<std::string_view> globals = allowed_globals();
    const Pickle pickle =
        Pickle::parse(text_of(entries_.at(prefix_ + "data.pkl")), where_ + ": data.pkl", globals);
    if (!pickle.root().is(PickleKind::dict)) {
      fail(ErrorKind::unsupported, "{}: the saved value is {}, expected a dict of tensors", where_,
           describe(pickle.root()));
    }
    most_name_bytes_ = kMaxNameShare * entries_.at(prefix_ + "data.pkl").size();
    visit_dict(pickle.root(), "", 0);
    std::ranges::sort(tensors_, [](const TorchTensor& a, const TorchTensor& b) {
      return a.info.name < b.info.name;
    });
    return std::move(tensors_);
  }

 private:
  static std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  [[noreturn]] void corrupt(std::string_view what) const {
    fail(ErrorKind::corrupt_data, "{}: {}", where_, what);
  }

  void visit_dict(const PickleNode& dict, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) corrupt(fmt::format("dicts within dicts beyond {}", kMaxDepth));
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleNode& key = *dict.items[i];
      std::string name = prefix;
      if (key.is(PickleKind::text)) {
        if (key.text.size() > kMaxName - prefix.size()) {
          corrupt(fmt::format("a name below \"{}\" has {} bytes, expected at most {}", prefix,
                              prefix.size() + key.text.size(), kMaxName));
        }
        name += key.text;
      } else if (key.is(PickleKind::integer)) {
        name += std::to_string(key.integer);
      } else {
        corrupt(
            fmt::format("a key of the dict \"{}\" is {}, expected a text", prefix, describe(key)));
      }
      visit(*dict.items[i + 1], name, depth);
    }
  }

  void visit(const PickleNode& node, const std::string& name, int depth) {
    if (++visited_ > kMaxValues) corrupt(fmt::format("holds more than {} values", kMaxValues));
    if (node.is(PickleKind::dict)) {
      if (name.size() >= kMaxName) corrupt(fmt::format("a dict has a name of {}", name.size()));
      return visit_dict(node, name + ".", depth + 1);
    }
    if (!node.is(PickleKind::call)) return;
    const PickleNode* call = &node;
    if (call->items[0]->is_global(kParameter)) {
      const PickleNode& arguments = *call->items[1];
      if (arguments.items.empty() || !arguments.items[0]->is(PickleKind::call)) {
        corrupt(fmt::format("\"{}\": a parameter without a tensor", name));
      }
      call = arguments.items[0];
    }
    if (!names_.insert(name).second) corrupt(fmt::format("two tensors are called \"{}\"", name));
    name_bytes_ += name.size();
    if (name_bytes_ > most_name_bytes_) {
      corrupt(fmt::format("the names of its tensors take more than {} bytes", most_name_bytes_));
    }
    tensors_.push_back(tensor_of(*call, name));
  }

  int64_t integer(const PickleNode& node, const std::string& name, std::string_view what) const {
    if (!node.is(PickleKind::integer) || node.integer < 0) {
      corrupt(
          fmt::format("\"{}\": {} is {}, expected an integer from 0", name, what, describe(node)));
    }
    return node.integer;
  }
  std::vector<int64_t> integers(const PickleNode& node, const std::string& name,
                                std::string_view what) const {
    if (!node.is(PickleKind::tuple) && !node.is(PickleKind::list)) {
      corrupt(fmt::format("\"{}\": {} is {}, expected a tuple", name, what, describe(node)));
    }
    std::vector<int64_t> values;
    for (const PickleNode* item : node.items) values.push_back(integer(*item, name, what));
    return values;
  }

  // The bytes of ("storage", type, key, location, number of elements).
  std::span<const std::byte> storage_of(const PickleNode& node, const std::string& name,
                                        std::optional<DType>& dtype) const {
    const bool known = node.is(PickleKind::persistent) && node.items[0]->is(PickleKind::tuple) &&
                       node.items[0]->items.size() >= 5 &&
                       node.items[0]->items[0]->text == "storage" &&
                       node.items[0]->items[2]->is(PickleKind::text);
    if (!known) {
      corrupt(fmt::format("\"{}\": its storage is {}", name, describe(node)));
    }
    const std::vector<const PickleNode*>& id = node.items[0]->items;
    const bool untyped = id[1]->is_global(kUntyped);
    if (!untyped) dtype = type_of(kStorages, *id[1]);
    if (!dtype) {
      fail(ErrorKind::unsupported, "{}: \"{}\" has elements of {}", where_, name, describe(*id[1]));
    }
    const auto entry = entries_.find(fmt::format("{}data/{}", prefix_, id[2]->text));
    if (entry == entries_.end()) {
      corrupt(fmt::format("\"{}\": there is no entry data/{}", name, id[2]->text));
    }
    const int64_t count = integer(*id[4], name, "the size of its storage");
    int64_t bytes = 0;
    if (__builtin_mul_overflow(count, untyped ? 1 : dtype_size(*dtype), &bytes) ||
        static_cast<uint64_t>(bytes) > entry->second.size()) {
      corrupt(fmt::format("\"{}\": its storage has {} elements, the entry data/{} {} bytes", name,
                          count, id[2]->text, entry->second.size()));
    }
    return entry->second.first(static_cast<size_t>(bytes));
  }

  TorchTensor tensor_of(const PickleNode& call, const std::string& name) const {
    const std::vector<const PickleNode*>& arguments = call.items[1]->items;
    const bool typed = call.items[0]->is_global(kTypedTensor);
    if ((!typed && !call.items[0]->is_global(kTensor)) || arguments.size() < (typed ? 7u : 4u)) {
      corrupt(fmt::format("\"{}\" is {}, expected a tensor", name, describe(call)));
    }
    std::optional<DType> dtype;
    if (typed) dtype = type_of(kElementTypes, *arguments[6]);
    const std::span<const std::byte> storage = storage_of(*arguments[0], name, dtype);
    const int64_t offset = integer(*arguments[1], name, "its offset");
    const std::vector<int64_t> extents = integers(*arguments[2], name, "its size");
    TorchTensor tensor;
    tensor.strides = integers(*arguments[3], name, "its stride");
    tensor.info.name = name;
    tensor.info.dtype = *dtype;
    if (tensor.strides.size() != extents.size()) {
      corrupt(fmt::format("\"{}\": {} extents and {} strides", name, extents.size(),
                          tensor.strides.size()));
    }
    try {
      tensor.info.shape = Shape(std::span<const int64_t>(extents));
    } catch (const Error& error) {
      corrupt(fmt::format("\"{}\": {}", name, error.what()));
    }
    place(tensor, offset, storage);
    return tensor;
  }

  // Checks that every element lies in the storage, and cuts the storage to what the tensor spans.
  void place(TorchTensor& tensor, int64_t offset, std::span<const std::byte> storage) const {
    const int64_t size = dtype_size(tensor.info.dtype);
    const int64_t available = static_cast<int64_t>(storage.size()) / size;
    const int64_t elements = tensor.info.shape.elements();
    if (elements == 0) return;
    const std::span<const int64_t> extents = tensor.info.shape.extents();
    int64_t last = offset;  // the element of the storage that is furthest away
    int64_t dense = 1;      // the stride that row-major order asks for
    bool fits = elements <= available;
    for (size_t i = extents.size(); fits && i-- > 0;) {
      int64_t reach = 0;
      if (extents[i] > 1 && tensor.strides[i] != dense) tensor.contiguous = false;
      dense *= extents[i];
      fits = !__builtin_mul_overflow(extents[i] - 1, tensor.strides[i], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    if (!fits || last >= available) {
      corrupt(fmt::format("\"{}\" {} at {} does not lie in its storage of {} elements",
                          tensor.info.name, to_string(tensor.info.shape), offset, available));
    }
    tensor.info.end = elements * size;
    tensor.storage = storage.subspan(static_cast<size_t>(offset * size),
                                     static_cast<size_t>((last - offset + 1) * size));
  }

  std::string where_;
  std::string prefix_;  // of the archive's names: "archive/"
  std::unordered_map<std::string, std::span<const std::byte>> entries_;
  std::vector<TorchTensor> tensors_;
  std::unordered_set<std::string> names_;  // of tensors_
  size_t name_bytes_ = 0;
  size_t most_name_bytes_ = 0;
  int64_t visited_ = 0;
};

// Copies elements in row-major order of the extents, wherever the strides put them.
template <typename Word>
void gather(const TorchTensor& tensor, Word* to) {
  const std::span<const int64_t> extents = tensor.info.shape.extents();
  const auto* from = reinterpret_cast<const std::byte*>(tensor.storage.data());
  std::vector<int64_t> index(extents.size(), 0);
  int64_t at = 0;
  for (int64_t i = 0; i < tensor.info.shape.elements(); ++i) {
    std::memcpy(to + i, from + at * static_cast<int64_t>(sizeof(Word)), sizeof(Word));
    for (size_t d = extents.size(); d-- > 0;) {
      at += tensor.strides[d];
      if (++index[d] < extents[d]) break;
      at -= tensor.strides[d] * extents[d];
      index[d] = 0;
    }
  }
}

}  // namespace

std::shared_ptr<const TorchFile> TorchFile::open(const std::filesystem::path& path) {
  std::shared_ptr<TorchFile> file(new TorchFile(MappedFile::open(path)));
  const std::span<const std::byte> bytes = file->file_->bytes();
  if (bytes.size() >= 2 && bytes[0] == std::byte{0x80} && bytes[1] <= std::byte{5}) {
    fail(ErrorKind::unsupported,
         "{}: is a bare pickle, as torch wrote before version 1.6; load and save it with a newer "
         "one",
         path.string());
  }
  file->tensors_ = Reader(path.string(), list_zip_entries(bytes, path.string())).read();
  return file;
}

Tensor TorchFile::tensor(const TorchTensor& tensor) const {
  if (tensor.contiguous) {
    return mapped_tensor(file_, tensor.storage, tensor.info.shape, tensor.info.dtype);
  }
  Tensor copy = Tensor::empty(tensor.info.shape, tensor.info.dtype);
  switch (dtype_size(tensor.info.dtype)) {
    case 1:
      gather(tensor, static_cast<uint8_t*>(copy.raw()));
      break;
    case 2:
      gather(tensor, static_cast<uint16_t*>(copy.raw()));
      break;
    case 4:
      gather(tensor, static_cast<uint32_t*>(copy.raw()));
      break;
    default:
      gather(tensor, static_cast<uint64_t*>(copy.raw()));
  }
  return copy;
}

}  // namespace cadre::io
