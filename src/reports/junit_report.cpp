#include "reports/junit_report.h"

#include "base/strings.h"
#include "emend/judge.h"
#include "report/numbers.h"
#include "reports/fact_report.h"

namespace emend {
namespace {

JunitCase fact_case(const FactRecord& fact) {
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
    result.failure = "the answer to " + quote(fact.request.prompt) + " is " + quote(state.completion) +
                     ", not " + quote(fact.request.target);
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
  for (const FactRecord& fact : facts) suite.cases.push_back(fact_case(fact));
  for (const CheckResult& check : checks) suite.cases.push_back(check_case(check));
  return suite;
}

JunitCase junit_case(const std::string& name, bool passed, const std::string& why) {
  JunitCase result;
  result.name = name;
  if (!passed) result.failure = why;
  return result;
}

}  // namespace emend
