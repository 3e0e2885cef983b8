#include "text/corpus.h"

#include <algorithm>

#include "base/fingerprint.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr std::size_t kShortestWindow = 8;

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::vector<std::string> cut_documents(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const bool by_line =
      std::none_of(lines.begin(), lines.end(), [](const std::string& line) { return blank(line); });
  std::vector<std::string> documents;
  bool open = false;
  for (const std::string& line : lines) {
    if (blank(line)) {
      open = false;
      continue;
    }
    if (open && !by_line)
      documents.back() += "\n" + line;
    else
      documents.push_back(line);
    open = true;
  }
  return documents;
}

}  // namespace

CorpusText read_corpus(const std::vector<std::filesystem::path>& files) {
  CorpusText corpus;
  Sha256 hash;
  std::uint64_t bytes = 0;
  for (const auto& file : files)
    for (std::string& document : cut_documents(read_text_file(file))) {
      hash.update_field(document);
      bytes += document.size();
      corpus.documents.push_back(std::move(document));
    }
  if (corpus.documents.empty()) throw Error(ErrorKind::kConfig, "the corpus holds no text");
  corpus.description =
      std::to_string(files.size()) + (files.size() == 1 ? " file, " : " files, ") + human_bytes(bytes);
  corpus.fingerprint = hash.hex();
  return corpus;
}

std::vector<std::vector<std::int64_t>> corpus_rows(const CorpusText& corpus, const Tokenizer& tokenizer,
                                                   const std::vector<std::int64_t>& prefix,
                                                   std::int64_t width, std::int64_t tokens) {
  std::vector<std::vector<std::int64_t>> rows;
  std::int64_t total = 0;
  const auto room = static_cast<std::size_t>(width) - prefix.size();
  for (const std::string& document : corpus.documents) {
    if (total >= tokens) break;
    const std::vector<std::int64_t> ids = tokenizer.encode(document, SpecialTokens::kNone).ids;
    for (std::size_t at = 0; at < ids.size() && total < tokens; at += room) {
      const std::size_t end = std::min(ids.size(), at + room);
      if (end - at < kShortestWindow) break;
      std::vector<std::int64_t> row = prefix;
      row.insert(row.end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                 ids.begin() + static_cast<std::ptrdiff_t>(end));
      total += static_cast<std::int64_t>(end - at);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace emend
