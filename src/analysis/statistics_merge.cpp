// Several folders of statistics as if one run had summed all their text.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "analysis/statistics_file.h"
#include "analysis/statistics_quality.h"
#include "analysis/sums_file.h"
#include "analysis/text_checkpoint.h"
#include "base/fingerprint.h"
#include "base/folder_kind.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/statistics.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kAnyVocabulary = std::int64_t{1} << 40;

// What one run brings to the merge, whether as layers or as parts.
struct Source {
  fs::path file;  // for messages
  TextOrigin origin;
  VisitedText text;
};

// What all sources share, and their text together.
struct Whole {
  TextOrigin origin;
  VisitedText text;
};

[[noreturn]] void refuse_difference(const fs::path& a, const fs::path& b, const std::string& what,
                                    const std::string& in_a, const std::string& in_b) {
  throw Error(ErrorKind::kModel,
              fmt::format("{} and {} cannot be merged: they have a different {} ({} and {})", a.string(),
                          b.string(), what, quote(in_a, 80), quote(in_b, 80)));
}

void require_same_origin(const Source& a, const Source& b) {
  if (a.origin.family != b.origin.family)
    refuse_difference(a.file, b.file, "model family", a.origin.family, b.origin.family);
  if (a.origin.prefix != b.origin.prefix)
    refuse_difference(a.file, b.file, "BOS", a.origin.prefix, b.origin.prefix);
  if (a.origin.settings != b.origin.settings)
    refuse_difference(a.file, b.file, "way of collecting", a.origin.settings, b.origin.settings);
}

void require_same_model(const fs::path& a, const fs::path& b, const std::string& in_a,
                        const std::string& in_b) {
  if (in_a != in_b) refuse_difference(a, b, "model or tokenizer", in_a, in_b);
}

void require_no_overlap(const Source& a, const Source& b) {
  std::vector<std::uint64_t> shared;
  std::set_intersection(a.text.documents.begin(), a.text.documents.end(), b.text.documents.begin(),
                        b.text.documents.end(), std::back_inserter(shared));
  if (!shared.empty())
    throw Error(ErrorKind::kConfig,
                fmt::format("{} and {} cannot be merged: {} of {} and {} documents are in both, and "
                            "would count twice; collect one again without them",
                            a.file.string(), b.file.string(), shared.size(), a.text.documents.size(),
                            b.text.documents.size()));
}

// Family, prefix and settings are those of the first source: all have the same.
Whole whole_of(const std::vector<Source>& sources) {
  Whole all{sources.front().origin, {}};
  std::set<std::string> fingerprints, named;
  std::vector<std::string> descriptions;
  std::vector<const VisitedText*> texts;
  for (const Source& source : sources) {
    if (named.insert(source.origin.source).second) descriptions.push_back(source.origin.source);
    fingerprints.insert(source.origin.fingerprint);
    texts.push_back(&source.text);
  }
  all.text = text_of_all(texts);
  all.origin.source = join(descriptions, " + ");
  Sha256 hash;
  for (const std::string& fingerprint : fingerprints) hash.update_field(fingerprint);
  all.origin.fingerprint = fingerprints.size() == 1 ? *fingerprints.begin() : hash.hex();
  return all;
}

void write_layer(const fs::path& out, int layer, LayerStatistics value, const std::string& key_fingerprint,
                 const TextOrigin& origin, MergeReport& report) {
  report.outputs.push_back(write_layer_file(out, layer, value, key_fingerprint, origin));
  value.C = at::Tensor();
  report.layers[layer] = std::move(value);
}

// After the layers: the text, and what the report says of the whole.
void finish(const fs::path& out, const Whole& all, MergeReport& report) {
  std::vector<int> layers;
  for (const auto& [layer, value] : report.layers) layers.push_back(layer);
  write_held_text(out, {{all.origin.fingerprint, all.text}}, layers);
  report.outputs.push_back(held_text_file(out));
  report.source = all.origin.source;
  report.fingerprint = all.origin.fingerprint;
}

// --- finished layers

