#include "memories/kept_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/folder_kind.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

const std::string kRun = "run";

fs::path shard_file(const fs::path& folder, const std::string& name, int shard, int shards) {
  const std::string which = shards > 1 ? fmt::format("_{}_of_{}", shard, shards) : "";
  return folder / (name + which + ".safetensors");
}

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::kConfig, fmt::format("{}: {}", file.string(), what));
}

std::vector<fs::path> parts_in(const KeptKind& kind, const std::vector<fs::path>& folders) {
  std::vector<fs::path> parts;
  for (const fs::path& folder : folders) {
    require_folder(folder, "the option shard writes the parts of " + kind.run);
    const std::size_t before = parts.size();
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().filename().string().starts_with(kind.name + "_part_")) parts.push_back(entry.path());
    if (parts.size() == before)
      refuse(folder, "this folder holds no part of " + kind.run + "; the option shard makes them");
  }
  std::sort(parts.begin(), parts.end());
  return parts;
}

}  // namespace

fs::path kept_file(const KeptKind& kind, const fs::path& folder) {
  return folder / (kind.name + ".safetensors");
}

fs::path kept_checkpoint(const KeptKind& kind, const fs::path& folder, int shard, int shards) {
  return shard_file(folder, kind.name + "_checkpoint", shard, shards);
}

fs::path kept_part(const KeptKind& kind, const fs::path& folder, int shard, int shards) {
  return shard_file(folder, kind.name + "_part", shard, shards);
}

std::string run_text(const RunIdentity& run) {
  return fmt::format("model {}, text {}, BOS {}, {}, seed {}, {} tokens, blocks of {}",
                     run.origin.fingerprint, run.corpus, run.origin.prefix, run.origin.settings, run.seed,
                     run.tokens, run.block_tokens);
}

void write_kept(const fs::path& file, const RunIdentity& run, const TextVisitor& visitor) {
  FileWriter writer;
  visitor.save(writer);
  writer.set(kRun, run_text(run));
  writer.write(file);
}

void read_kept(const KeptKind& kind, const fs::path& file, const RunIdentity& run, TextVisitor& visitor) {
  const auto stored = open_safetensors(file);
  const std::string found = metadata_of(*stored, kRun);
  if (found != run_text(run))
    refuse(file, fmt::format("these are the {} of another run ({}; here {}); give another folder", kind.name,
                             found, run_text(run)));
  visitor.load(*stored);
}

void require_part_of(const fs::path& part, const RunIdentity& run) {
  const RunIdentity found = read_checkpoint(*open_safetensors(part)).run;
  if (found.origin.fingerprint != run.origin.fingerprint) refuse(part, "this is a part of another model");
  if (const auto difference = run.difference(found))
    refuse(part, "this is a part of another run; different is " + *difference);
}

void require_parts(const KeptKind& kind, const std::vector<fs::path>& folders) {
  parts_in(kind, folders);
}

void join_kept(const KeptKind& kind, const std::vector<fs::path>& folders, const RunIdentity& run,
               TextVisitor& visitor) {
  std::map<int, fs::path> found;
  int shards = 0;
  for (const fs::path& path : parts_in(kind, folders)) {
    const auto stored = open_safetensors(path);
    const RunIdentity other = read_checkpoint(*stored).run;
    if (shards > 0 && other.shards != shards)
      refuse(path, fmt::format("this is one of {} shards, but {} is one of {}", other.shards,
                               found.begin()->second.string(), shards));
    shards = other.shards;
    RunIdentity own = run;
    own.shard = other.shard;
    own.shards = other.shards;
    require_part_of(path, own);
    if (const auto [there, fresh] = found.emplace(other.shard, path); !fresh)
      refuse(path, "this is the same shard as " + there->second.string());
    visitor.load(*stored);
  }
  for (int shard = 0; shard < shards; ++shard)
    if (!found.contains(shard))
      refuse(found.begin()->second, fmt::format("shard {} of {} is not among the folders", shard, shards));
}

}  // namespace emend
