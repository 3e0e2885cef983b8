// Items of MMLU, ARC, HellaSwag, BoolQ and PIQA, worded as the tasks of lm-evaluation-harness 0.4 word them:
// mmlu, arc_easy and arc_challenge, hellaswag, boolq, piqa.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "emend/abilities.h"
#include "emend/error.h"
#include "text/jinja/characters.h"
#include "text/jinja/value.h"

namespace emend {
namespace {

namespace python = text::jinja;  // its str methods

std::string strip(std::string_view text) {
  return std::string(python::strip(text, python::Side::kBoth));
}

// Python's str.replace().
std::string replaced(std::string_view text, std::string_view part, std::string_view by) {
  std::string result;
  for (std::size_t at = 0;;) {
    const std::size_t found = text.find(part, at);
    result += text.substr(at, found - at);
    if (found == std::string_view::npos) return result;
    result += by;
    at = found + part.size();
  }
}

// What stands in brackets on one line goes away: re.sub("\\[.*?\\]", "", text).
std::string without_brackets(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '[' ? text.find_first_of("]\n", at) : std::string_view::npos;
    if (end != std::string_view::npos && text[end] == ']')
      at = end + 1;
    else
      result += text[at++];
  }
  return result;
}

// The harness' preprocess() of HellaSwag, whose texts of WikiHow carry marks in brackets.
std::string without_marks(std::string_view text) {
  return replaced(without_brackets(replaced(strip(text), " [title]", ". ")), "  ", " ");
}

[[noreturn]] void refuse_without_answer(const JsonView& value) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: the item has no right answer: \"{}\" is {}",
                                              value.source(), value.path(), value.json().dump()));
}

// A number from 0 below `choices`, also as a text of digits.
std::size_t index_of(const JsonView& value, std::size_t choices) {
  std::int64_t index = -1;
  if (value.is_string()) {
    const std::string& digits = value.as_string();
    if (!digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos)
      index = std::stoll(digits);
  } else {
    index = value.as_integer();
  }
  if (index < 0 || index >= static_cast<std::int64_t>(choices)) refuse_without_answer(value);
  return static_cast<std::size_t>(index);
}

ChoiceItem read_mmlu(const JsonView& record) {
  constexpr std::size_t kLetters = 4;
  const std::vector<std::string> texts = record.at("choices").as_strings();
  if (texts.size() != kLetters) record.at("choices").refuse("a list of four texts");
  ChoiceItem item;
  item.context = fmt::format(
      "The following are multiple choice questions (with answers) about {}.\n\n{}\nA. {}\nB. {}\nC. {}\nD. "
      "{}\nAnswer:",
      replaced(record.string("subject"), "_", " "), strip(record.string("question")), texts[0], texts[1],
      texts[2], texts[3]);
  item.choices = {"A", "B", "C", "D"};
  const JsonView answer = record.at("answer");
  const auto letter = answer.is_string()
                          ? std::find(item.choices.begin(), item.choices.end(), answer.as_string())
                          : item.choices.end();
  item.right = letter != item.choices.end() ? static_cast<std::size_t>(letter - item.choices.begin())
                                            : index_of(answer, kLetters);
  return item;
}

ChoiceItem read_arc(const JsonView& record) {
  ChoiceItem item;
  item.context = fmt::format("Question: {}\nAnswer:", record.string("question"));
  item.choices = record.at("choices").at("text").as_strings();
  const std::vector<std::string> labels = record.at("choices").at("label").as_strings();
  if (labels.size() != item.choices.size()) record.at("choices").refuse("as many labels as texts");
  if (std::set<std::string>(labels.begin(), labels.end()).size() != labels.size())
    record.at("choices").at("label").refuse("labels that are all different");
  const auto found = std::find(labels.begin(), labels.end(), record.string("answerKey"));
  if (found == labels.end()) refuse_without_answer(record.at("answerKey"));
  item.right = static_cast<std::size_t>(found - labels.begin());
  return item;
}

// One capital, all else small. A few characters, such as U+0130, have no single small one.
std::string capitalised(const JsonView& text) {
  try {
    return python::capitalize(text.as_string());
  } catch (const python::Fault& fault) {
    text.refuse(fmt::format("a text that can be written with one capital ({})", fault.message));
  }
}

ChoiceItem read_hellaswag(const JsonView& record) {
  ChoiceItem item;
  item.context = without_marks(record.string("activity_label") + ": " + record.string("ctx_a") + " " +
                               capitalised(record.at("ctx_b")));
  for (const std::string& ending : record.at("endings").as_strings())
    item.choices.push_back(without_marks(ending));
  item.right = index_of(record.at("label"), item.choices.size());
  return item;
}

