// Several folders of statistics as if one run had summed all their text.
#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "analysis/statistics_file.h"
#include "analysis/statistics_quality.h"
#include "analysis/sums_file.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/statistics.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kAnyVocabulary = std::int64_t{1} << 40;

// What one run brought to the merge, whether as layers or as parts.
struct Source {
  fs::path file;  // for messages
  StatisticsOrigin origin;
  Statistics text;  // held text and documents
};

[[noreturn]] void refuse_difference(const fs::path& a, const fs::path& b, const std::string& what,
                                    const std::string& in_a, const std::string& in_b) {
  throw Error(ErrorKind::kModel, a.string() + " and " + b.string() +
                                     " cannot be merged: they have a different " + what + " (" +
                                     quote(in_a, 80) + " and " + quote(in_b, 80) + ")");
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
                a.file.string() + " and " + b.file.string() + " cannot be merged: " +
                    std::to_string(shared.size()) + " of " + std::to_string(a.text.documents.size()) +
                    " and " + std::to_string(b.text.documents.size()) +
                    " documents are in both, and would count twice; collect one again without them");
}

// Everything the sources share, with held text that no other source summed.
Statistics combined_text(const std::vector<Source>& sources) {
  Statistics all;
  std::set<std::string> fingerprints, named;
  std::vector<std::string> descriptions;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Statistics& text = sources[i].text;
    if (named.insert(sources[i].origin.source).second) descriptions.push_back(sources[i].origin.source);
    fingerprints.insert(sources[i].origin.fingerprint);
    all.documents.insert(all.documents.end(), text.documents.begin(), text.documents.end());
    for (std::size_t row = 0; row < text.held_text.size(); ++row) {
      const std::uint64_t held = row < text.held_documents.size() ? text.held_documents[row] : 0;
      const auto sums_it = [&](const Source& other) {
        return &other != &sources[i] &&
               std::binary_search(other.text.documents.begin(), other.text.documents.end(), held);
      };
      if (std::any_of(sources.begin(), sources.end(), sums_it)) continue;
      all.held_text.push_back(text.held_text[row]);
      all.held_documents.push_back(held);
    }
  }
  std::sort(all.documents.begin(), all.documents.end());
  all.source = join(descriptions, " + ");
  all.settings = sources.front().origin.settings;
  Sha256 hash;
  for (const std::string& fingerprint : fingerprints) hash.update_field(fingerprint);
  all.fingerprint = fingerprints.size() == 1 ? *fingerprints.begin() : hash.hex();
  return all;
}

StatisticsOrigin origin_of(const Source& source, const Statistics& all) {
  return {source.origin.family, source.origin.prefix, all.source, all.settings, all.fingerprint};
}

MergeReport report_of(const Statistics& all) {
  MergeReport report;
  report.source = all.source;
  report.fingerprint = all.fingerprint;
  return report;
}

