#include "cli/next_step.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/first_names.h"
#include "base/strings.h"
#include "reports/blame.h"

namespace emend {
namespace {

constexpr std::size_t kMostIds = 5;

std::filesystem::path without(const std::filesystem::path& file, const std::string& id) {
  std::string name = file.stem().string() + "-without-" + id;
  std::replace(name.begin(), name.end(), '/', '_');
  return file.parent_path() / (name + file.extension().string());
}

std::string drop_command(const Blame& blame, const std::filesystem::path& model,
                         const std::filesystem::path& file) {
  const std::string& id = blame.ids.front();
  return fmt::format("emend patch drop {} {} --model {} --out {}", shell_word(file.string()), shell_word(id),
                     shell_word(model.string()), shell_word(without(file, id).string()));
}

// Facts that were trained together stay together: such a patch loses none.
bool can_lose_facts(const Patch& patch) {
  return std::none_of(patch.edit.solves.begin(), patch.edit.solves.end(),
                      [](const WeightSolve& solve) { return solve.rule == SolveRule::kTrained; });
}

bool share_a_key(const FactRecord& one, const FactRecord& other) {
  if (one.parts.empty() || other.parts.empty()) return false;
  const FactPart &a = one.parts.front(), &b = other.parts.front();
  return a.weight == b.weight && a.keys.defined() && b.keys.defined() && a.keys.equal(b.keys);
}

// The other facts of the first key of this one that want another target.
std::vector<std::string> rivals_of(const std::string& id, const std::vector<FactRecord>& facts) {
  const auto own =
      std::find_if(facts.begin(), facts.end(), [&](const FactRecord& fact) { return fact.request.id == id; });
  std::vector<std::string> ids;
  for (const FactRecord& other : facts)
    if (own != facts.end() && other.is_edited() && other.request.id != id &&
        other.request.target != own->request.target && share_a_key(*own, other))
      ids.push_back(other.request.id);
  return ids;
}

bool is_of_targets(const std::string& check) {
  return check == "efficacy" || check == "paraphrase" || check == "said";
}

// Names no option that the method of the patch does not have.
const char* rewording_for(const std::string& check, const Patch& patch) {
  if (check == "efficacy") return "Reword its prompt, or edit another layer (--layer N).";
  if (check == "paraphrase" || check == "said")
    return "Reword its prompt, so that it is nearer to its paraphrases, or edit another layer (--layer N).";
  if (check == "drift" && patch.edit.options.contains("clamp"))
    return "Edit another layer (--layer N), or lower the option `clamp` of the method.";
  if (check == "drift") return "Edit another layer (--layer N), or edit fewer facts.";
  return "Reword its prompt, or protect its neighbours (`method: rome` with `protect: neighbours`).";
}

std::string shared_key_advice(const std::string& id, const std::vector<std::string>& rivals) {
  return fmt::format(
      "{} has the key of {}, which wants another target: their prompts are the same up to the end of the "
      "subject, and one key holds one value for all its facts. Leave one of them out of the edit file, or "
      "reword a prompt so that other words stand before its subject, and edit again.",
      id, first_names(rivals, kMostIds));
}

}  // namespace

std::vector<std::string> next_steps(const Patch& patch, const std::filesystem::path& model,
                                    const std::filesystem::path& file) {
  std::vector<std::string> steps;
  for (const Blame& blame : blame_of(patch.edit.facts, patch.checks)) {
    const std::string& first = blame.ids.front();
    std::string text = fmt::format("{} failed: ", blame.check);
    if (blame.check == "drift" || blame.check == "bleed")
      text += fmt::format("look at {} first ({}). ", first, blame.worst);
    else if (blame.ids.size() == 1)
      text += fmt::format("it is due to {} ({}). ", first, blame.worst);
    else
      text += fmt::format("it is due to {}; the worst is {} ({}). ", first_names(blame.ids, kMostIds), first,
                          blame.worst);
    std::vector<std::string> rivals;
    if (is_of_targets(blame.check) && can_lose_facts(patch)) rivals = rivals_of(first, patch.edit.facts);
    if (!rivals.empty()) {
      // Taking one out of the patch would leave the value that was found for both.
      steps.push_back(text + shared_key_advice(first, rivals));
      continue;
    }
    text += rewording_for(blame.check, patch);
    if (blame.leaves_any && can_lose_facts(patch))
      text += fmt::format(" Or take {} out of the patch: {}", first, drop_command(blame, model, file));
    steps.push_back(std::move(text));
  }
  return steps;
}

}  // namespace emend
