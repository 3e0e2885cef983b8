#include "datasets/json_fields.h"

#include "datasets/subject_place.h"

namespace emend {

std::string id_or_number(const JsonView& record, std::string_view key, std::size_t number) {
  const auto id = record.find(key);
  if (!id) return std::to_string(number);
  return id->is_string() ? id->as_string() : std::to_string(id->as_integer());
}

void read_prompt_and_subject(EditRequest& request, const JsonView& record, std::string_view prompt_key) {
  const std::string& prompt = record.string(prompt_key);
  find_subject(request, prompt, record.string("subject"));
}

std::vector<std::string> texts_or_none(const JsonView& record, std::string_view key) {
  const auto list = record.find(key);
  return list ? list->as_strings() : std::vector<std::string>();
}

std::string first_leaf(const JsonView& value) {
  if (value.is_array()) return value.json().empty() ? std::string() : first_leaf(value.elements().front());
  if (value.json().is_number_integer()) return std::to_string(value.as_integer());
  return value.as_string();
}

}  // namespace emend
