#include "analysis/text_walk.h"

#include <c10/core/GradMode.h>

#include "emend/error.h"

namespace emend {

namespace {

// Loads a checkpoint into the visitor.
Walk resume_walk(const TextCheckpoint& wanted, const std::filesystem::path& path, TextVisitor& visitor) {
  const auto file = open_safetensors(path);
  TextCheckpoint found = read_checkpoint(*file);
  if (const auto other = wanted.difference(found))
    throw Error(ErrorKind::kConfig, path.string() + ": this is the checkpoint of another run; different is " +
                                        *other + "; go on with that run's options, or remove the file");
  visitor.load(*file);
  return {std::move(found.text.documents), found.blocks_done, found.blocks_done};
}

}  // namespace

TextCheckpoint checkpoint_of(const Model& model, const TextSource& text, const TextVisitor& visitor,
                             const RunIdentity& run, const Walk& walk) {
  const bool keys = sites_end_at_key(visitor);
  TextCheckpoint checkpoint{
      run, {}, walk.blocks_done, {walk.documents, text.held_text(), text.held_documents()}};
  for (const int layer : visitor.layers())
    checkpoint.key_fingerprints[layer] = keys ? model.key_fingerprint(layer) : model.fingerprint();
  return checkpoint;
}

Walk walk_text(const Model& model, const TextSource& text, TextVisitor& visitor, const WalkOptions& options,
               Progress& progress) {
  const c10::NoGradGuard no_grad;
  const std::int64_t shard = options.run.shard, shards = options.run.shards;
  Walk walk;
  if (options.resume && std::filesystem::exists(options.checkpoint))
    walk = resume_walk(checkpoint_of(model, text, visitor, options.run, walk), options.checkpoint, visitor);
  const std::int64_t first = shard + walk.blocks_done * shards;
  std::int64_t total = 0, done = 0;
  for (std::int64_t b = shard; b < text.blocks(); b += shards) {
    total += text.tokens_of(b);
    if (b < first) done += text.tokens_of(b);
  }
  progress.begin(options.stage, total, "tokens");
  for (std::int64_t b = first; b < text.blocks(); b += shards) {
    const std::string note = visitor.note();
    text.visit(b, visitor, [&](std::int64_t tokens) { progress.update(done + tokens, note); });
    done += text.tokens_of(b);
    for (const std::uint64_t document : text.documents(b)) walk.documents.push_back(document);
    sort_documents(walk.documents);
    ++walk.blocks_done;
    const bool goes_on = visitor.end_block();
    progress.update(done, visitor.note());
    if (!goes_on) break;
    if (!options.checkpoint.empty() && b + shards < text.blocks())
      save_checkpoint(options.checkpoint, checkpoint_of(model, text, visitor, options.run, walk), visitor);
  }
  progress.end();
  return walk;
}

}  // namespace emend
