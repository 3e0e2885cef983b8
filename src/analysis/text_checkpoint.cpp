#include "analysis/text_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr const char* kFormat = "1";
const std::string kFingerprint = "key_fingerprint.";

void add_run(FileWriter& writer, const RunIdentity& run) {
  add_origin(writer, run.origin);
  writer.set("corpus", run.corpus);
  writer.set("seed", run.seed);
  writer.set("tokens", run.tokens);
  writer.set("block_tokens", run.block_tokens);
  writer.set("shard", std::to_string(run.shard));
  writer.set("shards", std::to_string(run.shards));
}

RunIdentity read_run(const TensorFile& file) {
  RunIdentity run;
  run.origin = read_origin(file);
  run.corpus = metadata_of(file, "corpus");
  run.seed = metadata_of(file, "seed");
  run.tokens = metadata_of(file, "tokens");
  run.block_tokens = metadata_or(file, "block_tokens", "");  // files of an older version have none
  run.shard = static_cast<int>(metadata_number(file, "shard"));
  run.shards = static_cast<int>(metadata_number(file, "shards"));
  return run;
}

std::map<int, std::string> read_key_fingerprints(const TensorFile& file) {
  constexpr std::size_t kMostDigits = 6;
  const std::string begin = "emend." + kFingerprint;
  std::map<int, std::string> found;
  for (const auto& [key, value] : file.metadata()) {
    if (!key.starts_with(begin)) continue;
    const std::string layer = key.substr(begin.size());
    if (layer.empty() || layer.size() > kMostDigits ||
        layer.find_first_not_of("0123456789") != std::string::npos)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: the metadata key {} names no layer", file.path().string(), key));
    found[std::stoi(layer)] = value;
  }
  return found;
}

}  // namespace

std::optional<std::string> RunIdentity::difference(const RunIdentity& found) const {
  const auto part = [](const RunIdentity& run) { return fmt::format("{}/{}", run.shard, run.shards); };
  const std::vector<std::array<std::string, 3>> rows = {{"BOS", origin.prefix, found.origin.prefix},
                                                        {"settings", origin.settings, found.origin.settings},
                                                        {"seed", seed, found.seed},
                                                        {"number of tokens", tokens, found.tokens},
                                                        {"block size", block_tokens, found.block_tokens},
                                                        {"shard", part(*this), part(found)},
                                                        {"text", corpus, found.corpus}};
  for (const auto& [name, here, there] : rows)
    if (here != there) return fmt::format("the {} ({}, here {})", name, quote(there, 80), quote(here, 80));
  return std::nullopt;
}

std::optional<std::string> TextCheckpoint::difference(const TextCheckpoint& found) const {
  const auto same_layer = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (!std::equal(key_fingerprints.begin(), key_fingerprints.end(), found.key_fingerprints.begin(),
                  found.key_fingerprints.end(), same_layer))
    return "the layers";
  if (key_fingerprints != found.key_fingerprints) return "the model or tokenizer";
  return run.difference(found.run);
}

void save_checkpoint(const std::filesystem::path& path, const TextCheckpoint& checkpoint,
                     const TextVisitor& visitor) {
  FileWriter writer;
  visitor.save(writer);
  writer.set("format", kFormat);
  add_run(writer, checkpoint.run);
  for (const auto& [layer, fingerprint] : checkpoint.key_fingerprints)
    writer.set(kFingerprint + std::to_string(layer), fingerprint);
  writer.set("blocks_done", std::to_string(checkpoint.blocks_done));
  writer.add("documents", checkpoint.text.documents);
  add_rows(writer, "held.ids", "held.lengths", checkpoint.text.held_text);
  writer.add("held.documents", checkpoint.text.held_documents);
  writer.write(path);
}

TextCheckpoint read_checkpoint(const TensorFile& file) {
  if (metadata_of(file, "format") != kFormat)
    throw Error(ErrorKind::kFormat,
                file.path().string() + ": this checkpoint is of another version of the format");
  TextCheckpoint checkpoint;
  checkpoint.run = read_run(file);
  checkpoint.key_fingerprints = read_key_fingerprints(file);
  checkpoint.blocks_done = metadata_number(file, "blocks_done");
  checkpoint.text.documents = read_fingerprints(file, "documents");
  checkpoint.text.held_text = read_rows(file, "held.ids", "held.lengths");
  checkpoint.text.held_documents = read_fingerprints(file, "held.documents");
  return checkpoint;
}

}  // namespace emend