// The mean of several second moments, weighted by their keys; its error from the first against all others.
LayerStatistics mean_of(const std::vector<LayerStatistics>& parts) {
  const LayerStatistics& first = parts.front();
  at::Tensor rest;
  std::int64_t rest_tokens = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const at::Tensor sum = parts[i].C * static_cast<double>(parts[i].tokens);
    rest = rest.defined() ? rest + sum : sum;
    rest_tokens += parts[i].tokens;
  }
  LayerStatistics mean;
  mean.tokens = first.tokens + rest_tokens;
  mean.probes = first.probes;
  mean.C = first.C;
  std::optional<double> estimate = first.quality.error_estimate;
  if (rest.defined()) {
    mean.C = (first.C * static_cast<double>(first.tokens) + rest) / static_cast<double>(mean.tokens);
    estimate = estimate_error({first.C, rest / static_cast<double>(rest_tokens), first.tokens, rest_tokens},
                              mean.probes);
  }
  mean.quality = quality_of(mean.C);
  mean.quality.error_estimate = estimate;
  return mean;
}

[[noreturn]] void refuse_steps(const fs::path& a, const fs::path& b, const std::string& why) {
  throw Error(ErrorKind::kConfig, fmt::format("{} and {} were collected at different times: {}; collect the "
                                              "folder anew to merge it",
                                              a.string(), b.string(), why));
}

// The text of a folder whose layers are of one collection. Of layers that an earlier version added later it
// is not known which documents are in them.
VisitedText text_of_one_collection(const fs::path& folder, const std::map<int, fs::path>& files) {
  const fs::path& first = files.begin()->second;
  const std::string fingerprint = metadata_of(*open_safetensors(first), "fingerprint");
  for (const auto& [layer, path] : files)
    if (metadata_of(*open_safetensors(path), "fingerprint") != fingerprint)
      refuse_steps(first, path, "a merge takes folders of one collection each");
  for (Collection& known : read_held_text(folder, kAnyVocabulary))
    if (known.fingerprint == fingerprint) return std::move(known.text);
  refuse_steps(first, held_text_file(folder), "which documents are in the layer is not known any more");
}

// A folder with finished layers.
struct LayerFolder {
  fs::path path;
  std::map<int, fs::path> files;

  std::string key_fingerprint(int layer) const {
    return metadata_of(*open_safetensors(files.at(layer)), "key_fingerprint");
  }
};

void require_same_keys(const LayerFolder& a, const LayerFolder& b) {
  const auto same_layer = [](const auto& x, const auto& y) { return x.first == y.first; };
  if (!std::equal(a.files.begin(), a.files.end(), b.files.begin(), b.files.end(), same_layer))
    throw Error(ErrorKind::kConfig, fmt::format("{} and {} cannot be merged: they hold different layers",
                                                a.path.string(), b.path.string()));
  for (const auto& [layer, path] : b.files)
    require_same_model(a.files.at(layer), path, a.key_fingerprint(layer), b.key_fingerprint(layer));
}

void require_other_text(const Source& a, const Source& b) {
  require_no_overlap(a, b);
  if (a.origin.fingerprint == b.origin.fingerprint)
    throw Error(ErrorKind::kConfig, fmt::format("{} and {} hold the same statistics, which would count twice",
                                                a.file.string(), b.file.string()));
}

std::vector<LayerStatistics> read_layer(const std::vector<LayerFolder>& folders, int layer) {
  std::vector<LayerStatistics> parts;
  for (const LayerFolder& folder : folders) {
    const std::optional<std::int64_t> size =
        parts.empty() ? std::nullopt : std::optional(parts.front().C.size(0));
    parts.push_back(read_layer_statistics(*open_safetensors(folder.files.at(layer)), layer, size));
    if (parts.back().is_diagonal() != parts.front().is_diagonal())
      throw Error(ErrorKind::kConfig,
                  fmt::format("{} and {} cannot be merged: of one only the diagonal of C is "
                              "known",
                              folders.front().path.string(), folder.path.string()));
  }
  return parts;
}

