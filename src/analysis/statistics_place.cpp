#include "analysis/statistics_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>
#include <tuple>

#include "analysis/causal_trace/trace_json.h"
#include "analysis/held_text.h"
#include "analysis/layer_choice.h"
#include "analysis/statistics_file.h"
#include "analysis/text_file.h"
#include "analysis/text_options.h"
#include "base/layer_number.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "emend/tensor_file.h"
#include "report/numbers.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct Search {
  const Model& model;
  const std::vector<std::int64_t>& prefix;
  const WantedStatistics& wanted;
  fs::path usual;  // default_statistics_folder
};

struct Candidate {
  fs::path folder;
  bool is_own = false;      // a default folder of the model, made when its file had another name
  std::size_t layers = 0;   // of the wanted ones
  std::int64_t tokens = 0;  // of the layer that has fewest
};

// The number of keys of the layer, if the folder holds statistics of it that serve.
std::optional<std::int64_t> tokens_that_serve(const Search& search, const fs::path& folder, int layer,
                                              const std::string& fingerprint) {
  const fs::path path = layer_file(folder, layer);
  std::error_code failed;
  if (!fs::exists(path, failed)) return std::nullopt;
  try {
    const std::unique_ptr<TensorFile> file = open_safetensors(path);
    if (metadata_of(*file, "prefix") != ids_text(search.prefix) ||
        metadata_of(*file, "key_fingerprint") != search.model.key_fingerprint(layer))
      return std::nullopt;
    const bool serves = fingerprint.empty()
                            ? file->find(layer_tensor(layer)) != nullptr &&
                                  metadata_or(*file, "settings", "").ends_with(pass_settings(search.model))
                            : metadata_of(*file, "fingerprint") == fingerprint;
    if (serves) return metadata_number(*file, "tokens");
  } catch (const Error&) {  // a broken file serves nobody
  }
  return std::nullopt;
}

Candidate look_at(const Search& search, const fs::path& folder) {
  Candidate found{folder};
  found.is_own = folder.parent_path() == search.usual.parent_path() &&
                 folder.filename().string().ends_with(default_folder_ending(search.model, search.prefix));
  std::error_code failed;
  if (!fs::exists(held_text_file(folder), failed)) return found;
  for (const auto& [layer, fingerprint] : search.wanted) {
    const auto tokens = tokens_that_serve(search, folder, layer, fingerprint);
    if (!tokens) continue;
    found.tokens = found.layers == 0 ? *tokens : std::min(found.tokens, *tokens);
    ++found.layers;
  }
  return found;
}

// Fewer keys than a key has elements make C singular: whoever wants that names the folder. What a patch was
// made with is taken whatever it is.
bool has_enough_tokens(const Search& search, const Candidate& candidate) {
  const bool is_of_a_patch =
      std::ranges::any_of(search.wanted, [](const auto& want) { return !want.second.empty(); });
  return is_of_a_patch || candidate.tokens >= search.model.config().d_ff;
}

// Folders in `parent` that hold wanted layers, and may be taken.
void add_candidates(const Search& search, const fs::path& parent, std::vector<Candidate>& found) {
  std::error_code failed;
  for (fs::directory_iterator entry(parent, failed), end; !failed && entry != end; entry.increment(failed)) {
    if (entry->path() == search.usual || !entry->is_directory(failed)) continue;
    Candidate candidate = look_at(search, entry->path());
    const bool is_whole = candidate.layers == search.wanted.size() && has_enough_tokens(search, candidate);
    if (is_whole || (candidate.is_own && candidate.layers > 0)) found.push_back(std::move(candidate));
  }
}

// Whether the folder holds files of all layers, of the fingerprints that are wanted. Whose they are is told
// when they are loaded.
bool holds_all(const Search& search, const fs::path& folder) {
  return std::ranges::all_of(search.wanted, [&](const auto& want) {
    std::error_code failed;
    return want.second.empty() ? fs::exists(layer_file(folder, want.first), failed)
                               : tokens_that_serve(search, folder, want.first, want.second).has_value();
  });
}

std::vector<int> layers_of(const WantedStatistics& wanted) {
  std::vector<int> layers;
  for (const auto& [layer, fingerprint] : wanted) layers.push_back(layer);
  return layers;
}

std::string note_on(const Search& search, const std::vector<Candidate>& found) {
  const Candidate& taken = found.front();
  const std::string layers = layer_names(layers_of(search.wanted));
  const auto whole = static_cast<std::size_t>(std::ranges::count_if(
      found, [&](const Candidate& other) { return other.layers == search.wanted.size(); }));
  std::string note;
  if (taken.layers < search.wanted.size())
    note = fmt::format("{} holds statistics of this model under another name, of {} of {}",
                       taken.folder.string(), taken.layers, layers);
  else if (whole == 1)
    note = fmt::format("The statistics of {} in {} are of this model ({} tokens) and are used", layers,
                       taken.folder.string(), count_text(taken.tokens));
  else
    note = fmt::format("{} folders hold statistics of {} of this model; {} is used, which has {} tokens",
                       whole, layers, taken.folder.string(), count_text(taken.tokens));
  return note + "; the option statistics names another folder.";
}

}  // namespace

WantedStatistics wanted_statistics(const std::vector<int>& layers) {
  WantedStatistics wanted;
  for (const int layer : layers) wanted[layer] = "";
  return wanted;
}

StatisticsPlace find_statistics(const Model& model, const std::vector<std::int64_t>& prefix,
                                const WantedStatistics& wanted) {
  const Search search{model, prefix, wanted, default_statistics_folder(model, prefix)};
  if (holds_all(search, search.usual)) return {search.usual, ""};
  std::vector<Candidate> found;
  add_candidates(search, search.usual.parent_path(), found);
  add_candidates(search, search.usual.parent_path().parent_path(), found);
  if (found.empty()) return {search.usual, ""};
  std::ranges::sort(found, [](const Candidate& a, const Candidate& b) {
    return std::tuple(b.layers, b.tokens, a.folder) < std::tuple(a.layers, a.tokens, b.folder);
  });
  // What the usual folder holds of the layers already is not collected elsewhere.
  if (found.front().layers < wanted.size() && look_at(search, search.usual).layers >= found.front().layers)
    return {search.usual, ""};
  return {found.front().folder, note_on(search, found)};
}

fs::path find_decided_statistics(const Model& model, const std::vector<std::int64_t>& prefix) {
  fs::path usual = default_statistics_folder(model, prefix);
  std::error_code failed;
  if (fs::exists(decision_file(usual), failed)) return usual;
  return find_statistics(model, prefix, wanted_statistics(layers_near_depth(model.config()))).folder;
}

}  // namespace emend
