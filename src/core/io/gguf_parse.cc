#include "core/io/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace cadre::io {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied from files as they are");

namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr int kDeepestArray = 4;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kLeastPair = 8 + 1 + 4 + 1;        // key of one byte, kind, value
constexpr uint64_t kLeastTensor = 8 + 1 + 4 + 4 + 8;  // name of one byte, rank, type, offset

std::string shown(std::string_view name) {
  constexpr size_t kLongest = 100;
  return name.size() <= kLongest ? json_quote(name)
                                 : json_quote(std::string(name.substr(0, kLongest)) + "...");
}

GgufKind checked_kind(uint32_t number, const GgufCursor& cursor, const std::string& what) {
  if (number > static_cast<uint32_t>(GgufKind::f64)) {
    fail(ErrorKind::corrupt_data, "{}: {} has kind {}, expected 0 to 12", cursor.where(), what,
         number);
  }
  return static_cast<GgufKind>(number);
}

void check_flags(std::span<const std::byte> flags, const GgufCursor& cursor,
                 const std::string& what) {
  for (const std::byte flag : flags) {
    if (std::to_integer<int>(flag) > 1) {
      fail(ErrorKind::corrupt_data, "{}: {} is a boolean of value {}, expected 0 or 1",
           cursor.where(), what, std::to_integer<int>(flag));
    }
  }
}

// Steps over `count` values of a kind and returns their bytes.
std::span<const std::byte> walk(GgufCursor& cursor, std::span<const std::byte> file, GgufKind kind,
                                uint64_t count, int depth, const std::string& what) {
  const size_t begin = cursor.at();
  if (const size_t size = gguf_kind_size(kind); size > 0) {
    cursor.expect_room(count, size, what);
    const auto values = cursor.take(count * size, what);
    if (kind == GgufKind::boolean) check_flags(values, cursor, what);
    return values;
  }
  if (kind == GgufKind::string) {
    cursor.expect_room(count, sizeof(uint64_t), what);
    for (uint64_t i = 0; i < count; ++i) cursor.string(what);
    return file.subspan(begin, cursor.at() - begin);
  }
  if (depth >= kDeepestArray) {
    fail(ErrorKind::corrupt_data, "{}: {} nests arrays deeper than {}", cursor.where(), what,
         kDeepestArray);
  }
  cursor.expect_room(count, sizeof(uint32_t) + sizeof(uint64_t), what);
  for (uint64_t i = 0; i < count; ++i) {
    const GgufKind inner = checked_kind(cursor.number<uint32_t>(what), cursor, what);
    const auto inner_count = cursor.number<uint64_t>(what);
    walk(cursor, file, inner, inner_count, depth + 1, what);
  }
  return file.subspan(begin, cursor.at() - begin);
}

GgufValue read_value(GgufCursor& cursor, std::span<const std::byte> file, const std::string& what) {
  GgufValue value;
  value.kind = checked_kind(cursor.number<uint32_t>(what), cursor, what);
  if (value.kind == GgufKind::string) {
    value.bytes = std::as_bytes(std::span(cursor.string(what)));
  } else if (value.kind == GgufKind::array) {
    value.element_kind = checked_kind(cursor.number<uint32_t>(what), cursor, what);
    value.count = cursor.number<uint64_t>(what);
    value.bytes = walk(cursor, file, value.element_kind, value.count, 1, what);
  } else {
    value.bytes = walk(cursor, file, value.kind, 1, 0, what);
  }
  return value;
}

std::string_view checked_name(std::string_view name, size_t longest, const GgufCursor& cursor,
                              std::string_view what) {
  if (name.empty() || name.size() > longest) {
    fail(ErrorKind::corrupt_data, "{}: {} {} has {} bytes, expected 1 to {}", cursor.where(), what,
         shown(name), name.size(), longest);
  }
  return name;
}

Shape read_shape(GgufCursor& cursor, const std::string& what) {
  const auto rank = cursor.number<uint32_t>(what);
  if (rank > kMaxDimensions) {
    fail(ErrorKind::corrupt_data, "{}: {} has {} dimensions, expected at most {}", cursor.where(),
         what, rank, kMaxDimensions);
  }
  int64_t extents[kMaxDimensions] = {};
  for (uint32_t i = 0; i < rank; ++i) {
    const auto extent = cursor.number<uint64_t>(what);
    if (extent > INT64_MAX) {
      fail(ErrorKind::corrupt_data, "{}: {} has an extent of {}, expected less than 2^63",
           cursor.where(), what, extent);
    }
    extents[rank - 1 - i] = static_cast<int64_t>(extent);
  }
  try {
    return Shape(std::span<const int64_t>(extents, rank));
  } catch (const Error& error) {
    fail(ErrorKind::corrupt_data, "{}: {}: {}", cursor.where(), what, error.what());
  }
}

int64_t stored_size(const GgmlType& type, const Shape& shape, const GgufCursor& cursor,
                    const std::string& what) {
  const int64_t width = shape.rank() == 0 ? 1 : shape.dim(-1);
  if (width % type.block_elements != 0) {
    fail(ErrorKind::corrupt_data, "{}: {} {} has rows of {}, expected a multiple of {} for {}",
         cursor.where(), what, to_string(shape), width, type.block_elements, type.name);
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(shape.elements() / type.block_elements, type.block_bytes, &bytes)) {
    fail(ErrorKind::corrupt_data, "{}: {} {} has more than 2^63 bytes", cursor.where(), what,
         to_string(shape));
  }
  return bytes;
}

}  // namespace