MergeReport merge_layers(const std::vector<fs::path>& paths, const fs::path& out, Progress& progress) {
  std::vector<LayerFolder> folders;
  std::vector<Source> sources;
  for (const fs::path& path : paths) {
    folders.push_back({path, layer_files(path)});
    sources.push_back({path, read_origin(*open_safetensors(folders.back().files.begin()->second)),
                       text_of_one_collection(path, folders.back().files)});
  }
  for (std::size_t i = 0; i < folders.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      require_same_keys(folders[j], folders[i]);
      require_same_origin(sources[j], sources[i]);
      require_other_text(sources[j], sources[i]);
    }
  }
  const std::map<int, fs::path>& layers = folders.front().files;
  for (const auto& [layer, path] : layers)
    read_layer(folders, layer);  // what cannot be read is found before anything is written
  const Whole all = whole_of(sources);
  MergeReport report;
  progress.begin("merging", static_cast<std::int64_t>(layers.size()), "layers");
  for (const auto& [layer, path] : layers) {
    write_layer(out, layer, mean_of(read_layer(folders, layer)), folders.front().key_fingerprint(layer),
                all.origin, report);
    progress.update(static_cast<std::int64_t>(report.layers.size()), "");
  }
  progress.end();
  finish(out, all, report);
  return report;
}

// --- parts: float64 sums

struct Part {
  fs::path path;
  TextCheckpoint file;
  std::vector<int> layers;

  const std::string& fingerprint() const { return file.run.origin.fingerprint; }
};

// Every run among the parts has all its shards, each once.
void require_whole_runs(const std::vector<Part>& parts) {
  std::map<std::pair<std::string, std::vector<int>>, std::map<int, fs::path>> runs;
  for (const Part& part : parts) {
    auto& shards = runs[{part.fingerprint(), part.layers}];
    const auto [there, fresh] = shards.emplace(part.file.run.shard, part.path);
    if (!fresh)
      throw Error(ErrorKind::kConfig, fmt::format("{} and {} are the same shard of one run",
                                                  there->second.string(), part.path.string()));
  }
  for (const Part& part : parts) {
    const auto& shards = runs[{part.fingerprint(), part.layers}];
    for (int i = 0; i < part.file.run.shards; ++i)
      if (!shards.contains(i))
        throw Error(ErrorKind::kConfig,
                    fmt::format("{}: shard {} of {} of the same run is not among the folders",
                                part.path.string(), i, part.file.run.shards));
  }
}

// Every run summed the same layers, in the same groups.
void require_same_layers(const std::vector<Part>& parts) {
  std::map<std::string, std::pair<fs::path, std::set<int>>> runs;
  for (const Part& part : parts) {
    auto& [path, layers] = runs[part.fingerprint()];
    path = part.path;
    layers.insert(part.layers.begin(), part.layers.end());
  }
  for (const auto& [fingerprint, run] : runs)
    if (run.second != runs.begin()->second.second)
      throw Error(ErrorKind::kConfig,
                  fmt::format("{} and {} cannot be merged: their runs hold different layers",
                              runs.begin()->second.first.string(), run.first.string()));
  for (const Part& a : parts)
    for (const Part& b : parts) {
      const bool share = std::find_first_of(a.layers.begin(), a.layers.end(), b.layers.begin(),
                                            b.layers.end()) != a.layers.end();
      if (share && a.layers != b.layers)
        throw Error(
            ErrorKind::kConfig,
            fmt::format("{} and {} cannot be merged: their layers were summed in different groups, since the "
                        "option memory was different; collect one again with the memory of the other",
                        a.path.string(), b.path.string()));
    }
}

// The text of each run: its shards' documents together.
std::vector<Source> sources_of(const std::vector<Part>& parts) {
  std::map<std::string, Source> runs;
  for (const Part& part : parts) {
    const auto [run, fresh] =
        runs.try_emplace(part.fingerprint(), Source{part.path, part.file.run.origin, part.file.text});
    if (fresh) continue;
    std::vector<std::uint64_t>& documents = run->second.text.documents;
    documents.insert(documents.end(), part.file.text.documents.begin(), part.file.text.documents.end());
  }
  std::vector<Source> sources;
  for (auto& [fingerprint, source] : runs) {
    sort_documents(source.text.documents);
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<Part> read_parts(const std::vector<fs::path>& paths) {
  std::vector<Part> parts;
  for (const fs::path& path : paths) {
    const auto file = open_safetensors(path);
    parts.push_back({path, read_checkpoint(*file), read_sums(*file).sums.layers()});
  }
  // Shard 0 first, so that the order of the folders does not matter.
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::tuple(a.layers, a.fingerprint(), a.file.run.shard) <
           std::tuple(b.layers, b.fingerprint(), b.file.run.shard);
  });
  return parts;
}

