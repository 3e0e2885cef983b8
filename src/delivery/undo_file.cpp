#include "delivery/undo_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fingerprint.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/mapped_file.h"

namespace emend {
namespace {

constexpr const char* kFormatVersion = "1";

std::string tensor_name(std::size_t entry) {
  return fmt::format("files.{}.kept", entry);
}

Json state_json(const FileState& state) {
  return {{"size", state.size}, {"sha256", state.sha256}};
}

FileState read_state(const JsonView& view) {
  return {static_cast<std::uint64_t>(view.at("size").as_non_negative_integer()), view.string("sha256")};
}

Json entry_json(const UndoEntry& entry) {
  Json pieces = Json::array();
  for (const UndoPiece& piece : entry.pieces)
    pieces.push_back({piece.kept ? "kept" : "new", piece.offset, piece.length});
  return {{"name", entry.name},
          {"before", state_json(entry.before)},
          {"after", state_json(entry.after)},
          {"pieces", pieces}};
}

UndoPiece read_piece(const JsonView& view, std::uint64_t kept_size, std::uint64_t new_size) {
  const std::vector<JsonView> parts = view.elements();
  if (parts.size() != 3 || !parts[0].is_string()) view.refuse("a source, an offset and a length");
  const std::string& source = parts[0].as_string();
  if (source != "kept" && source != "new") parts[0].refuse("kept or new");
  UndoPiece piece{source == "kept", static_cast<std::uint64_t>(parts[1].as_non_negative_integer()),
                  static_cast<std::uint64_t>(parts[2].as_non_negative_integer())};
  const std::uint64_t size = piece.kept ? kept_size : new_size;
  if (piece.offset > size || piece.length > size - piece.offset) view.refuse("a piece inside its source");
  return piece;
}

std::vector<std::byte> kept_bytes(const TensorFile& file, std::size_t entry) {
  const TensorInfo* const info = file.find(tensor_name(entry));
  if (info == nullptr || info->type->name != "U8")
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: the bytes {} are missing", file.path().string(), quote(tensor_name(entry))));
  const auto bytes = file.bytes(*info);
  return {bytes.begin(), bytes.end()};
}

UndoEntry read_entry(const JsonView& view, std::vector<std::byte> kept) {
  UndoEntry entry;
  entry.name = view.string("name");
  if (entry.name.empty() || entry.name == "." || entry.name == ".." ||
      entry.name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
    view.at("name").refuse("the plain name of a file");
  entry.before = read_state(view.at("before"));
  entry.after = read_state(view.at("after"));
  std::uint64_t length = 0;
  for (const JsonView& piece : view.at("pieces").elements()) {
    entry.pieces.push_back(read_piece(piece, kept.size(), entry.after.size));
    length += entry.pieces.back().length;
  }
  if (length != entry.before.size) view.at("pieces").refuse("pieces of the whole old file");
  entry.kept = std::move(kept);
  return entry;
}

}  // namespace

FileState file_state(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  return {mapped.bytes().size(), sha256_hex(mapped.bytes())};
}

UndoEntry undo_entry(const FileRewrite& rewrite) {
  UndoEntry entry;
  entry.name = rewrite.file().filename().string();
  // Where runs of the old file lie in the new one, by their place in the old one.
  std::map<std::uint64_t, UndoPiece> runs;
  std::uint64_t at = 0;
  for (const FilePiece& piece : rewrite.pieces()) {
    if (piece.old_offset) runs[*piece.old_offset] = {false, at, piece.bytes.size()};
    at += piece.bytes.size();
  }
  const auto old = rewrite.old_bytes();
  std::uint64_t done = 0;
  const auto keep_until = [&](std::uint64_t end) {
    if (end == done) return;
    entry.pieces.push_back({true, entry.kept.size(), end - done});
    const auto bytes = old.subspan(done, end - done);
    entry.kept.insert(entry.kept.end(), bytes.begin(), bytes.end());
  };
  for (const auto& [begin, run] : runs) {
    keep_until(begin);
    entry.pieces.push_back(run);
    done = begin + run.length;
  }
  keep_until(old.size());
  return entry;
}

void save_undo(const std::filesystem::path& file, const std::vector<UndoEntry>& entries) {
  Json files = Json::array();
  std::vector<TensorToWrite> tensors;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    files.push_back(entry_json(entries[i]));
    tensors.push_back(
        {tensor_name(i), "U8", {static_cast<std::int64_t>(entries[i].kept.size())}, entries[i].kept});
  }
  write_safetensors(file, tensors, {{"emend.undo", kFormatVersion}, {"emend.files", files.dump()}});
}

std::vector<UndoEntry> load_undo(const std::filesystem::path& file) {
  const std::unique_ptr<TensorFile> tensors = open_safetensors(file);
  const auto& metadata = tensors->metadata();
  const auto version = metadata.find("emend.undo");
  const auto files = metadata.find("emend.files");
  if (version == metadata.end() || files == metadata.end())
    throw Error(ErrorKind::kFormat, file.string() + ": not an undo file of emend, or a broken one");
  if (version->second != kFormatVersion)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: an undo file of format {}; this version of emend reads 1: use a newer one",
                            file.string(), quote(version->second, 20)));
  const std::string source = file.string() + ": metadata \"emend.files\"";
  const Json document = parse_json(files->second, source);
  std::vector<UndoEntry> entries;
  for (const JsonView& view : JsonView(document, source).elements())
    entries.push_back(read_entry(view, kept_bytes(*tensors, entries.size())));
  return entries;
}

}  // namespace emend
