#include "eval/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>

#include "analysis/prompt_rows.h"

namespace emend {
namespace {

// Context rows put so many tokens in front of a prompt, at most.
constexpr std::int64_t kContextRoom = 16;

// What has room in the model's positions.
class Fitter {
 public:
  Fitter(const Model& model, const CheckOptions& checks, const FitOptions& options)
      : model_(model), forms_{{checks.prefix, checks.form}}, options_(options) {
    if (options.other_form) forms_.push_back(*options.other_form);
  }

  bool fits_for_edit(const EditRequest& request) const {
    return fits(request.prompt, request.target, kContextRoom) &&
           fits(request.prompt, request.was, kContextRoom);
  }

  // Returns how many.
  std::size_t drop_long_questions(EvalRecord& record) const {
    EditRequest& request = record.request;
    const std::string statement =
        options_.with_statement ? fmt::format("{} {}. ", request.prompt, request.target) : "";
    std::size_t dropped = std::erase_if(request.paraphrases, [&](const std::string& prompt) {
      return !fits(prompt, request.target) || !fits(prompt, request.was);
    });
    dropped += std::erase_if(request.neighbours, [&](const Neighbour& neighbour) {
      return !fits(statement + neighbour.prompt, neighbour.answer) ||
             !fits(statement + neighbour.prompt, request.target);
    });
    dropped += std::erase_if(request.bleed, [&](const OtherSubject& other) {
      const std::string prompt = prompt_about(request, other.subject);
      return !fits(prompt, other.answer) || !fits(prompt, request.target);
    });
    for (auto* questions : {&record.locality, &record.portability})
      dropped += std::erase_if(
          *questions, [&](const KindQuestion& question) { return !fits(question.prompt, question.answer); });
    dropped +=
        std::erase_if(record.generations, [&](const std::string& prompt) { return !fits(prompt, ""); });
    return dropped;
  }

 private:
  bool fits(const std::string& prompt, const std::string& answer, std::int64_t more = 0) const {
    return std::ranges::all_of(forms_, [&](const RowForm& form) {
      const auto length = prompt_ids(model_.tokenizer(), prompt, form).size() +
                          target_ids(model_.tokenizer(), answer, form).size();
      return static_cast<std::int64_t>(length) + options_.extra_tokens + more <=
             model_.config().max_positions;
    });
  }

  const Model& model_;
  std::vector<RowForm> forms_;
  const FitOptions& options_;
};

// Questions that still have no answer. Returns how many.
std::size_t drop_unanswered(EvalRecord& record) {
  const auto unanswered = [](const auto& question) { return question.answer.empty(); };
  return std::erase_if(record.request.neighbours, unanswered) + std::erase_if(record.locality, unanswered) +
         std::erase_if(record.portability, unanswered);
}

// Fills empty answers of requests (if `present`), neighbours and locality questions by the unedited model.
// Returns how many there were.
std::int64_t fill_answers(const Model& model, std::vector<EvalRecord>& records, const CheckOptions& checks,
                          bool present) {
  std::int64_t filled = 0;
  std::vector<EditRequest> requests;
  for (const EvalRecord& record : records) {
    EditRequest request = record.request;
    if (!present && request.was.empty()) request.was = " ";  // not asked for
    filled += request.was.empty() ? 1 : 0;
    for (const KindQuestion& question : record.locality)
      request.neighbours.push_back({question.prompt, question.answer});
    for (const OtherSubject& other : request.bleed) filled += other.answer.empty() ? 1 : 0;
    for (const Neighbour& neighbour : request.neighbours) filled += neighbour.answer.empty() ? 1 : 0;
    requests.push_back(std::move(request));
  }
  fill_present_answers(model, requests, checks);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EvalRecord& record = records[i];
    if (present) record.request.was = requests[i].was;
    record.request.bleed = requests[i].bleed;
    const std::size_t own = record.request.neighbours.size();
    for (std::size_t n = 0; n < own; ++n)
      record.request.neighbours[n].answer = requests[i].neighbours[n].answer;
    for (std::size_t n = 0; n < record.locality.size(); ++n)
      record.locality[n].answer = requests[i].neighbours[own + n].answer;
  }
  return filled;
}

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

void fit_records(const Model& model, std::vector<EvalRecord>& records, const CheckOptions& checks,
                 const FitOptions& options, DatasetFile& data) {
  const Fitter fitter(model, checks, options);
  const auto too_long =
      std::erase_if(records, [&](const EvalRecord& record) { return !fitter.fits_for_edit(record.request); });
  if (too_long > 0) data.skipped["longer than the model's positions"] += static_cast<std::int64_t>(too_long);

  std::size_t dropped = 0;
  for (EvalRecord& record : records) dropped += fitter.drop_long_questions(record);
  if (dropped > 0)
    data.notes.push_back(
        fmt::format("{} questions are longer than the model's positions and were not asked.", dropped));

  const std::int64_t filled = fill_answers(model, records, checks, options.fill_present_answers);
  if (filled > 0)
    data.notes.push_back(
        fmt::format("{} answers that the data does not give are the unedited model's greedy ones, as many "
                    "words as the target has.",
                    filled));

  std::size_t unanswered = 0;
  for (EvalRecord& record : records) unanswered += drop_unanswered(record);
  if (unanswered > 0)
    data.notes.push_back(fmt::format("{} questions without an answer were not asked.", unanswered));
}

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

std::int64_t leave_out_joint_questions(std::vector<EvalRecord>& records, const EvalMode& mode) {
  const std::size_t size = mode.kind == EvalMode::Kind::kSequential ? records.size()
                           : mode.kind == EvalMode::Kind::kBatch    ? static_cast<std::size_t>(mode.size)
                                                                    : 1;
  std::size_t dropped = 0;
  for (std::size_t begin = 0; begin < records.size(); begin += size) {
    const std::span<EvalRecord> together =
        std::span(records).subspan(begin, std::min(size, records.size() - begin));
    std::set<std::string> ids;
    for (const EvalRecord& record : together) ids.insert(record.request.id);
    for (EvalRecord& record : together)
      dropped += std::erase_if(record.portability, [&](const KindQuestion& question) {
        return !std::all_of(question.needs.begin(), question.needs.end(),
                            [&](const std::string& id) { return ids.count(id) > 0; });
      });
  }
  return static_cast<std::int64_t>(dropped);
}

}  // namespace emend
