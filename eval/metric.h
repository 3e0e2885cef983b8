// A metric asks its questions about a record, and turns the answers of a model into numbers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emend/dataset.h"
#include "emend/eval.h"
#include "eval/form_questions.h"
#include "measure/questions.h"

namespace emend {

class Snippets;

// One record, as the unedited model and the model in question answer it. For the unedited model's own figures
// both are the same object: what compares with the frozen base is left out then.
struct Judged {
  const EvalRecord& record;
  const Answers& base;
  const Answers& now;
  bool is_base() const { return &base == &now; }
};

// Name -> value of one record: the mean over its prompts, so that records weigh the same (Meng et al. 2022,
// section 3.2). What the record has no data for is absent.
using MetricValues = std::map<std::string, double>;

class Metric {
 public:
  virtual ~Metric() = default;
  virtual void ask(const EvalRecord& record, Questions& questions) const = 0;
  virtual void judge(const Judged& judged, MetricValues& values) const = 0;
  // Adds what was answered to questions that are not the record's own prompts.
  virtual void trace(const EvalRecord& record, const Answers& base, const Answers& now,
                     std::vector<AnswerTrace>& traces) const {
    static_cast<void>(record), static_cast<void>(base), static_cast<void>(now), static_cast<void>(traces);
  }
};

// Adds up values and puts their mean under a name, if there were any.
class MeanOf {
 public:
  void add(double value) {
    sum_ += value;
    ++n_;
  }
  void put(const std::string& name, MetricValues& values) const {
    if (n_ > 0) values[name] = sum_ / static_cast<double>(n_);
  }

 private:
  double sum_ = 0;
  std::int64_t n_ = 0;
};

// Efficacy, paraphrase, neighbourhood: success, magnitude, argmax, generated
// (metrics/efficacy_neighbourhood.cpp). What counts as success is judged by emend/judge.h.
std::unique_ptr<Metric> make_rewrite_metric();
// The same three questions with natural stop: the model ends its greedy text itself, and the whole text is
// the answer, both normalised (metrics/natural_stop.cpp).
std::unique_ptr<Metric> make_natural_stop_metric();
bool is_whole_answer(const EndedText& text, const std::string& answer);
// The same three questions on sampled texts: the share of them that begins with the answer, k of n
// (metrics/sampled.cpp).
std::unique_ptr<Metric> make_sampled_metric();
// Token accuracies of zsRE and of EasyEdit's lists: rewrite, rephrase, locality, portability
// (metrics/token_accuracy.cpp).
std::unique_ptr<Metric> make_token_accuracy_metric();
// Bleed: the edited prompt about other subjects (metrics/bleed.cpp; emend/bleed.h).
std::unique_ptr<Metric> make_bleed_metric();
// CounterFact+ and NKL (metrics/counterfact_plus.cpp).
std::unique_ptr<Metric> make_counterfact_plus_metric();
// Other forms of a fact, by the id of its record (metrics/forms.cpp; eval/form_questions.h).
using FormsOfRecords = std::map<std::string, RecordForms>;
std::unique_ptr<Metric> make_forms_metric(FormsOfRecords forms);
// Fluency, and consistency when snippets are given (metrics/writing.cpp). `snippets` outlives the metric; may
// be null.
std::unique_ptr<Metric> make_writing_metric(const Snippets* snippets);

}  // namespace emend
