#include "memories/kept_walk.h"

#include <fmt/format.h>

#include "analysis/text_options.h"
#include "analysis/text_walk.h"
#include "emend/error.h"
#include "memories/same_run.h"

namespace emend {

RunIdentity kept_identity(const Model& model, const TextOptions& options, const TextSource& text,
                          const std::string& settings) {
  RunIdentity run;
  run.origin = {model.config().family, ids_text(options.prefix), text.description(), settings,
                model.fingerprint()};
  run.corpus = text.fingerprint();
  run.seed = std::to_string(options.seed);
  run.tokens = std::to_string(text.tokens());
  run.block_tokens = std::to_string(options.block_tokens);
  run.shard = options.shard;
  run.shards = options.shards;
  return run;
}

void refuse_own_shards(int shards) {
  if (shards > 1) throw Error(ErrorKind::kUsage, "mpirun makes the shards: leave out the option shard");
}

void require_joinable(const KeptWork& work, const TextOptions& options, const ShardGroup* group) {
  if (work.folder.join.empty()) return;
  if (group != nullptr && group->size() > 1)
    throw Error(ErrorKind::kUsage,
                work.command + ": parts are joined by one process: leave out mpirun, or the option join");
  if (options.shards > 1)
    throw Error(ErrorKind::kUsage, work.command + ": shards are joined by a run without the option shard");
  if (!work.folder.resume) require_parts(work.kind, work.folder.join);
}

void begin_kept(const KeptWork& work, const RunIdentity& run, const std::vector<int>& layers,
                ShardGroup* group) {
  const std::filesystem::path& folder = work.folder.path;
  if (run.shards > 1 && folder.empty())
    throw Error(ErrorKind::kConfig, work.command + ": a shard needs a folder for its part: the option out");
  if (!folder.empty() && !work.folder.resume)
    for (const auto& there :
         {kept_file(work.kind, folder), kept_checkpoint(work.kind, folder, run.shard, run.shards),
          kept_part(work.kind, folder, run.shard, run.shards)})
      if (std::filesystem::exists(there))
        throw Error(ErrorKind::kConfig,
                    fmt::format("{}: {} was written into this folder, or begun; set the option "
                                "resume to go on, or give another folder",
                                there.string(), work.kind.run));
  if (group == nullptr) return;
  require_same_run(*group,
                   fmt::format("{}, layers {}", run_text(run), ids_text({layers.begin(), layers.end()})),
                   work.command);
  group->wait_for_all();  // all have looked before the first one writes
}

KeptWalk walk_kept(const Model& model, const TextSource& text, const RunIdentity& run, const KeptWork& work,
                   TextVisitor& visitor, Progress& progress, ShardGroup* group) {
  const AggregateFolder& folder = work.folder;
  const bool keeps = !folder.path.empty(), first = group == nullptr || group->rank() == 0;
  const auto whole = kept_file(work.kind, folder.path);
  KeptWalk done;
  if (keeps && folder.resume && std::filesystem::exists(whole)) {
    read_kept(work.kind, whole, run, visitor);
    done.outputs = {whole};
    return done;
  }
  const auto checkpoint = kept_checkpoint(work.kind, folder.path, run.shard, run.shards),
             part = kept_part(work.kind, folder.path, run.shard, run.shards);
  if (keeps && folder.resume && group == nullptr && std::filesystem::exists(part)) {
    require_part_of(part, run);
    done.is_part = true;
    done.outputs = {part};
    return done;
  }
  if (!folder.join.empty()) {
    join_kept(work.kind, folder.join, run, visitor);
  } else {
    WalkOptions how{work.stage, run, keeps ? checkpoint : std::filesystem::path(), folder.resume};
    const Walk walk = walk_text(model, text, visitor, how, progress);
    done.resumed_blocks = walk.resumed_blocks;
    done.is_part = group == nullptr && run.shards > 1;
    if (done.is_part) {
      save_checkpoint(part, checkpoint_of(model, text, visitor, run, walk), visitor);
      done.outputs = {part};
    }
    if (group) visitor.reduce(*group);
  }
  if (keeps && first && !done.is_part) {
    write_kept(whole, run, visitor);
    done.outputs = {whole};
  }
  if (group) group->wait_for_all();  // the result is written: checkpoints may go
  if (keeps) std::filesystem::remove(checkpoint);
  return done;
}

}  // namespace emend