void require_mergeable(const std::vector<Part>& parts) {
  for (const Part& a : parts)
    for (const Part& b : parts) {
      require_same_origin({a.path, a.file.run.origin, {}}, {b.path, b.file.run.origin, {}});
      for (const auto& [layer, fingerprint] : a.file.key_fingerprints)
        if (const auto other = b.file.key_fingerprints.find(layer); other != b.file.key_fingerprints.end())
          require_same_model(a.path, b.path, fingerprint, other->second);
    }
  require_same_layers(parts);
  require_whole_runs(parts);
}

// The layers of the sums of parts[begin, end), which are of the same layers.
void write_merged(const SumsState& state, const Part& first, const fs::path& out, const TextOrigin& origin,
                  MergeReport& report) {
  for (std::size_t i = 0; i < state.sums.layers().size(); ++i) {
    const int layer = state.sums.layers()[i];
    if (state.sums.half(i, 0).count() + state.sums.half(i, 1).count() == 0)
      throw Error(ErrorKind::kConfig, fmt::format("layer {}: the parts hold no keys", layer));
    const auto probes = state.probes.find(layer);
    write_layer(out, layer,
                finish_layer(state.sums, i, probes == state.probes.end() ? at::Tensor() : probes->second),
                first.file.key_fingerprints.at(layer), origin, report);
  }
}

MergeReport merge_parts(const std::vector<fs::path>& paths, const fs::path& out, Progress& progress) {
  const std::vector<Part> parts = read_parts(paths);
  require_mergeable(parts);
  const std::vector<Source> sources = sources_of(parts);
  for (std::size_t i = 0; i < sources.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) require_no_overlap(sources[j], sources[i]);
  const Whole all = whole_of(sources);
  MergeReport report;
  progress.begin("merging", static_cast<std::int64_t>(parts.size()), "files");
  for (std::size_t begin = 0, end = 0; begin < parts.size(); begin = end) {
    SumsState state = read_sums(*open_safetensors(parts[begin].path));
    for (end = begin + 1; end < parts.size() && parts[end].layers == parts[begin].layers; ++end) {
      state.sums.merge(read_sums(*open_safetensors(parts[end].path)).sums);
      progress.update(static_cast<std::int64_t>(end), "");
    }
    write_merged(state, parts[begin], out, all.origin, report);
  }
  progress.end();
  finish(out, all, report);
  return report;
}

}  // namespace

MergeReport merge_statistics(const std::vector<fs::path>& folders, const fs::path& out, Progress& progress) {
  std::vector<fs::path> parts;
  std::size_t with_parts = 0;
  std::set<fs::path> seen;
  for (const fs::path& folder : folders) {
    require_folder(folder, kStatisticsFolder);
    if (!seen.insert(fs::canonical(folder)).second)
      throw Error(ErrorKind::kConfig, folder.string() + " is given twice");
    const std::vector<fs::path> unfinished = find_sums(folder, SumsKind::kCheckpoint);
    if (!unfinished.empty())
      throw Error(ErrorKind::kConfig, unfinished.front().string() +
                                          ": this run is not finished; finish it with the option resume");
    const std::vector<fs::path> found = find_sums(folder, SumsKind::kPart);
    with_parts += found.empty() ? 0 : 1;
    parts.insert(parts.end(), found.begin(), found.end());
  }
  if (with_parts != 0 && with_parts != folders.size())
    throw Error(
        ErrorKind::kConfig,
        "folders with finished layers cannot be merged with folders of partial sums (sums_*.safetensors)");
  return with_parts != 0 ? merge_parts(parts, out, progress) : merge_layers(folders, out, progress);
}

}  // namespace emend
