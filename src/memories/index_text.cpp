#include "memories/index_text.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "analysis/text_file.h"
#include "base/utf8.h"
#include "emend/error.h"

namespace emend {

namespace {

// Pieces of bytes, one behind the other, and where each ends.
class Pieces {
 public:
  void add(const std::string& piece) {
    bytes_.insert(bytes_.end(), piece.begin(), piece.end());
    end_.push_back(static_cast<std::int64_t>(bytes_.size()));
  }
  void write(FileWriter& writer, const std::string& name) const {
    at::Tensor bytes = at::empty({static_cast<std::int64_t>(bytes_.size())}, at::kByte);
    std::copy(bytes_.begin(), bytes_.end(), bytes.data_ptr<std::uint8_t>());
    writer.add(name + ".bytes", bytes);
    writer.add(name + ".end", end_);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int64_t> end_;
};

template <typename Value>
std::vector<Value> read_list(const TensorFile& file, const std::string& name, const std::string& type) {
  const at::Tensor tensor = stored_tensor(file, name, type);
  const auto* const data = static_cast<const Value*>(tensor.const_data_ptr());
  return std::vector<Value>(data, data + tensor.numel());
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, file.string() + ": " + what);
}

void read_pieces(const TensorFile& file, const std::string& name, std::vector<std::uint8_t>& bytes,
                 std::vector<std::int64_t>& end) {
  bytes = read_list<std::uint8_t>(file, name + ".bytes", "U8");
  end = read_numbers(file, name + ".end");
  const bool fits =
      std::is_sorted(end.begin(), end.end()) &&
      (end.empty() || (end.front() >= 0 && end.back() == static_cast<std::int64_t>(bytes.size())));
  if (!fits) refuse(file.path(), name + ".end does not fit " + name + ".bytes");
}

std::string piece(const std::vector<std::uint8_t>& bytes, const std::vector<std::int64_t>& end,
                  std::size_t number) {
  const auto begin = number == 0 ? 0 : end[number - 1];
  return {bytes.begin() + begin, bytes.begin() + end[number]};
}

}  // namespace

void write_index_text(const std::filesystem::path& file, const TextSource& text, const Tokenizer& tokenizer,
                      const std::string& fingerprint) {
  const std::vector<PlacedRow> rows = text.rows();
  std::vector<std::int64_t> documents, windows, lengths, named;
  std::size_t tokens = 0;
  for (const PlacedRow& row : rows) tokens += row.ids.size();
  at::Tensor ids = at::empty({static_cast<std::int64_t>(tokens)}, at::kUInt32);
  auto* to = static_cast<std::uint32_t*>(ids.data_ptr());
  Pieces names, pieces;
  for (const PlacedRow& row : rows) {
    documents.push_back(row.document);
    windows.push_back(row.window);
    lengths.push_back(static_cast<std::int64_t>(row.ids.size()));
    for (const std::int64_t id : row.ids) *to++ = static_cast<std::uint32_t>(id);
    if (!named.empty() && named.back() == row.document) continue;
    named.push_back(row.document);
    names.add(text.document(row.sampled).name);
  }
  for (std::int64_t id = 0; id < tokenizer.size(); ++id) pieces.add(tokenizer.token_bytes(id));
  FileWriter writer;
  writer.add("ids", ids);
  writer.add("row.documents", documents);
  writer.add("row.windows", windows);
  writer.add("row.lengths", lengths);
  writer.add("documents", named);
  names.write(writer, "name");
  pieces.write(writer, "token");
  writer.set("fingerprint", fingerprint);
  writer.write(file);
}

IndexText::IndexText(const std::filesystem::path& path, std::size_t prefix) : prefix_(prefix) {
  const auto file = open_safetensors(path);
  fingerprint_ = metadata_of(*file, "fingerprint");
  ids_ = read_list<std::uint32_t>(*file, "ids", "U32");
  read_pieces(*file, "token", token_bytes_, token_end_);
  read_pieces(*file, "name", name_bytes_, name_end_);
  named_ = read_numbers(*file, "documents");
  if (named_.size() != name_end_.size()) refuse(path, "documents and their names do not fit together");
  const auto documents = read_numbers(*file, "row.documents"), windows = read_numbers(*file, "row.windows"),
             lengths = read_numbers(*file, "row.lengths");
  if (windows.size() != documents.size() || lengths.size() != documents.size())
    refuse(path, "the tensors of the rows have different lengths");
  std::size_t begin = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 1 || static_cast<std::size_t>(lengths[i]) > ids_.size() - begin)
      refuse(path, "row.lengths do not add up to ids");
    const auto length = static_cast<std::size_t>(lengths[i]);
    rows_.push_back({documents[i], windows[i], begin, begin, length});
    begin += length;
  }
}

std::optional<IndexText::Place> IndexText::find(std::uint64_t address) const {
  const auto after = std::upper_bound(rows_.begin(), rows_.end(), address,
                                      [](std::uint64_t a, const Row& row) { return a < row.address; });
  if (after == rows_.begin()) return std::nullopt;
  const Row& row = *(after - 1);
  if (address - row.address >= row.length) return std::nullopt;
  return Place{&row, static_cast<std::int64_t>(address - row.address)};
}

std::optional<std::int64_t> IndexText::next(const Place& place) const {
  const Row& row = *place.row;
  const auto after = static_cast<std::size_t>(place.position) + 1;
  if (after < row.length) return ids_[row.begin + after];
  const std::size_t number = static_cast<std::size_t>(&row - rows_.data()) + 1;
  if (number == rows_.size()) return std::nullopt;
  const Row& following = rows_[number];
  const bool goes_on = following.document == row.document && following.window == row.window + 1;
  if (!goes_on || prefix_ >= following.length) return std::nullopt;
  return ids_[following.begin + prefix_];
}

std::string IndexText::bytes(std::int64_t id) const {
  return id >= 0 && id < static_cast<std::int64_t>(token_end_.size())
             ? piece(token_bytes_, token_end_, static_cast<std::size_t>(id))
             : std::string();
}

std::string IndexText::decode(const Row& row, std::int64_t begin, std::int64_t end) const {
  std::string text;
  for (std::int64_t at = std::max<std::int64_t>(begin, 0);
       at < std::min(end, static_cast<std::int64_t>(row.length)); ++at)
    text += bytes(ids_[row.begin + static_cast<std::size_t>(at)]);
  return replace_invalid_utf8(text);
}

std::string IndexText::token(std::int64_t id) const {
  return replace_invalid_utf8(bytes(id));
}

std::string IndexText::name(std::int64_t document) const {
  const auto found = std::lower_bound(named_.begin(), named_.end(), document);
  if (found == named_.end() || *found != document) return "";
  return piece(name_bytes_, name_end_, static_cast<std::size_t>(found - named_.begin()));
}

}  // namespace emend
