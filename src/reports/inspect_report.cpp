#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/adapter_report.h"
#include "reports/patch_report.h"

namespace emend {
namespace {

std::string weights_table(const Inspection& inspection, std::size_t columns) {
  Table table({{"tensor", Align::kLeft, 20},
               {"layer", Align::kRight},
               {"was"},
               {"is"},
               {"relative", Align::kRight},
               {"rank", Align::kRight},
               {"largest", Align::kRight},
               {"rounding", Align::kRight}});
  for (const WeightDifference& weight : inspection.weights)
    table.add_row({weight.entry.tensor, weight.entry.block < 0 ? "" : std::to_string(weight.entry.block),
                   weight.base_type, weight.entry.stored_type, number_text(weight.relative),
                   std::to_string(weight.rank), number_text(weight.largest), number_text(weight.rounding)});
  return table.text(columns);
}

ResultJson weights_json(const Inspection& inspection) {
  ResultJson list = ResultJson::array();
  for (const WeightDifference& weight : inspection.weights)
    list.push_back({{"tensor", weight.entry.tensor},
                    {"role", role_name(weight.entry.role)},
                    {"layer", weight.entry.block},
                    {"was", weight.base_type},
                    {"is", weight.entry.stored_type},
                    {"relative", weight.relative},
                    {"rank", weight.rank},
                    {"largest", weight.largest},
                    {"rounding", weight.rounding}});
  return list;
}

std::string presence_text(PatchPresence presence) {
  switch (presence) {
    case PatchPresence::kContained:
      return "contained";
    case PatchPresence::kNotContained:
      return "not contained";
    case PatchPresence::kOtherBase:
      return "for another base";
    case PatchPresence::kIsItsBase:
      return "not contained: this is its base";
    case PatchPresence::kNotCompared:
      return "not compared (no base)";
  }
  return "";
}

std::string verdicts_table(const std::vector<PatchVerdict>& verdicts, std::size_t columns) {
  Table table({{"patch", Align::kLeft, 20},
               {"edits", Align::kRight},
               {"found"},
               {"share", Align::kRight},
               {"answers as edited", Align::kRight}});
  for (const PatchVerdict& verdict : verdicts)
    table.add_row({verdict.name, std::to_string(verdict.edits), presence_text(verdict.presence),
                   number_text(verdict.share),
                   verdict.as_edited
                       ? std::to_string(*verdict.as_edited) + " of " + std::to_string(verdict.asked)
                       : "-"});
  return table.text(columns);
}

ResultJson verdicts_json(const std::vector<PatchVerdict>& verdicts) {
  ResultJson list = ResultJson::array();
  for (const PatchVerdict& verdict : verdicts) {
    ResultJson entry = {{"path", verdict.name}, {"found", presence_text(verdict.presence)}};
    entry["share"] = or_null(verdict.share);
    entry["answers_as_edited"] = or_null(verdict.as_edited);
    entry["facts"] = verdict.as_edited ? ResultJson(verdict.asked) : ResultJson(nullptr);
    entry["subjects"] = verdict.subjects;
    list.push_back(entry);
  }
  return list;
}

// What a subject is ordered by, and counts as edited by.
double strength(const EditedSubjects& found, const SubjectScore& subject) {
  return found.controls > 0 ? *subject.excess : subject.score;
}

std::string subjects_table(const EditedSubjects& found, std::size_t columns) {
  std::vector<const SubjectScore*> order;
  for (const SubjectScore& subject : found.subjects) order.push_back(&subject);
  std::stable_sort(order.begin(), order.end(), [&](const SubjectScore* a, const SubjectScore* b) {
    return strength(found, *a) > strength(found, *b);
  });
  std::vector<TableColumn> heads = {{"subject", Align::kLeft, 20}, {"score", Align::kRight}};
  if (found.controls > 0) heads.push_back({"excess", Align::kRight});
  heads.push_back({"edited"});
  Table table(heads);
  for (const SubjectScore* subject : order) {
    std::vector<std::string> cells = {subject->subject, number_text(subject->score)};
    if (found.controls > 0) cells.push_back(number_text(*subject->excess));
    cells.push_back(subject->edited ? "yes" : "");
    table.add_row(cells);
  }
  return table.text(columns);
}

std::string subjects_text(const EditedSubjects& found, std::size_t columns) {
  const auto edited = std::count_if(found.subjects.begin(), found.subjects.end(),
                                    [](const SubjectScore& subject) { return subject.edited; });
  std::vector<std::string> layers;
  for (std::size_t i = 0; i < found.layers.size(); ++i)
    layers.push_back(fmt::format("{} (rank {})", found.layers[i], found.ranks[i]));
  std::string text = subjects_table(found, columns);
  if (found.controls > 0)
    text += fmt::format(
        "{} of {} subjects count as edited: an excess of {} or more, which at most {} % of {} {} have. The "
        "excess is how far the share of a key\nthat lies where a layer was written is above that of those "
        "names, in their deviations, at the layer where it is largest: {}.\nThe score is the mean share; a "
        "key that has nothing to do with the difference has about {}.\n",
        edited, found.subjects.size(), number_text(found.excess_threshold),
        number_text(100 * found.false_alarms), found.controls,
        found.made ? "names made of parts of these" : "unedited subjects", join(layers),
        number_text(found.expected));
  else
    text += fmt::format(
        "{} of {} subjects score {} or more: the share of their keys that lies where the difference "
        "of layer {} was written. A key that has nothing to do with it has about {}.\n",
        edited, found.subjects.size(), number_text(found.threshold), join(layers),
        number_text(found.expected));
  return text;
}

ResultJson subjects_json(const EditedSubjects& found) {
  ResultJson list = ResultJson::array();
  for (const SubjectScore& subject : found.subjects)
    list.push_back({{"subject", subject.subject},
                    {"score", subject.score},
                    {"edited", subject.edited},
                    {"by_layer", subject.by_layer},
                    {"excess", or_null(subject.excess)}});
  ResultJson controls = nullptr;
  if (found.controls > 0)
    controls = {{"n", found.controls},
                {"made", found.made},
                {"false_alarms", found.false_alarms},
                {"excess", found.excess_threshold}};
  return {{"layers", found.layers},
          {"ranks", found.ranks},
          {"expected", found.expected},
          {"threshold", found.threshold},
          {"controls", controls},
          {"statistics", found.statistics.string()},
          {"scores", list}};
}

}  // namespace

std::string inspect_text(const InspectOutcome& outcome, std::size_t columns) {
  const Inspection& weights = outcome.weights;
  const bool has_base = outcome.base_fingerprint.has_value();
  std::string text;
  if (has_base && weights.weights.empty() && weights.missing.empty())
    text += "All weights are those of the base.\n";
  if (!weights.weights.empty())
    text += weights_table(weights, columns) +
            "Rank: singular values of the difference above what rounding to the stored types makes. Layers "
            "count from 0.\n";
  for (const std::string& missing : weights.missing) text += "Without counterpart: " + missing + "\n";
  if (has_base && !outcome.patches.empty() && !weights.weights.empty())
    text += "Not explained by the patches: " + percent_text(weights.unexplained) +
            " of the norm of what differs in the down projections.\n";
  if (outcome.subjects) text += "\n" + subjects_text(*outcome.subjects, columns);
  if (outcome.patches.empty()) return text;
  text += (has_base ? "\n" : "") + verdicts_table(outcome.patches, columns);
  for (const PatchVerdict& verdict : outcome.patches)
    text += subjects_line("Subjects of " + one_line(verdict.name) + ": ", verdict.subjects);
  return text;
}

ResultJson inspect_json(const InspectOutcome& outcome, const Model& model) {
  const bool has_base = outcome.base_fingerprint.has_value();
  ResultJson json = {{"emend", emend_version()}, {"model", model_json(model)}};
  json["base"] =
      has_base ? ResultJson({{"path", outcome.base.string()}, {"fingerprint", *outcome.base_fingerprint}})
               : ResultJson(nullptr);
  json["weights"] = weights_json(outcome.weights);
  json["missing"] = outcome.weights.missing;
  json["unexplained"] = has_base ? ResultJson(outcome.weights.unexplained) : ResultJson(nullptr);
  json["patches"] = verdicts_json(outcome.patches);
  json["subjects"] = outcome.subjects ? subjects_json(*outcome.subjects) : ResultJson(nullptr);
  json["warnings"] = outcome.warnings;
  return json;
}

}  // namespace emend
