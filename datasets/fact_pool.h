// Neighbours for sets that lost or never had them: other facts of the same set.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "emend/dataset.h"

namespace emend {

// A true statement. `group` holds facts that ask for the same relation: a relation's id, or a template.
struct PooledFact {
  std::string group;
  std::string subject;
  std::string prompt;
  std::string answer;
  bool is_edit = true;  // the set asks to change it; false: it is only asked about
};

// What may stand in a list of questions about others.
struct DrawRequest {
  std::string group;
  std::string answer;
  std::string subject;                 // never about this one, nor with it in the prompt
  std::vector<std::string> not_these;  // prompts that the list has already
  std::string seed;                    // the id of the record that they are for
  std::size_t count = 0;               // at most
};

class FactPool {
 public:
  // A prompt that is there already, in the same group and with the same answer, is ignored.
  void add(const PooledFact& fact);

  // Facts of that group and answer: those that are not edits first, since they stay true when many records
  // are applied together, then in the order of the hash of (seed, prompt). It depends on neither the order of
  // the file nor on other records.
  std::vector<PooledFact> draw(const DrawRequest& request) const;

 private:
  std::unordered_map<std::string, std::vector<PooledFact>> facts_;  // by group and answer
  std::unordered_set<std::string> prompts_;                         // by group, answer and prompt
};

// A hash in 32 hex digits whose order serves as a draw. The fields cannot run into each other.
std::string draw_hash(const std::string& seed, const std::string& item);

// ---- the lists of CounterFact (Meng et al. 2022, section 3.3), rebuilt

// CounterFact has ten neighbours and ten attribute prompts a record.
inline constexpr std::size_t kDerivedQuestions = 10;

// Adds to every record up to ten neighbours (facts of its group with its present answer) behind those that it
// has, and up to ten attribute prompts (facts of its group with its target). groups[i] is the group of
// records[i].
void derive_questions(std::vector<EvalRecord>& records, const std::vector<std::string>& groups,
                      const FactPool& pool);

// The prompts of the records themselves, as facts.
FactPool pool_of(const std::vector<EvalRecord>& records, const std::vector<std::string>& groups);

}  // namespace emend