// The answer is a label 0 or 1, or, as first published, true or false.
ChoiceItem read_boolq(const JsonView& record) {
  ChoiceItem item;
  item.context =
      fmt::format("{}\nQuestion: {}?\nAnswer:", record.string("passage"), record.string("question"));
  item.choices = {"no", "yes"};
  const auto label = record.find("label");
  item.right = label ? index_of(*label, 2) : record.at("answer").as_bool() ? 1 : 0;
  return item;
}

ChoiceItem read_piqa(const JsonView& record) {
  ChoiceItem item;
  item.context = fmt::format("Question: {}\nAnswer:", record.string("goal"));
  item.choices = {record.string("sol1"), record.string("sol2")};
  item.right = index_of(record.at("label"), 2);
  return item;
}

// "a" or "b".
std::string quoted(std::vector<std::string> names) {
  for (std::string& name : names) name = quote(name);
  return join(names, " or ");
}

// A published form of items. Of a key with two names ("label|answer") an item has either.
struct Form {
  std::string name;
  std::vector<std::string> keys;
  bool normalised;
  ChoiceItem (*read)(const JsonView&);

  std::vector<std::string> missing_in(const JsonView& record) const {
    std::vector<std::string> missing;
    for (const std::string& key : keys) {
      std::vector<std::string> names = split_at(key, '|');
      if (std::none_of(names.begin(), names.end(), [&](const std::string& one) { return record.has(one); }))
        missing.push_back(quoted(std::move(names)));
    }
    return missing;
  }
};

const std::vector<Form>& forms() {
  static const std::vector<Form> all = {
      {"MMLU", {"question", "subject", "choices", "answer"}, false, read_mmlu},
      {"ARC", {"question", "choices", "answerKey"}, true, read_arc},
      {"HellaSwag", {"activity_label", "ctx_a", "ctx_b", "endings", "label"}, true, read_hellaswag},
      {"BoolQ", {"passage", "question", "label|answer"}, false, read_boolq},
      {"PIQA", {"goal", "sol1", "sol2", "label"}, true, read_piqa},
  };
  return all;
}

std::string form_names() {
  std::vector<std::string> names;
  for (const Form& form : forms()) names.push_back(form.name);
  return join(names);
}

// The form of which the item lacks no key; if there is none, what the nearest one lacks is told.
const Form& form_of(const JsonView& record) {
  const Form* nearest = nullptr;
  double most = 0;
  for (const Form& form : forms()) {
    const std::size_t missing = form.missing_in(record).size();
    if (missing == 0) return form;
    const double share = 1 - static_cast<double>(missing) / static_cast<double>(form.keys.size());
    if (share > most) {
      most = share;
      nearest = &form;
    }
  }
  if (nearest == nullptr)
    throw Error(ErrorKind::kFormat, fmt::format("{}: the item is of none of the forms {}; it has the keys {}",
                                                record.source(), form_names(), join(record.keys())));
  throw Error(
      ErrorKind::kFormat,
      fmt::format("{}: the item is of none of the forms {}; the nearest is {}, of which {} is missing",
                  record.source(), form_names(), nearest->name, join(nearest->missing_in(record))));
}

ChoiceItem read_item(const Form& form, const JsonView& record) {
  const std::vector<std::string> missing = form.missing_in(record);
  if (!missing.empty())
    throw Error(ErrorKind::kFormat, fmt::format("{}: {} is missing; the file began with items of {}",
                                                record.source(), join(missing), form.name));
  ChoiceItem item = form.read(record);
  item.where = record.source();
  if (item.choices.size() < 2)
    throw Error(ErrorKind::kFormat, fmt::format("{}: the item has {} choice, and needs two or more",
                                                record.source(), item.choices.size()));
  for (std::size_t c = 0; c < item.choices.size(); ++c)
    if (item.choices[c].empty())
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: choice {} (from 0) is an empty text", record.source(), c));
  return item;
}

}  // namespace

std::vector<AbilityTask> read_ability_tasks(const std::vector<std::filesystem::path>& files) {
  std::vector<AbilityTask> tasks;
  for (const std::filesystem::path& file : files) {
    for (const AbilityTask& before : tasks)
      if (before.name == file.stem())
        throw Error(ErrorKind::kConfig,
                    fmt::format("{} and {}: both tasks would be called {}, as their files are; give one file "
                                "another name",
                                before.file.string(), file.string(), quote(before.name)));
    const JsonRecords records(file);
    if (records.size() == 0) throw Error(ErrorKind::kFormat, file.string() + ": the file holds no items");
    const Form& form = form_of(records.at_place(0));
    AbilityTask& task =
        tasks.emplace_back(AbilityTask{file.stem().string(), file, form.name, form.normalised, {}});
    for (std::size_t r = 0; r < records.size(); ++r)
      task.items.push_back(read_item(form, records.at_place(r)));
  }
  return tasks;
}

}  // namespace emend
