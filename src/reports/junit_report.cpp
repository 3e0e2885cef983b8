#include "reports/junit_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/judge.h"
#include "report/numbers.h"
#include "reports/fact_report.h"

namespace emend {
namespace {

// The check `name`, if it was measured.
const CheckResult* find_check(const std::vector<CheckResult>& checks, const std::string& name) {
  const auto found = std::find_if(checks.begin(), checks.end(), [&](const CheckResult& check) {
    return check.name == name && check.value.has_value();
  });
  return found == checks.end() ? nullptr : &*found;
}

// A fact that does not hold fails its case unless the file allows such facts: with an efficacy threshold
// below 1 that was reached, the edits passed, and the case says what it found without failing.
JunitCase fact_case(const FactRecord& fact, bool may_miss) {
  const PromptState& state = fact.after->prompt;
  JunitCase result;
  result.name = "edit " + fact.request.id;
  result.output = "p(target) " + probability_text(fact.before->prompt.p_target) + " -> " +
                  probability_text(state.p_target) + ", answer " + quote(state.completion);
  if (fact.status == FactStatus::kAlreadyTrue) {
    result.skipped = true;
  } else if (fact.status == FactStatus::kFailed) {
    result.failure = fact.reason.empty() ? "the search failed" : fact.reason;
  } else if (!judge(fact.request, *fact.after).holds) {
    const std::string said = "the answer to " + quote(fact.request.prompt) + " is " +
                             quote(state.completion) + ", not " + quote(fact.request.target);
    if (may_miss)
      result.output += "; " + said;
    else
      result.failure = said;
  }
  return result;
}

JunitCase check_case(const CheckResult& check) {
  const std::string bound = is_upper_bound(check) ? "at most " : "at least ";
  const std::string said =
      number_text(check.value, 4) + ", wanted " + bound + number_text(check.threshold, 4);
  JunitCase result = junit_case("check " + check.name, check.passed || !check.value, said);
  result.skipped = !check.value;
  if (check.value) result.output = said + ", n " + std::to_string(check.n);
  return result;
}

}  // namespace

JunitSuite junit_suite(const std::string& name, const std::vector<FactRecord>& facts,
                       const std::vector<CheckResult>& checks) {
  JunitSuite suite{name, {}};
  const CheckResult* const efficacy = find_check(checks, "efficacy");
  const bool may_miss = efficacy != nullptr && efficacy->passed && efficacy->threshold < 1;
  for (const FactRecord& fact : facts) suite.cases.push_back(fact_case(fact, may_miss));
  const HeldCounts counts = held_counts(facts);
  for (const CheckResult& check : checks) {
    suite.cases.push_back(check_case(check));
    if (check.name == "paraphrase" && check.value)
      suite.cases.back().output += fmt::format("; the target is likelier on {}, and said on {}",
                                               counts.held_paraphrases, counts.said_paraphrases);
  }
  return suite;
}

JunitCase junit_case(const std::string& name, bool passed, const std::string& why) {
  JunitCase result;
  result.name = name;
  if (!passed) result.failure = why;
  return result;
}

}  // namespace emend
