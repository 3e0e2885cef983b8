#include "text/document_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kLookedAtForNul = 1 << 16;

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\f\v") == std::string_view::npos;
}

bool holds_json_lines(fs::path file) {
  if (file.extension() == ".gz" || file.extension() == ".zst") file = file.stem();
  return file.extension() == ".jsonl" || file.extension() == ".ndjson";
}

bool holds_blank_line(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return false;  // the last line may go on
    if (blank(text.substr(at, end - at))) return true;
    at = end + 1;
  }
  return false;
}

void add_folder(const fs::path& folder, std::vector<CorpusFile>& files) {
  const std::size_t before = files.size();
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator();
       ++entry) {
    const bool hidden = entry->path().filename().string().starts_with(".");
    if (hidden && entry->is_directory()) entry.disable_recursion_pending();
    if (!hidden && entry->is_regular_file()) files.push_back({entry->path(), false});
  }
  if (files.size() == before)
    throw Error(ErrorKind::kConfig, folder.string() + ": the folder holds no files");
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end(),
            [](const CorpusFile& a, const CorpusFile& b) { return a.path < b.path; });
}

}  // namespace

std::vector<CorpusFile> corpus_files(const std::vector<fs::path>& paths) {
  std::vector<CorpusFile> files;
  for (const fs::path& path : paths) {
    if (fs::is_directory(path))
      add_folder(path, files);
    else
      files.push_back({path, true});
  }
  return files;
}

DocumentReader::DocumentReader(const fs::path& file, const std::string& text_field)
    : path_(file), text_field_(text_field), stream_(open_byte_stream(file)), json_(holds_json_lines(file)) {
  while (!ended_ && buffer_.size() < kMiB) fill();
  binary_ = std::string_view(buffer_).substr(0, kLookedAtForNul).find('\0') != std::string_view::npos;
  by_line_ = !holds_blank_line(buffer_);
  if (buffer_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // byte order mark
}

void DocumentReader::fill() {
  constexpr std::size_t kChunk = 1 << 18;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kChunk);
  const std::size_t count = stream_->read({buffer_.data() + before, kChunk});
  buffer_.resize(before + count);
  ended_ = count == 0;
}

// A line without its end; one longer than a MiB comes in pieces.
bool DocumentReader::next_line(std::string& line) {
  std::size_t end = buffer_.find('\n', at_);
  while (end == std::string::npos && !ended_ && (json_ || buffer_.size() - at_ < kMiB)) {
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t seen = buffer_.size();
    fill();
    end = buffer_.find('\n', seen);
  }
  if (end == std::string::npos && at_ == buffer_.size()) return false;
  std::size_t stop = std::min(end, buffer_.size());
  const bool whole = json_ || stop - at_ <= kMiB;
  if (!whole) {
    stop = at_ + kMiB;
    while (stop > at_ + 1 && (static_cast<unsigned char>(buffer_[stop]) & 0xC0) == 0x80)
      --stop;  // between characters
  }
  line.assign(buffer_, at_, stop - at_);
  if (line.ends_with('\r')) line.pop_back();
  at_ = whole && end != std::string::npos ? end + 1 : stop;
  ++line_;
  if (at_ > kMiB) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  return true;
}

bool DocumentReader::next(Document& document) {
  while (json_ ? next_json(document) : next_plain(document)) {
    document.text = repair(std::move(document.text));
    if (!blank(document.text)) return true;
  }
  return false;
}

bool DocumentReader::next_json(Document& document) {
  std::string line;
  do {
    if (!next_line(line)) return false;
  } while (blank(line));
  const std::string where = fmt::format("{}:{}", path_.string(), line_);
  const Json value = parse_json(repair(std::move(line)), where);
  if (!value.is_object()) throw Error(ErrorKind::kFormat, where + ": a line must be a JSON object");
  const auto field = value.find(text_field_);
  if (field == value.end()) {
    std::vector<std::string> names;
    for (const auto& item : value.items()) names.push_back(item.key());
    throw Error(ErrorKind::kFormat, fmt::format("{}: there is no field {} (there are: {}); the option text-"
                                                "field names the one that holds the text",
                                                where, quote(text_field_), join(names)));
  }
  if (!field->is_string())
    throw Error(ErrorKind::kFormat, fmt::format("{}: the field {} must be a text, found {}", where,
                                                quote(text_field_), field->type_name()));
  document = {field->get<std::string>(), line_};
  return true;
}

bool DocumentReader::next_plain(Document& document) {
  std::string line;
  do {
    if (!next_line(line)) return false;
  } while (blank(line));
  document = {std::move(line), line_};
  if (by_line_) return true;
  while (document.text.size() < kMiB && next_line(line) && !blank(line)) document.text += "\n" + line;
  return true;
}

std::string DocumentReader::repair(std::string text) {
  std::optional<std::size_t> broken = find_invalid_utf8(text);
  if (!broken) return text;
  std::string whole;
  std::size_t at = 0;
  while (broken) {
    whole.append(text, at, *broken);
    whole += "\xEF\xBF\xBD";
    ++repaired_;
    at += *broken + 1;
    // Continuation bytes belong to the broken character before them.
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    broken = find_invalid_utf8(std::string_view(text).substr(at));
  }
  return whole.append(text, at);
}

}  // namespace emend
