// A YAML edit file. Of one that is taken, the properties that the rest of the program relies on.
#include "emend/records.h"
#include "read_input.h"

namespace emend::fuzz {

void read_input(std::string_view input) {
  const EditFile file = parse_edit_file(std::string(input), "edits.yaml", "/folder");
  abort_unless(!file.edits.empty(), "there is an edit");
  for (const EditRequest& request : file.edits) {
    abort_unless(!request.id.empty() && !request.target.empty() && !request.subject.empty(),
                 "an edit has id, subject and target");
    abort_unless(request.prompt.compare(request.subject_begin, request.subject.size(), request.subject) == 0,
                 "the subject stands in the prompt where it says");
  }
}

}  // namespace emend::fuzz
