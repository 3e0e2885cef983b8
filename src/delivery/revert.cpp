// Takes back a write in place.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <regex>
#include <string>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "base/unfinished.h"
#include "delivery/undo_file.h"
#include "emend/write_back.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

bool same(const FileState& a, const FileState& b) {
  return a.size == b.size && a.sha256 == b.sha256;
}

// "NAME-00001-of-00003.gguf" of "NAME-00002-of-00003.gguf"; the name itself of other files. The shards need
// not be readable.
std::string name_of_first_shard(const std::string& name) {
  static const std::regex shard("(.*)-[0-9]{5}-of-([0-9]{5})\\.gguf");
  std::smatch parts;
  return std::regex_match(name, parts, shard)
             ? fmt::format("{}-00001-of-{}.gguf", parts[1].str(), parts[2].str())
             : name;
}

// The n-th undo file of a model, from 1.
fs::path undo_file(const fs::path& model, int number) {
  fs::path file = fs::is_directory(model)
                      ? model / "emend.undo"
                      : model.parent_path() / (name_of_first_shard(model.filename().string()) + ".undo");
  if (number > 1) file.concat(fmt::format(".{}", number));
  return file;
}

int count_undo_files(const fs::path& model) {
  int count = 0;
  while (fs::exists(undo_file(model, count + 1))) ++count;
  return count;
}

// One file to be given back its old bytes.
struct Restoration {
  fs::path file;
  const UndoEntry* entry;
  std::unique_ptr<MappedFile> now;
};

std::span<const std::byte> bytes_of(const Restoration& restoration, const UndoPiece& piece) {
  const std::span<const std::byte> source =
      piece.kept ? std::span<const std::byte>(restoration.entry->kept) : restoration.now->bytes();
  return source.subspan(piece.offset, piece.length);
}

// Throws Error(kFormat) when the pieces do not make the old file.
void require_old_bytes(const Restoration& restoration, const fs::path& undo) {
  Sha256 hash;
  for (const UndoPiece& piece : restoration.entry->pieces) hash.update(bytes_of(restoration, piece));
  if (hash.hex() != restoration.entry->before.sha256)
    throw Error(
        ErrorKind::kFormat,
        fmt::format(
            "{}: what it keeps does not make the old {} (the undo file was altered); nothing was changed",
            undo.string(), restoration.file.string()));
}

// Those of the files that the write changed. Throws Error(kModel) for one that is neither old nor new.
std::vector<Restoration> find_changed(const fs::path& folder, const std::vector<UndoEntry>& entries,
                                      const fs::path& undo) {
  std::vector<Restoration> changed;
  for (const UndoEntry& entry : entries) {
    Restoration restoration{folder / entry.name, &entry, nullptr};
    restoration.now = std::make_unique<MappedFile>(restoration.file);
    const FileState state{restoration.now->bytes().size(), sha256_hex(restoration.now->bytes())};
    if (same(state, entry.before)) continue;
    if (!same(state, entry.after))
      throw Error(ErrorKind::kModel, fmt::format("{}: it is neither as before nor as after the write that {} "
                                                 "takes back (SHA-256 {}); nothing was changed",
                                                 restoration.file.string(), undo.string(), state.sha256));
    require_old_bytes(restoration, undo);
    changed.push_back(std::move(restoration));
  }
  return changed;
}

}  // namespace

fs::path next_undo_file(const fs::path& model) {
  return undo_file(model, count_undo_files(model) + 1);
}

fs::path last_undo_file(const fs::path& model) {
  const int count = count_undo_files(model);
  if (count == 0 && !fs::exists(model)) throw io_error("read", model, ENOENT);
  if (count == 0)
    throw Error(ErrorKind::kIo, fmt::format("there is no undo file {}; nothing was written in place here, or "
                                            "it lies elsewhere (name it with the option undo)",
                                            undo_file(model, 1).string()));
  return undo_file(model, count);
}

std::vector<fs::path> revert(const fs::path& model, const fs::path& undo) {
  const fs::path undo_path = undo.empty() ? last_undo_file(model) : undo;
  const std::vector<UndoEntry> entries = load_undo(undo_path);
  const fs::path folder = fs::is_directory(model) ? model : model.parent_path();
  if (!fs::is_directory(model))
    for (const UndoEntry& entry : entries)
      if (name_of_first_shard(entry.name) != name_of_first_shard(model.filename().string()))
        throw Error(ErrorKind::kModel, fmt::format("{}: it takes back a write of {}, not of {}",
                                                   undo_path.string(), quote(entry.name), model.string()));
  const std::vector<Restoration> changed = find_changed(folder, entries, undo_path);
  std::uint64_t bytes = 0;
  for (const Restoration& restoration : changed) bytes += restoration.entry->before.size;
  require_space(folder, bytes);
  std::vector<fs::path> restored;
  std::vector<std::unique_ptr<AtomicFile>> files;
  for (const Restoration& restoration : changed) {
    files.push_back(std::make_unique<AtomicFile>(restoration.file));
    for (const UndoPiece& piece : restoration.entry->pieces)
      files.back()->write(bytes_of(restoration, piece));
    restored.push_back(restoration.file);
  }
  const auto together = hold_unfinished();
  for (const auto& file : files) file->commit();
  if (::unlink(undo_path.c_str()) != 0) throw io_error("remove", undo_path, errno);
  return restored;
}

}  // namespace emend
