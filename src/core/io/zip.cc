#include "core/io/zip.h"

#include <minizip/unzip.h>

#include <array>
#include <cstring>
#include <memory>

#include "core/base/error.h"

namespace cadre::io {
namespace {

// The archive as the file that minizip reads. Each function has the type that its table asks for.
struct Stream {
  std::span<const std::byte> bytes;
  uint64_t at = 0;
};

voidpf open_stream(voidpf stream, const void*, int) { return stream; }

uLong read_stream(voidpf, voidpf handle, void* to, uLong size) {
  auto* stream = static_cast<Stream*>(handle);
  const uint64_t left = stream->bytes.size() - stream->at;
  const uint64_t count = size < left ? size : left;
  if (count > 0) std::memcpy(to, stream->bytes.data() + stream->at, count);
  stream->at += count;
  return static_cast<uLong>(count);
}

uLong write_stream(voidpf, voidpf, const void*, uLong) { return 0; }

ZPOS64_T tell_stream(voidpf, voidpf handle) { return static_cast<Stream*>(handle)->at; }

long seek_stream(voidpf, voidpf handle, ZPOS64_T offset, int origin) {
  auto* stream = static_cast<Stream*>(handle);
  uint64_t base = 0;
  if (origin == ZLIB_FILEFUNC_SEEK_CUR) base = stream->at;
  if (origin == ZLIB_FILEFUNC_SEEK_END) base = stream->bytes.size();
  uint64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target > stream->bytes.size()) return -1;
  stream->at = target;
  return 0;
}

int close_stream(voidpf, voidpf) { return 0; }
int stream_error(voidpf, voidpf) { return 0; }

struct Closer {
  void operator()(void* file) const { unzClose(file); }
};

[[noreturn]] void fail_broken(const std::string& where, const std::string& name) {
  fail(ErrorKind::corrupt_data, "{}: the entry \"{}\" is broken: its headers do not agree", where,
       name);
}

ZipEntry current_entry(unzFile file, std::span<const std::byte> archive, const std::string& where) {
  std::array<char, 512> name{};
  unz_file_info64 info{};
  if (unzGetCurrentFileInfo64(file, &info, name.data(), name.size(), nullptr, 0, nullptr, 0) !=
      UNZ_OK) {
    fail(ErrorKind::corrupt_data, "{}: the directory of the archive is broken", where);
  }
  if (info.size_filename >= name.size()) {
    fail(ErrorKind::unsupported, "{}: an entry has a name of {} bytes, expected fewer than {}",
         where, info.size_filename, name.size());
  }
  ZipEntry entry;
  entry.name.assign(name.data(), info.size_filename);
  constexpr uLong kEncrypted = 1;
  if (info.compression_method != 0 || (info.flag & kEncrypted) != 0) {
    fail(ErrorKind::unsupported, "{}: the entry \"{}\" is compressed or encrypted", where,
         entry.name);
  }
  if (info.compressed_size != info.uncompressed_size) fail_broken(where, entry.name);
  int method = 0;
  int level = 0;
  if (unzOpenCurrentFile2(file, &method, &level, /*raw=*/1) != UNZ_OK) {
    fail_broken(where, entry.name);
  }
  const ZPOS64_T begin = unzGetCurrentFileZStreamPos64(file);
  unzCloseCurrentFile(file);
  if (begin > archive.size() || info.compressed_size > archive.size() - begin) {
    fail(ErrorKind::corrupt_data, "{}: the entry \"{}\" has {} bytes at {}, beyond the end at {}",
         where, entry.name, info.compressed_size, begin, archive.size());
  }
  entry.bytes =
      archive.subspan(static_cast<size_t>(begin), static_cast<size_t>(info.compressed_size));
  return entry;
}

}  // namespace

std::vector<ZipEntry> list_zip_entries(std::span<const std::byte> archive,
                                       const std::string& where) {
  Stream stream{archive};
  zlib_filefunc64_def functions = {open_stream, read_stream,  write_stream, tell_stream,
                                   seek_stream, close_stream, stream_error, &stream};
  const std::unique_ptr<void, Closer> file(unzOpen2_64(where.c_str(), &functions));
  if (file == nullptr) {
    fail(ErrorKind::corrupt_data, "{}: is no zip archive, or its end is missing", where);
  }
  unz_global_info64 global{};
  unzGetGlobalInfo64(file.get(), &global);
  // Each entry takes a header here and one in the directory.
  if (global.number_entry > archive.size() / 64) {
    fail(ErrorKind::corrupt_data, "{}: {} entries cannot lie in {} bytes", where,
         global.number_entry, archive.size());
  }
  std::vector<ZipEntry> entries;
  int status = global.number_entry == 0 ? UNZ_END_OF_LIST_OF_FILE : unzGoToFirstFile(file.get());
  while (status == UNZ_OK) {
    entries.push_back(current_entry(file.get(), archive, where));
    status = unzGoToNextFile(file.get());
  }
  if (status != UNZ_END_OF_LIST_OF_FILE || entries.size() != global.number_entry) {
    fail(ErrorKind::corrupt_data, "{}: the directory of the archive is broken after {} entries",
         where, entries.size());
  }
  return entries;
}

}  // namespace cadre::io
