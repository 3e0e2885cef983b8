#include "base/byte_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <vector>

#include "base/file_descriptor.h"
#include "base/files.h"
#include "emend/error.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunk = 1 << 18;

// The bytes as they lie on disk; the first few can be looked at.
class PlainStream : public ByteStream {
 public:
  explicit PlainStream(const fs::path& file)
      : path_(file), file_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (!file_.is_open()) throw io_error("read", file, errno);
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) throw io_error("read", file, errno);
    if (S_ISDIR(status.st_mode)) throw io_error("read", file, EISDIR);
    front_.resize(4);
    front_.resize(read_from_disk(front_));
  }

  std::string_view front() const { return {front_.data(), front_.size()}; }
  const fs::path& path() const { return path_; }

  std::size_t read(std::span<char> out) override {
    if (at_ == front_.size()) return read_from_disk(out);
    const std::size_t count = std::min(out.size(), front_.size() - at_);
    std::copy_n(front_.begin() + static_cast<std::ptrdiff_t>(at_), count, out.begin());
    at_ += count;
    return count;
  }

 private:
  std::size_t read_from_disk(std::span<char> out) {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = ::read(file_.get(), out.data() + done, out.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw io_error("read", path_, errno);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  fs::path path_;
  FileDescriptor file_;
  std::vector<char> front_;
  std::size_t at_ = 0;
};

[[noreturn]] void damaged(const fs::path& file, const std::string& kind, const std::string& reason) {
  throw Error(ErrorKind::kFormat,
              fmt::format("{}: the {} data is damaged ({})", file.string(), kind, reason));
}

class GzipStream : public ByteStream {
 public:
  explicit GzipStream(std::unique_ptr<PlainStream> source) : source_(std::move(source)), input_(kChunk) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~GzipStream() override { inflateEnd(&stream_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  std::size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), 1 << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0) refill();
      if (stream_.avail_in == 0) {
        if (!between_members_) damaged(source_->path(), "gzip", "it ends early");
        return 0;
      }
      if (between_members_ && inflateReset(&stream_) != Z_OK)
        damaged(source_->path(), "gzip", "no new member");
      between_members_ = false;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END)
        between_members_ = true;
      else if (status != Z_OK && status != Z_BUF_ERROR)
        damaged(source_->path(), "gzip",
                stream_.msg != nullptr ? stream_.msg : fmt::format("zlib: {}", status));
    }
    return room - stream_.avail_out;
  }

 private:
  void refill() {
    stream_.avail_in = static_cast<uInt>(source_->read(input_));
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
  }

  std::unique_ptr<PlainStream> source_;
  std::vector<char> input_;
  z_stream stream_{};
  bool between_members_ = false;
};

class ZstdStream : public ByteStream {
 public:
  explicit ZstdStream(std::unique_ptr<PlainStream> source)
      : source_(std::move(source)), input_(kChunk), stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {
    if (!stream_) throw std::bad_alloc();
  }

  std::size_t read(std::span<char> out) override {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0) {
      if (from_.pos == from_.size) {
        from_ = {input_.data(), source_->read(input_), 0};
        if (from_.size == 0) {
          if (inside_frame_) damaged(source_->path(), "zstd", "it ends early");
          return 0;
        }
      }
      const std::size_t status = ZSTD_decompressStream(stream_.get(), &to, &from_);
      if (ZSTD_isError(status) != 0) damaged(source_->path(), "zstd", ZSTD_getErrorName(status));
      inside_frame_ = status != 0;
    }
    return to.pos;
  }

 private:
  std::unique_ptr<PlainStream> source_;
  std::vector<char> input_;
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
  ZSTD_inBuffer from_{nullptr, 0, 0};
  bool inside_frame_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> open_byte_stream(const fs::path& file) {
  auto plain = std::make_unique<PlainStream>(file);
  using std::string_view_literals::operator""sv;
  if (plain->front().starts_with("\x1f\x8b"sv)) return std::make_unique<GzipStream>(std::move(plain));
  if (plain->front() == "\x28\xb5\x2f\xfd"sv) return std::make_unique<ZstdStream>(std::move(plain));
  return plain;
}

std::string inflate_raw(std::string_view deflated, std::size_t size, const std::string& where) {
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();
  std::size_t from = 0, to = 0;
  int status = Z_OK;
  constexpr std::size_t kMost = 1 << 30;  // zlib counts in 32 bits
  while (status == Z_OK) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(deflated.data() + from));
    stream.avail_in = static_cast<uInt>(std::min(kMost, deflated.size() - from));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + to);
    stream.avail_out = static_cast<uInt>(std::min(kMost, size - to));
    const uInt in = stream.avail_in, room = stream.avail_out;
    status = inflate(&stream, Z_NO_FLUSH);
    from += in - stream.avail_in;
    to += room - stream.avail_out;
    if (status == Z_OK && in == stream.avail_in && room == stream.avail_out) status = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || to != size)
    throw Error(ErrorKind::kFormat,
                where + ": the deflated data is damaged, or not as long as its header says");
  return out;
}

std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace emend
