// The parts of all shards of one scan as the index of a scan that ran in one piece.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/files.h"
#include "base/folder_kind.h"
#include "base/strings.h"
#include "base/unfinished.h"
#include "emend/error.h"
#include "memories/index_text.h"
#include "memories/scan_state.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

struct Part {
  fs::path path;
  TextCheckpoint file;
  IndexHead head;
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kConfig, what);
}

std::vector<Part> read_parts(const std::vector<fs::path>& folders) {
  std::vector<Part> parts;
  for (const fs::path& folder : folders) {
    require_folder(folder, "the option shard of a scan of memories writes the parts that are joined");
    if (fs::exists(index_head_file(folder)))
      refuse(folder.string() +
             ": this is a finished index, and only the parts of shards are joined; scan both "
             "texts together");
    const std::vector<fs::path> found = find_scan_parts(folder);
    if (found.empty())
      refuse(folder.string() + ": this folder holds no part of a scan; the option shard makes them");
    for (const fs::path& path : found) {
      const auto file = open_safetensors(path);
      parts.push_back({path, read_checkpoint(*file),
                       parse_head(metadata_of(*file, "head"), path.string() + " (emend.head)")});
    }
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.file.run.shard < b.file.run.shard; });
  return parts;
}

// All parts are of one scan.
void require_one_scan(const std::vector<Part>& parts) {
  const Part& a = parts.front();
  for (const Part& b : parts) {
    const auto cannot = [&](const std::string& why) {
      refuse(fmt::format("{} and {} cannot be merged: {}", a.path.string(), b.path.string(), why));
    };
    if (a.head.head.model_fingerprint != b.head.head.model_fingerprint)
      cannot("they are of different models or tokenizers");
    RunIdentity same_shard = b.file.run;
    same_shard.shard = a.file.run.shard;
    if (const auto difference = a.file.run.difference(same_shard)) cannot("different is " + *difference);
    if (a.head.head.layers != b.head.head.layers) cannot("they are of different layers");
    if (a.file.run.origin.fingerprint != b.file.run.origin.fingerprint) cannot("their options differ");
  }
}

void require_all_shards(const std::vector<Part>& parts) {
  std::map<int, fs::path> shards;
  for (const Part& part : parts) {
    const auto [there, fresh] = shards.emplace(part.file.run.shard, part.path);
    if (!fresh)
      refuse(fmt::format("{} and {} are the same shard", there->second.string(), part.path.string()));
  }
  for (int shard = 0; shard < parts.front().file.run.shards; ++shard)
    if (!shards.contains(shard))
      refuse(fmt::format("{}: shard {} of {} is not among the folders", parts.front().path.string(), shard,
                         parts.front().file.run.shards));
}

}  // namespace

ScanOutcome merge_scans(const std::vector<fs::path>& folders, const fs::path& out, Progress& progress) {
  const std::vector<Part> parts = read_parts(folders);
  require_one_scan(parts);
  require_all_shards(parts);
  if (fs::exists(index_head_file(out)))
    refuse(index_head_file(out).string() + ": an index is there already; give another folder");
  const MemoryIndexHead& head = parts.front().head.head;
  const fs::path text = index_text_file(parts.front().path.parent_path());
  if (IndexText(text, head.prefix.size()).fingerprint() != head.corpus_fingerprint)
    refuse(text.string() + ": this is the text of another scan than the part beside it");
  std::vector<std::unique_ptr<TensorFile>> files;
  for (const Part& part : parts) files.push_back(open_safetensors(part.path));
  ScanOutcome outcome;
  std::vector<LayerState> states;
  progress.begin("merging", static_cast<std::int64_t>(head.layers.size()), "layers");
  for (const int layer : head.layers) {
    const std::string prefix = fmt::format("layer.{}.", layer);
    LayerState all(shape_of(head));
    for (const auto& file : files) all.merge(read_layer_state(*file, prefix, shape_of(head)));
    states.push_back(std::move(all));
    progress.update(static_cast<std::int64_t>(states.size()), "");
  }
  progress.end();
  IndexContent content{head, {}};
  for (std::size_t i = 0; i < states.size(); ++i)
    content.layers.push_back(
        {head.layers[i], &states[i], stored_value_norms(*files.front(), head.layers[i], head.cells)});
  outcome.tokens = states.front().counts.tokens;
  if (!fs::exists(out) || !fs::equivalent(text.parent_path(), out)) {
    fs::create_directories(out);
    const auto whole = hold_unfinished();  // no end by a signal in the middle of the copy
    fs::remove(index_text_file(out));
    copy_file_durably(text, index_text_file(out));
  }
  outcome.outputs.push_back(index_text_file(out));
  write_index(out, content, progress, outcome);
  return outcome;
}

}  // namespace emend
