#include "pipeline/shared_keys.h"

#include <fmt/format.h>

#include <cstddef>
#include <string_view>
#include <unordered_map>

#include "base/first_names.h"

namespace emend {
namespace {

constexpr std::size_t kMostNotes = 20, kMostIds = 5;

// What the key of the request is read behind.
std::string_view seen_by_key(const EditRequest& request) {
  return std::string_view(request.prompt).substr(0, request.subject_begin + request.subject.size());
}

// The requests of one key: the first one, and those that want something else of it.
struct OneKey {
  const EditRequest* first = nullptr;
  std::vector<std::string> rivals;  // ids
};

}  // namespace

std::vector<std::string> shared_key_notes(const std::vector<EditRequest>& requests) {
  std::vector<OneKey> keys;
  std::unordered_map<std::string_view, std::size_t> key_of;
  for (const EditRequest& request : requests) {
    const auto [known, fresh] = key_of.emplace(seen_by_key(request), keys.size());
    if (fresh) keys.push_back({&request, {}});
    OneKey& key = keys[known->second];
    if (request.target != key.first->target) key.rivals.push_back(request.id);
  }
  std::vector<std::string> notes;
  std::size_t more = 0;
  for (const OneKey& key : keys) {
    if (key.rivals.empty()) continue;
    if (notes.size() == kMostNotes) {
      ++more;
      continue;
    }
    notes.push_back(fmt::format(
        "edit {}: {} {} its key and another target (prompts that are the same up to the end of the subject): "
        "one residual is searched for them all, which fails where two of the prompts ask alike",
        key.first->id, first_names(key.rivals, kMostIds), key.rivals.size() == 1 ? "has" : "have"));
  }
  if (more > 0)
    notes.push_back(
        fmt::format("{} more keys are shared by facts with different targets, and are not named", more));
  return notes;
}

std::vector<std::string> shared_key_notes(const Editor& editor, const std::vector<EditRequest>& requests) {
  return editor.keeps_values() ? shared_key_notes(requests) : std::vector<std::string>();
}

}  // namespace emend
