#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
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
  std::array<const char*, 3> signs;  // fields that only this form has together, to tell which form a file is
  void (*read)(const JsonRecords& records, Collector& out);
  bool opposed_targets = true, edit_files = false;  // as in DatasetHelp

  // How many there are, if the record has all of them; else 0.
  std::size_t signs_of(const JsonView& record) const {
    std::size_t count = 0;
    for (const char* sign : signs) {
      if (sign != nullptr && !record.has(sign)) return 0;
      count += sign != nullptr ? 1 : 0;
    }
    return count;
  }
};

constexpr Entry kDatasets[] = {
    {"counterfact",
     "CounterFact and MCF as published (requested_rewrite, neighborhood_prompts, ...)",
     {"requested_rewrite"},
     read_counterfact},
    {"counterfact-flat",
     "CounterFact in EasyEdit's flat form; neighbours are derived",
     {"locality_ground_truth"},
     read_counterfact_flat},
    {"zsre",
     "zsRE in MEND's form; targets as in ROME: the true answer",
     {"src", "loc_ans"},
     read_zsre,
     false},
    {"zsre-alt",
     "zsRE in MEND's form; targets as in EasyEdit: the false `alt`",
     {"src", "loc_ans"},
     read_zsre_alt},
    {"known", "ROME's known_1000.json; targets and neighbours are derived", {"known_id"}, read_known},
    {"knowedit", "KnowEdit, all parts with prompts (not WikiBio)", {"target_new", "locality"}, read_knowedit},
    {"fastedit", "FastEdit's files (prompt with {}, subject, target, queries)", {"queries"}, read_fastedit},
    {"wikibigedit",
     "WikiBigEdit, the file of one step (update, ans, rephrase, personas, loc, mhop)",
     {"update", "ans"},
     read_wikibigedit,
     false},
    {"mquake",
     "MQuAKE and MQuAKE-Remastered (requested_rewrite as a list, questions, new_answer)",
     {"requested_rewrite", "questions", "new_answer"},
     read_mquake},
    {"rippleedits", "RippleEdits (edit and six lists of tests)", {"edit", "example_type"}, read_rippleedits},
    {"uniedit",
     "UniEdit, the file of one domain (edit, generality, locality)",
     {"edit", "generality", "locality"},
     read_uniedit,
     false},
    {"emend",
     "emend's own records as JSON lines, or an edit file (.yaml)",
     {"target"},
     read_emend,
     true,
     true},
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

// "; this looks like the form of known" when the first record has more signs of another set than of this one.
std::string other_form_hint(const Entry& entry, const JsonRecords& records) {
  if (records.size() == 0) return "";
  const JsonView first = records.at(0);
  const auto by_signs = [&](const Entry& a, const Entry& b) { return a.signs_of(first) < b.signs_of(first); };
  const Entry& best = *std::max_element(std::begin(kDatasets), std::end(kDatasets), by_signs);
  if (best.signs_of(first) <= entry.signs_of(first)) return "";
  return std::string("; this looks like the form of ") + best.name;
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
