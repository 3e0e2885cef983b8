#include "text/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <span>
#include <unordered_set>

#include "base/fingerprint.h"
#include "base/random.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr std::uint64_t kSampleStream = 0x73616d706c65;  // "sample": no other draw moves this one

std::uint64_t fingerprint_of(const std::string& text) {
  return std::strtoull(xxh3_128_hex(std::as_bytes(std::span(text))).substr(0, 16).c_str(), nullptr, 16);
}

// Returns how many documents the file has.
std::int64_t index_file(DocumentReader& reader, std::uint32_t file, const Random& random,
                        std::unordered_set<std::uint64_t>& seen, CorpusIndex& index) {
  Document document;
  std::int64_t ordinal = 0;
  for (; reader.next(document); ++ordinal) {
    const std::uint64_t fingerprint = fingerprint_of(document.text);
    if (!seen.insert(fingerprint).second) {
      ++index.repeated;
      continue;
    }
    index.documents.push_back({fingerprint, random.bits(fingerprint), file,
                               static_cast<std::uint32_t>(document.text.size()), ordinal});
    index.bytes += document.text.size();
  }
  index.repaired += reader.repaired();
  return ordinal;
}

}  // namespace

std::string CorpusIndex::description() const {
  const std::size_t read = files.size() - binary_files.size();
  return fmt::format("{} {}, {}", read, read == 1 ? "file" : "files", human_bytes(bytes));
}

CorpusIndex scan_corpus(const std::vector<std::filesystem::path>& paths, const std::string& text_field,
                        std::uint64_t seed, Progress& progress) {
  CorpusIndex index;
  index.files = corpus_files(paths);
  index.text_field = text_field;
  const Random random(seed, kSampleStream);
  std::unordered_set<std::uint64_t> seen;
  std::int64_t documents = 0;
  progress.begin("reading the corpus", static_cast<std::int64_t>(index.files.size()), "files");
  for (std::size_t file = 0; file < index.files.size(); ++file) {
    const CorpusFile& source = index.files[file];
    DocumentReader reader(source.path, text_field);
    index.documents_before.push_back(documents);
    if (reader.binary() && source.named)
      throw Error(ErrorKind::kFormat, source.path.string() + ": this is not text: it holds NUL bytes");
    if (reader.binary())
      index.binary_files.push_back(source.path.string());
    else
      documents += index_file(reader, static_cast<std::uint32_t>(file), random, seen, index);
    progress.update(static_cast<std::int64_t>(file + 1), "");
  }
  progress.end();
  if (index.documents.empty())
    throw Error(ErrorKind::kConfig, paths.front().string() + ": the corpus holds no text");
  std::sort(index.documents.begin(), index.documents.end(),
            [](const DocumentEntry& a, const DocumentEntry& b) {
              return std::pair(a.rank, a.fingerprint) < std::pair(b.rank, b.fingerprint);
            });
  return index;
}

std::vector<SampledDocument> read_documents(const CorpusIndex& index, std::size_t begin, std::size_t end) {
  std::vector<SampledDocument> texts(end - begin);
  std::map<std::uint32_t, std::map<std::int64_t, std::size_t>> wanted;  // file, ordinal: entry
  for (std::size_t i = begin; i < end; ++i) wanted[index.documents[i].file][index.documents[i].ordinal] = i;
  for (const auto& [file, entries] : wanted) {
    const std::string path = index.files[file].path.string();
    DocumentReader reader(path, index.text_field);
    Document document;
    std::int64_t ordinal = -1;
    for (const auto& [place, entry] : entries) {
      bool there = true;
      while (there && ordinal < place) {
        there = reader.next(document);
        ++ordinal;
      }
      if (!there || fingerprint_of(document.text) != index.documents[entry].fingerprint)
        throw Error(ErrorKind::kIo, fmt::format("{}: the file changed while it was read (document {} is not "
                                                "what it was); leave it alone and run again",
                                                path, place + 1));
      texts[entry - begin] = {std::move(document.text), fmt::format("{}:{}", path, document.line)};
    }
  }
  return texts;
}

std::vector<std::vector<std::int64_t>> document_rows(const std::vector<std::int64_t>& ids,
                                                     const std::vector<std::int64_t>& prefix,
                                                     std::int64_t width, std::size_t shortest) {
  std::vector<std::vector<std::int64_t>> rows;
  const std::size_t room = static_cast<std::size_t>(width) - prefix.size();
  for (std::size_t at = 0; at < ids.size(); at += room) {
    const std::size_t end = std::min(ids.size(), at + room);
    if (end - at < shortest) break;
    rows.push_back(prefix);
    rows.back().insert(rows.back().end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                       ids.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return rows;
}

}  // namespace emend
