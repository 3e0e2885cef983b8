// Documents of a corpus, one after another: plain text and JSON lines, compressed or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_stream.h"

namespace emend {

struct Document {
  std::string text;       // UTF-8
  std::int64_t line = 0;  // where it begins in its file, from 1
};

// A file to be read, and whether it was named itself or found in a folder.
struct CorpusFile {
  std::filesystem::path path;
  bool named = true;
};

// Files as they are; folders with all files below them but hidden ones, by path. Throws Error(kIo) for what
// is not there, Error(kConfig) for a folder without files.
std::vector<CorpusFile> corpus_files(const std::vector<std::filesystem::path>& paths);

// How a file is cut:
//   .jsonl, .ndjson (before .gz or .zst): each line is a JSON object, its text field a document;
//   others: documents end at empty lines. A file without an empty line in its first MiB is one document a
//   line.
// A document longer than a MiB is cut there. Bytes that are not UTF-8 become U+FFFD, one for each maximal
// broken piece. Memory: one document and one MiB.
class DocumentReader {
 public:
  // Throws Error: kIo, kFormat (damaged compression).
  DocumentReader(const std::filesystem::path& file, const std::string& text_field);

  // False at the end. Throws Error(kFormat) naming file and line: not JSON, no such field, a field that is
  // not a text.
  bool next(Document& document);

  // Not text: a NUL byte in its first 64 KiB.
  bool binary() const { return binary_; }
  // Broken pieces that were replaced so far.
  std::int64_t repaired() const { return repaired_; }

 private:
  bool next_line(std::string& line);
  bool next_json(Document& document);
  bool next_plain(Document& document);
  void fill();
  std::string repair(std::string text);

  std::filesystem::path path_;
  std::string text_field_;
  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;  // read and not yet handed out, from at_ on
  std::size_t at_ = 0;
  bool ended_ = false;  // nothing more in the stream
  bool binary_ = false;
  bool json_ = false;
  bool by_line_ = false;
  std::int64_t line_ = 0;  // of the line handed out last
  std::int64_t repaired_ = 0;
};

}  // namespace emend
