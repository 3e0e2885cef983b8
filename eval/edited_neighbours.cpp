#include "eval/edited_neighbours.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>

namespace emend {

namespace {

// What the records of one edit are about.
class EditedFacts {
 public:
  explicit EditedFacts(std::span<const EvalRecord> records) {
    for (const EvalRecord& record : records) {
      prompts_.insert({record.request.prompt, record.request.id});
      for (const std::string& paraphrase : record.request.paraphrases)
        prompts_.insert({paraphrase, record.request.id});
      if (!record.relation.empty())
        subjects_[record.relation].insert({record.request.subject, record.request.id});
    }
  }

  // Whether a record other than `own` edits what `prompt` asks.
  bool edit(const std::string& prompt, const EvalRecord& own) const {
    const auto [begin, end] = prompts_.equal_range(prompt);
    if (std::any_of(begin, end, [&](const auto& known) { return known.second != own.request.id; }))
      return true;
    const auto found = subjects_.find(own.relation);
    return found != subjects_.end() &&
           std::any_of(found->second.begin(), found->second.end(), [&](const auto& subject) {
             return subject.second != own.request.id && subject.first != own.request.subject &&
                    prompt.find(subject.first) != std::string::npos;
           });
  }

 private:
  std::multimap<std::string, std::string> prompts_;                                // prompt -> id
  std::map<std::string, std::set<std::pair<std::string, std::string>>> subjects_;  // relation -> subject, id
};

}  // namespace

std::int64_t leave_out_edited_neighbours(std::vector<EvalRecord>& records, const EvalMode& mode) {
  if (mode.kind == EvalMode::Kind::kSingle) return 0;
  const std::size_t size =
      mode.kind == EvalMode::Kind::kBatch ? static_cast<std::size_t>(mode.size) : records.size();
  std::size_t dropped = 0;
  for (std::size_t begin = 0; begin < records.size(); begin += size) {
    const std::span<EvalRecord> together =
        std::span(records).subspan(begin, std::min(size, records.size() - begin));
    const EditedFacts facts(together);
    for (EvalRecord& record : together)
      dropped += std::erase_if(record.request.neighbours, [&](const Neighbour& neighbour) {
        return facts.edit(neighbour.prompt, record);
      });
  }
  return static_cast<std::int64_t>(dropped);
}

}  // namespace emend
