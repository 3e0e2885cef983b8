// Record form: hiyouga/FastEdit, data/example.json. A file says neither the present answer nor neighbours.
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "datasets/subject_place.h"

namespace emend {

void read_fastedit(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    EvalRecord record;
    record.request.id = std::to_string(i);
    record.request.target = json.string("target");
    record.generations = texts_or_none(json, "queries");
    const std::string& pattern = json.string("prompt");
    if (fill_subject(record.request, pattern, json.string("subject")))
      out.add(i, std::move(record));
    else
      out.skip(i, "more than one {} in its prompt", "{} is more than once in the prompt " + quote(pattern));
  }
  out.note("Queries are prompts to write from (generations): the file does not say what should follow them.");
}

}  // namespace emend
