#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/nearest.h"
#include "base/strings.h"
#include "datasets/collector.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "emend/dataset.h"
#include "emend/error.h"

namespace emend {
namespace {

struct Entry {
  const char* name;
  const char* help;
  const char* sign;  // a field that only this form has, to tell which form a file is
  void (*read)(const JsonRecords& records, Collector& out);
  bool opposed_targets = true, edit_files = false;  // as in DatasetHelp
};

constexpr Entry kDatasets[] = {
    {"counterfact", "CounterFact and MCF as published (requested_rewrite, neighborhood_prompts, ...)",
     "requested_rewrite", read_counterfact},
    {"counterfact-flat", "CounterFact in EasyEdit's flat form; neighbours are derived",
     "locality_ground_truth", read_counterfact_flat},
    {"zsre", "zsRE in MEND's form; targets as in ROME: the true answer", "loc_ans", read_zsre, false},
    {"zsre-alt", "zsRE in MEND's form; targets as in EasyEdit: the false `alt`", "loc_ans", read_zsre_alt},
    {"known", "ROME's known_1000.json; targets and neighbours are derived", "known_id", read_known},
    {"knowedit", "KnowEdit, all parts with prompts (not WikiBio)", "locality", read_knowedit},
    {"fastedit", "FastEdit's files (prompt with {}, subject, target, queries)", "queries", read_fastedit},
    {"emend", "emend's own records as JSON lines, or an edit file (.yaml)", "target", read_emend, true, true},
};

const Entry& find_entry(const std::string& name) {
  std::vector<std::string> known;
  for (const Entry& entry : kDatasets) {
    if (entry.name == name) return entry;
    known.emplace_back(entry.name);
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("there is no data set {}{}", quote(name), did_you_mean(name, known)));
}

DatasetHelp help_of(const Entry& entry) {
  return {entry.name, entry.help, entry.opposed_targets, entry.edit_files};
}

// Forms that are not read, by fields that only they have together.
struct UnreadForm {
  const char* name;
  std::vector<const char*> signs;
};

const std::vector<UnreadForm>& unread_forms() {
  static const std::vector<UnreadForm> forms = {{"WikiBigEdit", {"update", "ans"}},
                                                {"MQuAKE", {"requested_rewrite", "questions", "new_answer"}},
                                                {"RippleEdits", {"edit", "example_type"}}};
  return forms;
}

// "; this is a record of WikiBigEdit (update, ans), ..." when the first record has all signs of such a form.
std::string unread_form_hint(const JsonView& first) {
  for (const UnreadForm& form : unread_forms()) {
    const auto has = [&](const char* sign) { return first.has(sign); };
    if (!std::all_of(form.signs.begin(), form.signs.end(), has)) continue;
    return fmt::format(
        "; this looks like a file of {} ({}), which emend does not read: convert it to emend's own records "
        "(prompt, subject, target)",
        form.name, fmt::join(form.signs, ", "));
  }
  return "";
}

// "; this looks like the form of known" when the first record has the sign of another set but not that of
// this one.
std::string other_form_hint(const Entry& entry, const JsonRecords& records) {
  if (records.size() == 0) return "";
  if (std::string hint = unread_form_hint(records.at(0)); !hint.empty()) return hint;
  if (records.at(0).has(entry.sign)) return "";
  for (const Entry& other : kDatasets)
    if (records.at(0).has(other.sign)) return std::string("; this looks like the form of ") + other.name;
  return "";
}

void read_with_hint(const Entry& entry, const JsonRecords& records, Collector& out) {
  try {
    entry.read(records, out);
  } catch (const Error& error) {
    throw Error(error.kind(), error.what() + other_form_hint(entry, records));
  }
}

void refuse_edit_file(const Entry& entry, const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension != ".yaml" && extension != ".yml") return;
  const std::string why =
      entry.edit_files
          ? "an edit file is read by read_edit_file, then records_of"
          : fmt::format("an edit file is no file of the data set {}; it is read under the name emend",
                        entry.name);
  throw Error(ErrorKind::kConfig, path.string() + ": " + why);
}

}  // namespace

std::vector<DatasetHelp> list_datasets() {
  std::vector<DatasetHelp> all;
  for (const Entry& entry : kDatasets) all.push_back(help_of(entry));
  return all;
}

DatasetHelp find_dataset(const std::string& name) {
  return help_of(find_entry(name));
}

DatasetFile read_dataset(const std::string& dataset, const std::filesystem::path& path) {
  const Entry& entry = find_entry(dataset);
  refuse_edit_file(entry, path);
  Collector collector(dataset, path);
  try {
    read_with_hint(entry, JsonRecords(path), collector);
  } catch (const Error& error) {
    // To a caller a broken data set is bad input like a broken edit file.
    const bool io = error.kind() == ErrorKind::kIo;
    throw Error(io ? ErrorKind::kIo : ErrorKind::kConfig, error.what());
  }
  return collector.take();
}

DatasetFile records_of(const EditFile& file) {
  DatasetFile result;
  result.dataset = "emend";
  result.path = file.path;
  for (const EditRequest& request : file.edits) {
    EvalRecord record;
    record.request = request;
    record.where = fmt::format("{}: edit {}", file.path.filename().string(), result.records.size() + 1);
    result.records.push_back(std::move(record));
  }
  return result;
}

}  // namespace emend
