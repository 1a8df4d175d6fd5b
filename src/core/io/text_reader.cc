#include "core/io/text_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/base/error.h"

namespace cadre::io {
namespace {

constexpr size_t kPiece = 1 << 16;

class PlainReader : public TextReader {
 public:
  explicit PlainReader(std::filesystem::path path) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail_now("open");
  }
  ~PlainReader() override { ::close(descriptor_); }
  PlainReader(const PlainReader&) = delete;
  PlainReader& operator=(const PlainReader&) = delete;

  size_t read(char* buffer, size_t size) override {
    for (;;) {
      const ssize_t got = ::read(descriptor_, buffer, size);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) fail_now("read");
    }
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail_now(const char* action) const {
    const int error = errno;
    fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::invalid_input,
         "{}: cannot {}: {}", path_.string(), action, std::strerror(error));
  }
  std::filesystem::path path_;
  int descriptor_;
};

class ZstdReader : public TextReader {
 public:
  explicit ZstdReader(const std::filesystem::path& path)
      : file_(path), context_(ZSTD_createDCtx(), ZSTD_freeDCtx), compressed_(kPiece) {
    CADRE_CHECK(context_ != nullptr);
  }

  size_t read(char* buffer, size_t size) override {
    ZSTD_outBuffer out{buffer, size, 0};
    while (out.pos == 0 && size > 0) {
      if (in_.pos == in_.size && !full_) {
        in_ = {compressed_.data(), file_.read(compressed_.data(), compressed_.size()), 0};
        if (in_.size == 0) {
          if (between_frames_) return 0;
          fail(ErrorKind::corrupt_data, "{}: the compressed data is cut off",
               file_.path().string());
        }
      }
      const size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0) {
        fail(ErrorKind::corrupt_data, "{}: cannot decompress: {}", file_.path().string(),
             ZSTD_getErrorName(left));
      }
      between_frames_ = left == 0;
      // A full output may mean that the decoder holds more, even when all input is used up.
      full_ = out.pos == out.size && !between_frames_;
    }
    return out.pos;
  }

 private:
  PlainReader file_;
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_;
  std::vector<char> compressed_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool between_frames_ = true;
  bool full_ = false;
};

// Members of gzip (RFC 1952) one after the other, as parallel compressors write them.
class GzipReader : public TextReader {
 public:
  explicit GzipReader(const std::filesystem::path& path) : file_(path), compressed_(kPiece) {
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) {
      fail(ErrorKind::exhausted, "{}: no memory to decompress it", path.string());
    }
  }
  ~GzipReader() override { inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  size_t read(char* buffer, size_t size) override {
    size = std::min(size, size_t{1} << 30);
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size && size > 0) {
      if (stream_.avail_in == 0 && !full_) {
        stream_.next_in = reinterpret_cast<Bytef*>(compressed_.data());
        stream_.avail_in = static_cast<uInt>(file_.read(compressed_.data(), compressed_.size()));
        if (stream_.avail_in == 0) {
          if (between_members_) return 0;
          fail(ErrorKind::corrupt_data, "{}: the compressed data is cut off",
               file_.path().string());
        }
      }
      if (between_members_ && started_) inflateReset(&stream_);
      started_ = true;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        fail(ErrorKind::corrupt_data, "{}: cannot decompress: {}", file_.path().string(),
             stream_.msg != nullptr ? stream_.msg : "no gzip data");
      }
      between_members_ = status == Z_STREAM_END;
      // A full output may mean that the decoder holds more, even when all input is used up.
      full_ = stream_.avail_out == 0 && !between_members_;
    }
    return size - stream_.avail_out;
  }

 private:
  PlainReader file_;
  std::vector<char> compressed_;
  z_stream stream_{};
  bool started_ = false;
  bool between_members_ = true;
  bool full_ = false;
};

}  // namespace

bool is_compressed(const std::filesystem::path& path) {
  return path.extension() == ".zst" || path.extension() == ".gz";
}

bool TextReader::next_line(std::string& line, uint64_t max_bytes) {
  line.clear();
  too_long_ = false;
  bool any = false;  // whether this line has begun
  for (;;) {
    if (begin_ == buffer_.size()) {
      begin_ = 0;
      if (!ended_) {
        buffer_.resize(kPiece);
        buffer_.resize(read(buffer_.data(), buffer_.size()));
        ended_ = buffer_.empty();
      }
      if (ended_) {
        buffer_.clear();
        break;
      }
    }
    any = true;
    const size_t end = std::min(buffer_.find('\n', begin_), buffer_.size());
    if (line.size() + (end - begin_) > max_bytes) {
      too_long_ = true;
      line.clear();
    }
    if (!too_long_) line.append(buffer_, begin_, end - begin_);
    const bool complete = end < buffer_.size();
    begin_ = complete ? end + 1 : end;
    if (complete) break;
  }
  if (!any) return false;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  ++line_number_;
  return true;
}

std::unique_ptr<TextReader> open_text_reader(const std::filesystem::path& path) {
  if (path.extension() == ".zst") return std::make_unique<ZstdReader>(path);
  if (path.extension() == ".gz") return std::make_unique<GzipReader>(path);
  return std::make_unique<PlainReader>(path);
}

std::string read_text(const std::filesystem::path& path, uint64_t max_bytes) {
  const auto reader = open_text_reader(path);
  std::string text;
  std::vector<char> piece(kPiece);
  while (const size_t got = reader->read(piece.data(), piece.size())) {
    if (got > max_bytes - text.size()) {
      fail(ErrorKind::invalid_input, "{}: is larger than the limit of {} bytes", path.string(),
           max_bytes);
    }
    text.append(piece.data(), got);
  }
  return text;
}

}  // namespace cadre::io