class GgufParser {
 public:
  explicit GgufParser(GgufFile& file)
      : file_(file), bytes_(file.file_->bytes()), cursor_(bytes_, file.path().string()) {}

  void run() {
    read_counts();
    for (uint64_t i = 0; i < num_keys_; ++i) read_pair();
    read_alignment();
    for (uint64_t i = 0; i < num_tensors_; ++i) read_tensor();
    place_data();
    check_overlap();
  }

 private:
  void read_counts() {
    if (cursor_.left() < 4 || cursor_.number<uint32_t>("the magic number") != kMagic) {
      fail(ErrorKind::corrupt_data, "{}: does not begin with \"GGUF\"", cursor_.where());
    }
    file_.version_ = cursor_.number<uint32_t>("the version");
    if (file_.version_ != 2 && file_.version_ != 3) {
      const bool swapped = (file_.version_ & 0xffff) == 0 && file_.version_ != 0;
      fail(ErrorKind::unsupported, "{}: {}, expected little-endian GGUF of version 2 or 3",
           cursor_.where(),
           swapped ? std::string("is big-endian") : fmt::format("is version {}", file_.version_));
    }
    num_tensors_ = cursor_.number<uint64_t>("the number of tensors");
    num_keys_ = cursor_.number<uint64_t>("the number of keys");
    cursor_.expect_room(num_tensors_, kLeastTensor, "the list of tensors");
    cursor_.expect_room(num_keys_, kLeastPair, "the metadata");
  }

  void read_pair() {
    const std::string_view key =
        checked_name(cursor_.string("a key"), kMaxGgufKey, cursor_, "the key");
    const std::string what = shown(key);
    if (file_.values_.contains(key)) {
      fail(ErrorKind::corrupt_data, "{}: {} appears twice", cursor_.where(), what);
    }
    file_.values_[key] = read_value(cursor_, bytes_, what);
    file_.keys_.emplace_back(key);
  }

  void read_alignment() {
    const int64_t alignment =
        file_.integer_or("general.alignment", static_cast<int64_t>(kGgufAlignment));
    if (alignment < 1 || alignment > static_cast<int64_t>(kMaxAlignment) ||
        !std::has_single_bit(static_cast<uint64_t>(alignment))) {
      fail(ErrorKind::corrupt_data, "{}: \"general.alignment\" = {}, expected a power of two to {}",
           cursor_.where(), alignment, kMaxAlignment);
    }
    alignment_ = static_cast<uint64_t>(alignment);
  }

  void read_tensor() {
    const std::string_view name =
        checked_name(cursor_.string("the name of a tensor"), kMaxGgufName, cursor_, "the tensor");
    const std::string what = shown(name);
    if (!file_.by_name_.emplace(name, file_.tensors_.size()).second) {
      fail(ErrorKind::corrupt_data, "{}: the tensor {} appears twice", cursor_.where(), what);
    }
    GgufTensor tensor;
    tensor.name = name;
    tensor.shape = read_shape(cursor_, what);
    const auto number = cursor_.number<uint32_t>(what);
    tensor.type = find_ggml_type(number);
    if (tensor.type == nullptr) {
      fail(ErrorKind::unsupported, "{}: {} has type {}, which is unknown", cursor_.where(), what,
           number);
    }
    const auto offset = cursor_.number<uint64_t>(what);
    if (offset % alignment_ != 0 || offset > INT64_MAX) {
      fail(ErrorKind::corrupt_data,
           "{}: {} begins at byte {} of the data, expected a multiple of {}", cursor_.where(), what,
           offset, alignment_);
    }
    tensor.begin = static_cast<int64_t>(offset);
    tensor.bytes = stored_size(*tensor.type, tensor.shape, cursor_, what);
    file_.tensors_.push_back(std::move(tensor));
  }

  void place_data() {
    const uint64_t begin = (cursor_.at() + alignment_ - 1) / alignment_ * alignment_;
    file_.data_begin_ = std::min<uint64_t>(begin, bytes_.size());
    const auto size = static_cast<int64_t>(bytes_.size() - file_.data_begin_);
    for (const GgufTensor& tensor : file_.tensors_) {
      if (tensor.begin > size || tensor.bytes > size - tensor.begin) {
        fail(ErrorKind::corrupt_data,
             "{}: {} takes {} bytes from byte {} of the data, which has {}", cursor_.where(),
             shown(tensor.name), tensor.bytes, tensor.begin, size);
      }
    }
  }

  // Bytes between tensors belong to nobody; the format allows them.
  void check_overlap() const {
    std::vector<const GgufTensor*> order;
    for (const GgufTensor& tensor : file_.tensors_) order.push_back(&tensor);
    std::ranges::sort(order, [](const GgufTensor* a, const GgufTensor* b) {
      return std::tie(a->begin, a->bytes) < std::tie(b->begin, b->bytes);
    });
    for (size_t i = 1; i < order.size(); ++i) {
      if (order[i]->begin < order[i - 1]->begin + order[i - 1]->bytes) {
        fail(ErrorKind::corrupt_data, "{}: {} and {} overlap at byte {} of the data",
             cursor_.where(), shown(order[i - 1]->name), shown(order[i]->name), order[i]->begin);
      }
    }
  }

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  GgufCursor cursor_;
  uint64_t num_tensors_ = 0;
  uint64_t num_keys_ = 0;
  uint64_t alignment_ = kGgufAlignment;
};

std::shared_ptr<const GgufFile> GgufFile::open(const std::filesystem::path& path) {
  std::shared_ptr<GgufFile> file(new GgufFile(MappedFile::open(path)));
  GgufParser(*file).run();
  return file;
}

}  // namespace cadre::io