void add_layer(MergeReport& report, const fs::path& out, int layer, LayerStatistics value,
               const std::string& key_fingerprint, const StatisticsOrigin& origin) {
  report.outputs.push_back(write_layer_file(out, layer, value, key_fingerprint, origin));
  value.C = at::Tensor();
  report.layers[layer] = std::move(value);
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

// The layers and the documents of a folder are of one collection: of layers that were added later nobody
// would know which documents are in them.
void require_one_collection(const fs::path& folder, const std::map<int, fs::path>& files) {
  const std::string of_text = statistics_metadata(*open_safetensors(held_text_file(folder)), "fingerprint");
  for (const auto& [layer, path] : files)
    if (statistics_metadata(*open_safetensors(path), "fingerprint") != of_text)
      throw Error(ErrorKind::kConfig,
                  path.string() + " and " + held_text_file(folder).string() +
                      " were collected at different times: which documents are in the layer is not "
                      "known any more; collect the folder anew to merge it");
}

MergeReport merge_layers(const std::vector<fs::path>& folders, const fs::path& out, Progress& progress) {
  std::vector<std::map<int, fs::path>> files;
  std::vector<Source> sources;
  for (const fs::path& folder : folders) {
    files.push_back(layer_files(folder));
    const fs::path path = files.back().begin()->second;
    sources.push_back({folder, read_origin(*open_safetensors(path)), {}});
    read_held_text(folder, kAnyVocabulary, sources.back().text);
    for (const auto& [layer, other] : files.front())
      if (!files.back().contains(layer) || files.back().size() != files.front().size())
        throw Error(ErrorKind::kConfig, folders.front().string() + " and " + folder.string() +
                                            " cannot be merged: they hold different layers");
  }
  const auto fingerprint = [&](std::size_t i, int layer) {
    return statistics_metadata(*open_safetensors(files[i].at(layer)), "key_fingerprint");
  };
  for (std::size_t i = 0; i < folders.size(); ++i) {
    require_one_collection(folders[i], files[i]);
    for (std::size_t j = 0; j < i; ++j) {
      for (const auto& [layer, path] : files[i])
        require_same_model(files[j].at(layer), path, fingerprint(j, layer), fingerprint(i, layer));
      require_same_origin(sources[j], sources[i]);
      require_no_overlap(sources[j], sources[i]);
      if (sources[i].origin.fingerprint == sources[j].origin.fingerprint)
        throw Error(ErrorKind::kConfig, folders[j].string() + " and " + folders[i].string() +
                                            " hold the same statistics, which would count twice");
    }
  }
  const auto read_parts = [&](int layer) {
    std::vector<LayerStatistics> parts;
    for (std::size_t i = 0; i < folders.size(); ++i) {
      const std::optional<std::int64_t> size =
          parts.empty() ? std::nullopt : std::optional(parts.front().C.size(0));
      parts.push_back(read_layer_statistics(*open_safetensors(files[i].at(layer)), layer, size));
    }
    return parts;
  };
  for (const auto& [layer, path] : files.front())
    read_parts(layer);  // what cannot be read is found before anything is written
  const Statistics all = combined_text(sources);
  MergeReport report = report_of(all);
  progress.begin("merging", static_cast<std::int64_t>(files.front().size()), "layers");
  for (const auto& [layer, path] : files.front()) {
    const std::vector<LayerStatistics> parts = read_parts(layer);
    add_layer(report, out, layer, mean_of(parts), fingerprint(0, layer), origin_of(sources.front(), all));
    progress.update(static_cast<std::int64_t>(report.layers.size()), "");
  }
  progress.end();
  write_held_text(out, all);
  report.outputs.push_back(held_text_file(out));
  return report;
}

// --- parts: float64 sums

struct Part {
  fs::path path;
  SumsFile file;
  std::vector<int> layers;
};

// Every run among the parts has all its shards, each once.
void require_whole_runs(const std::vector<Part>& parts) {
  std::map<std::pair<std::string, std::vector<int>>, std::map<int, fs::path>> runs;
  for (const Part& part : parts) {
    auto& shards = runs[{part.file.run.origin.fingerprint, part.layers}];
    const auto [there, fresh] = shards.emplace(part.file.run.shard, part.path);
    if (!fresh)
      throw Error(ErrorKind::kConfig,
                  there->second.string() + " and " + part.path.string() + " are the same shard of one run");
  }
  for (const Part& part : parts) {
    const auto& shards = runs[{part.file.run.origin.fingerprint, part.layers}];
    for (int i = 0; i < part.file.run.shards; ++i)
      if (!shards.contains(i))
        throw Error(ErrorKind::kConfig, part.path.string() + ": shard " + std::to_string(i) + " of " +
                                            std::to_string(part.file.run.shards) +
                                            " of the same run is not among the folders");
  }
}

// Every run summed the same layers, in the same groups.
void require_same_layers(const std::vector<Part>& parts) {
  std::map<std::string, std::pair<fs::path, std::set<int>>> runs;
  for (const Part& part : parts) {
    auto& [path, layers] = runs[part.file.run.origin.fingerprint];
    path = part.path;
    layers.insert(part.layers.begin(), part.layers.end());
  }
  for (const auto& [fingerprint, run] : runs)
    if (run.second != runs.begin()->second.second)
      throw Error(ErrorKind::kConfig, runs.begin()->second.first.string() + " and " + run.first.string() +
                                          " cannot be merged: their runs hold different layers");
  for (const Part& a : parts)
    for (const Part& b : parts) {
      const bool share = std::find_first_of(a.layers.begin(), a.layers.end(), b.layers.begin(),
                                            b.layers.end()) != a.layers.end();
      if (share && a.layers != b.layers)
        throw Error(ErrorKind::kConfig,
                    a.path.string() + " and " + b.path.string() +
                        " cannot be merged: their layers were summed in other groups (--memory was another); "
                        "collect one again with the other's --memory");
    }
}

// The text of each run: its shards' documents together.
std::vector<Source> sources_of(const std::vector<Part>& parts) {
  std::map<std::string, Source> runs;
  for (const Part& part : parts) {
    const auto [run, fresh] = runs.try_emplace(part.file.run.origin.fingerprint,
                                               Source{part.path, part.file.run.origin, part.file.text});
    if (fresh) continue;
    std::vector<std::uint64_t>& documents = run->second.text.documents;
    documents.insert(documents.end(), part.file.text.documents.begin(), part.file.text.documents.end());
  }
  std::vector<Source> sources;
  for (auto& [fingerprint, source] : runs) {
    std::vector<std::uint64_t>& documents = source.text.documents;
    std::sort(documents.begin(), documents.end());
    documents.erase(std::unique(documents.begin(), documents.end()), documents.end());
    sources.push_back(std::move(source));
  }
  return sources;
}

void finish_sums(const KeySums& sums, const SumsFile& file, const fs::path& out,
                 const StatisticsOrigin& origin, MergeReport& report) {
  for (std::size_t i = 0; i < sums.layers().size(); ++i) {
    const int layer = sums.layers()[i];
    LayerStatistics value;
    value.tokens = sums.half(i, 0).count() + sums.half(i, 1).count();
    if (value.tokens == 0)
      throw Error(ErrorKind::kConfig, "layer " + std::to_string(layer) + ": the parts hold no keys");
    if (const auto probes = file.probes.find(layer); probes != file.probes.end())
      value.probes = probes->second;
    value.C = (sums.half(i, 0).value() + sums.half(i, 1).value()) / static_cast<double>(value.tokens);
    value.quality = quality_of(value.C);
    value.quality.error_estimate = estimate_error(sums, i, value.probes);
    add_layer(report, out, layer, std::move(value), file.key_fingerprints.at(layer), origin);
  }
}

MergeReport merge_parts(const std::vector<fs::path>& paths, const fs::path& out, Progress& progress) {
  std::vector<Part> parts;
  for (const fs::path& path : paths) {
    LoadedSums loaded = load_sums(path);
    parts.push_back({path, std::move(loaded.file), loaded.sums.layers()});
  }
  // Shard 0 first, so that the order of the folders does not matter.
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::tuple(a.layers, a.file.run.origin.fingerprint, a.file.run.shard) <
           std::tuple(b.layers, b.file.run.origin.fingerprint, b.file.run.shard);
  });
  for (const Part& a : parts)
    for (const Part& b : parts) {
      require_same_origin({a.path, a.file.run.origin, {}}, {b.path, b.file.run.origin, {}});
      for (const auto& [layer, fingerprint] : a.file.key_fingerprints)
        if (const auto other = b.file.key_fingerprints.find(layer); other != b.file.key_fingerprints.end())
          require_same_model(a.path, b.path, fingerprint, other->second);
    }
  require_same_layers(parts);
  require_whole_runs(parts);
  const std::vector<Source> sources = sources_of(parts);
  for (std::size_t i = 0; i < sources.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) require_no_overlap(sources[j], sources[i]);
  const Statistics all = combined_text(sources);
  MergeReport report = report_of(all);
  progress.begin("merging", static_cast<std::int64_t>(parts.size()), "files");
  for (std::size_t begin = 0, end = 0; begin < parts.size(); begin = end) {
    KeySums sums = load_sums(parts[begin].path).sums;
    for (end = begin + 1; end < parts.size() && parts[end].layers == parts[begin].layers; ++end) {
      sums.merge(load_sums(parts[end].path).sums);
      progress.update(static_cast<std::int64_t>(end), "");
    }
    finish_sums(sums, parts[begin].file, out, origin_of(sources.front(), all), report);
  }
  progress.end();
  write_held_text(out, all);
  report.outputs.push_back(held_text_file(out));
  return report;
}

}  // namespace

MergeReport merge_statistics(const std::vector<fs::path>& folders, const fs::path& out, Progress& progress) {
  std::vector<fs::path> parts;
  std::size_t with_parts = 0;
  std::set<fs::path> seen;
  for (const fs::path& folder : folders) {
    if (!fs::is_directory(folder)) throw Error(ErrorKind::kIo, folder.string() + ": there is no such folder");
    if (!seen.insert(fs::canonical(folder)).second)
      throw Error(ErrorKind::kConfig, folder.string() + " is given twice");
    const std::vector<fs::path> unfinished = find_sums(folder, SumsKind::kCheckpoint);
    if (!unfinished.empty())
      throw Error(ErrorKind::kConfig, unfinished.front().string() +
                                          ": this run is not finished; go on with emend stats --resume");
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
