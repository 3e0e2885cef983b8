// Protection by need (RomeOptions::protected_rise): an edit is held at those subjects alone that it has been
// seen to move, and as much as they need.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "editors/rome/plan.h"
#include "editors/rome/search.h"
#include "emend/progress.h"

namespace emend::editors {

// Measures the target behind the prompts of all protectable subjects on the unedited model and with each
// group's edit in place, as if it were alone; where it has become likelier than protected_rise allows, the
// key gets a bound (measured_bound), and the group's response a is solved for again. At most three rounds,
// until no subject misses its aim by more than a quarter (one where the target rose by less than a quarter of
// the aim is not asked again). A held response is louder on other text, by
// a^T C a; the residual is shortened by the root of that, so that the edit drifts as it would without, and is
// searched on only if its target is then less likely than 0.95 (or than the search's own stop). Groups that
// move no subject too much stay as they are, to the last bit, and so do those that would no longer make their
// target likelier than the present answer (a warning). Does nothing where protected_rise is 1 or
// protected_share 0. One pass over these prompts a round, one over those where the target became likely on
// the unedited model, and one more evaluation of the search for groups whose response has changed.
class ProtectionByNeed {
 public:
  // The plan outlives it.
  explicit ProtectionByNeed(RomePlan& plan);
  ~ProtectionByNeed();
  ProtectionByNeed(const ProtectionByNeed&) = delete;
  ProtectionByNeed& operator=(const ProtectionByNeed&) = delete;

  // For search_alone: the first round for one group, as soon as its residual is found. What it finds is kept
  // for `protect`, which makes the first round of all groups that were not asked.
  bool will_be_held(std::size_t g, const at::Tensor& a, const SearchResult& found);
  void protect(RomeSolution& solution, Progress& progress);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What is solved jointly afterwards (settle_jointly) is not held as each edit `alone` was. One warning that
// names the subject where a target has risen most, and how many edits are like it, if one has risen by more
// than five times protected_rise. Only groups that answer more at a subject than before are measured: two
// passes over the prompts about their subjects.
std::vector<std::string> warn_of_rises(const RomePlan& plan, const RomeSolution& alone,
                                       const RomeSolution& together, Progress& progress);

}  // namespace emend::editors
