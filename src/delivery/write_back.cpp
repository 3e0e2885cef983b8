#include "emend/write_back.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/files.h"
#include "base/fingerprint.h"
#include "base/unfinished.h"
#include "delivery/checkpoint_files.h"
#include "delivery/undo_file.h"
#include "io/gguf_split.h"
#include "io/output_check.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Headers, padding and rounding to whole blocks of the file system.
constexpr std::uint64_t kSpareBytes = std::uint64_t{1} << 20;

void write_pieces(AtomicFile& file, const FileRewrite& rewrite) {
  for (const FilePiece& piece : rewrite.pieces()) file.write(piece.bytes);
}

std::string sha256_of(const FileRewrite& rewrite) {
  Sha256 hash;
  for (const FilePiece& piece : rewrite.pieces()) hash.update(piece.bytes);
  return hash.hex();
}

constexpr const char* kOtherPlace = "name another place, or edit the base in place";

fs::path write_new_gguf(const std::vector<FileRewrite>& rewrites, const fs::path& out) {
  std::error_code ignored;
  if (fs::is_directory(out, ignored)) throw io_error("write", out, EISDIR);
  std::uint64_t bytes = kSpareBytes;
  for (const FileRewrite& rewrite : rewrites) bytes += rewrite.size();
  require_space(out.parent_path(), bytes);
  AtomicFile file(out);
  write_pieces(file, rewrites.front());
  file.commit();
  return out;
}

// `companions`: names of files beside the rewritten ones that are copied as they are.
fs::path write_new_folder(const WritePlan& plan, const std::vector<FileRewrite>& rewrites,
                          const std::vector<fs::path>& companions, const fs::path& out) {
  require_new_folder(out);
  const fs::path from = fs::is_directory(plan.base) ? plan.base : plan.base.parent_path();
  std::uint64_t bytes = kSpareBytes;
  for (const FileRewrite& rewrite : rewrites) bytes += rewrite.size();
  for (const fs::path& file : companions) bytes += fs::file_size(from / file);
  require_space(out, bytes);
  AtomicFolder folder(out);
  for (const FileRewrite& rewrite : rewrites) {
    AtomicFile file(folder.path() / rewrite.file().lexically_relative(from));
    write_pieces(file, rewrite);
    file.commit();
  }
  for (const fs::path& file : companions) {
    fs::create_directories((folder.path() / file).parent_path());
    copy_file_durably(from / file, folder.path() / file);
  }
  folder.commit();
  return fs::is_directory(plan.base) ? out : out / plan.base.filename();
}

// Also for root, whom the system would let.
void require_replaceable(const fs::path& file) {
  if (fs::is_symlink(fs::symlink_status(file)))
    throw Error(ErrorKind::kIo,
                fmt::format("cannot edit {} in place: it is a symbolic link, and others may use what it "
                            "points to; write a new checkpoint",
                            file.string()));
  if ((fs::status(file).permissions() & fs::perms::owner_write) == fs::perms::none)
    throw Error(
        ErrorKind::kIo,
        fmt::format("cannot edit {} in place: it is write-protected; write a new checkpoint", file.string()));
}

// What it holds may be all that is left of another base, or be the base itself.
void require_no_file(const fs::path& undo) {
  if (fs::exists(undo))
    throw Error(ErrorKind::kIo, fmt::format("cannot write the undo file {}: there is such a file already, "
                                            "and none is ever replaced; name another",
                                            undo.string()));
}

// A base that is one file of GGUF gives a file, any other a folder.
bool is_single_gguf(const fs::path& base) {
  return open_checkpoint(base)->format() == TensorFile::Format::kGguf && gguf_shards(base).size() <= 1;
}

bool changes_block(const std::vector<Patch>& patches, int block) {
  for (const Patch& patch : patches)
    for (const WeightChange& change : patch.edit.changes)
      if (change.weight.block == block) return true;
  return false;
}

}  // namespace

void require_new_place(const fs::path& base, const fs::path& out) {
  require_apart(base, out, kOtherPlace);
  const bool makes_folder = !is_single_gguf(base);
  require_ending(out, makes_folder ? OutputForm::kFolder : OutputForm::kGguf);
  std::error_code ignored;
  if (makes_folder) require_new_folder(out);
  if (!makes_folder && fs::is_directory(out, ignored)) throw io_error("write", out, EISDIR);
  require_writable_folder(fs::absolute(out).lexically_normal().parent_path());
}

void require_in_place(const Model& base, const std::vector<Patch>& patches, const fs::path& undo) {
  const fs::path undo_path = undo.empty() ? next_undo_file(base.path()) : undo;
  require_no_file(undo_path);
  require_writable_file(undo_path);
  const std::unique_ptr<TensorFile> file = open_checkpoint(base.path());
  for (const RoleEntry& entry : base.roles()) {
    if (entry.role != Role::kMlpDown || !changes_block(patches, entry.block)) continue;
    if (const TensorInfo* const info = file->find(entry.tensor)) require_replaceable(info->file);
  }
}

fs::path write_new(const WritePlan& plan, const fs::path& out) {
  require_apart(plan.base, out, kOtherPlace);
  require_ending(out, is_single_gguf(plan.base) ? OutputForm::kGguf : OutputForm::kFolder);
  const std::vector<FileRewrite> rewrites = rewrite_files(plan);
  const bool gguf = open_checkpoint(plan.base)->format() == TensorFile::Format::kGguf;
  if (!gguf) return write_new_folder(plan, rewrites, companion_files(plan.base, rewrites), out);
  const std::vector<fs::path> shards = gguf_shards(plan.base);
  if (shards.size() > 1) return write_new_folder(plan, rewrites, other_shards(shards, rewrites), out);
  return write_new_gguf(rewrites, out);
}

fs::path write_in_place(const WritePlan& plan, const fs::path& undo) {
  const fs::path undo_path = undo.empty() ? next_undo_file(plan.base) : undo;
  require_no_file(undo_path);
  const std::vector<FileRewrite> rewrites = rewrite_files(plan);
  std::vector<UndoEntry> entries;
  std::uint64_t new_bytes = kSpareBytes, kept_bytes = kSpareBytes;
  for (const FileRewrite& rewrite : rewrites) {
    require_replaceable(rewrite.file());
    entries.push_back(undo_entry(rewrite));
    entries.back().before = {rewrite.old_bytes().size(), sha256_hex(rewrite.old_bytes())};
    entries.back().after = {rewrite.size(), sha256_of(rewrite)};
    new_bytes += rewrite.size();
    kept_bytes += entries.back().kept.size();
  }
  require_space(plan.base, new_bytes + kept_bytes);
  require_space(undo_path.parent_path(), kept_bytes);
  // All bytes lie on the disk before the first file is replaced.
  std::vector<std::unique_ptr<AtomicFile>> files;
  for (const FileRewrite& rewrite : rewrites) {
    files.push_back(std::make_unique<AtomicFile>(rewrite.file()));
    write_pieces(*files.back(), rewrite);
  }
  require_no_file(undo_path);  // other programs may have been at work meanwhile
  const auto together = hold_unfinished();
  try {
    save_undo(undo_path, entries);
    for (const auto& file : files) file->commit();
  } catch (const Error& error) {
    if (!fs::exists(undo_path)) throw;
    throw Error(error.kind(), fmt::format("{}; some files may have been replaced already, and a revert with "
                                          "the undo file {} gives the old ones back",
                                          error.what(), undo_path.string()));
  }
  return undo_path;
}

}  // namespace emend
