#include "analysis/held_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "analysis/statistics_file.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "1";
constexpr std::int64_t kAnyVocabulary = std::int64_t{1} << 40;

void require_known_ids(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t vocab,
                       const fs::path& file) {
  for (const auto& row : rows)
    for (const std::int64_t id : row)
      if (id < 0 || id >= vocab)
        throw Error(ErrorKind::kFormat,
                    fmt::format("{}: token id {} is outside the vocabulary", file.string(), id));
}

// The texts of several collections one after another, and back: each has so many rows and documents.
std::vector<Collection> split_text(const VisitedText& text, const std::vector<std::string>& fingerprints,
                                   const std::vector<std::int64_t>& sizes, const fs::path& file) {
  const auto refuse = [&] {
    throw Error(ErrorKind::kFormat, fmt::format("{}: the tensor collections does not add up to the held text "
                                                "and documents of {} fingerprints",
                                                file.string(), fingerprints.size()));
  };
  if (sizes.size() != 2 * fingerprints.size()) refuse();
  std::vector<Collection> all;
  auto row = text.held_text.begin();
  auto held = text.held_documents.begin();
  auto document = text.documents.begin();
  for (std::size_t i = 0; i < fingerprints.size(); ++i) {
    const std::int64_t rows = sizes[2 * i], documents = sizes[2 * i + 1];
    if (rows < 0 || rows > text.held_text.end() - row || rows > text.held_documents.end() - held ||
        documents < 0 || documents > text.documents.end() - document)
      refuse();
    all.push_back(
        {fingerprints[i], {{document, document + documents}, {row, row + rows}, {held, held + rows}}});
    row += rows;
    held += rows;
    document += documents;
  }
  if (row != text.held_text.end() || document != text.documents.end()) refuse();
  return all;
}

// Those of the layer files that stay; a file that is broken comes from nowhere.
std::set<std::string> fingerprints_beside(const fs::path& folder, const std::vector<int>& layers) {
  std::set<std::string> found;
  for (const auto& [layer, path] : find_layer_files(folder)) {
    if (std::count(layers.begin(), layers.end(), layer) > 0) continue;
    try {
      found.insert(metadata_of(*open_safetensors(path), "fingerprint"));
    } catch (const Error&) {
    }
  }
  return found;
}

bool visited(const VisitedText& text, std::uint64_t document) {
  return std::binary_search(text.documents.begin(), text.documents.end(), document);
}

bool holds(const VisitedText& text, const std::vector<std::int64_t>& row) {
  return std::find(text.held_text.begin(), text.held_text.end(), row) != text.held_text.end();
}

std::uint64_t held_document(const VisitedText& text, std::size_t row) {
  return row < text.held_documents.size() ? text.held_documents[row] : 0;  // older files have none
}

using TextByFingerprint = std::map<std::string, VisitedText>;

void write(const fs::path& path, const TextByFingerprint& all) {
  VisitedText together;
  std::vector<std::string> fingerprints;
  std::vector<std::int64_t> sizes;
  for (const auto& [fingerprint, text] : all) {
    fingerprints.push_back(fingerprint);
    sizes.push_back(static_cast<std::int64_t>(text.held_text.size()));
    sizes.push_back(static_cast<std::int64_t>(text.documents.size()));
    together.documents.insert(together.documents.end(), text.documents.begin(), text.documents.end());
    for (std::size_t row = 0; row < text.held_text.size(); ++row) {
      together.held_text.push_back(text.held_text[row]);
      together.held_documents.push_back(held_document(text, row));
    }
  }
  FileWriter writer;
  add_rows(writer, "ids", "lengths", together.held_text);
  writer.add("documents", together.documents);
  writer.add("held_documents", together.held_documents);
  if (all.size() > 1) writer.add("collections", sizes);
  writer.set("format", kFormat);
  writer.set("fingerprint", join(fingerprints, "+"));
  writer.write(path);
}

// Whether this row of texts[i] is not in any other text. Of several that hold it back the first one keeps it.
bool is_held_by_all(const std::vector<const VisitedText*>& texts, std::size_t i, std::size_t row) {
  for (std::size_t j = 0; j < texts.size(); ++j) {
    if (j == i) continue;
    const bool held = holds(*texts[j], texts[i]->held_text[row]);
    if (held ? j < i : visited(*texts[j], held_document(*texts[i], row))) return false;
  }
  return true;
}

}  // namespace

fs::path held_text_file(const fs::path& folder) {
  return folder / "held_text.safetensors";
}

std::vector<Collection> read_held_text(const fs::path& folder, std::int64_t vocab) {
  const fs::path path = held_text_file(folder);
  const auto file = open_safetensors(path);
  VisitedText text;
  text.held_text = read_rows(*file, "ids", "lengths");
  require_known_ids(text.held_text, vocab, path);
  // Files of an older version have no documents.
  if (file->find("documents")) text.documents = read_fingerprints(*file, "documents");
  if (file->find("held_documents")) text.held_documents = read_fingerprints(*file, "held_documents");
  const std::string fingerprints = metadata_or(*file, "fingerprint", "");
  if (!file->find("collections")) return {{fingerprints, std::move(text)}};
  return split_text(text, split_at(fingerprints, '+'), read_numbers(*file, "collections"), path);
}

std::vector<Collection> find_held_text(const fs::path& folder) {
  if (!fs::exists(held_text_file(folder))) return {};
  try {
    return read_held_text(folder, kAnyVocabulary);
  } catch (const Error&) {
    return {};
  }
}

void write_held_text(const fs::path& folder, const std::vector<Collection>& made,
                     const std::vector<int>& layers) {
  TextByFingerprint all;
  const std::set<std::string> others = fingerprints_beside(folder, layers);
  for (Collection& known : find_held_text(folder))
    if (others.contains(known.fingerprint)) all[known.fingerprint] = std::move(known.text);
  for (const Collection& collection : made) {
    VisitedText& text = all[collection.fingerprint];
    // One that is there is that of other passes of this run, which may have ended at other blocks.
    const std::vector<std::uint64_t> before = std::move(text.documents);
    text = collection.text;
    text.documents.insert(text.documents.end(), before.begin(), before.end());
    sort_documents(text.documents);
  }
  write(held_text_file(folder), all);
}

VisitedText text_of_all(const std::vector<const VisitedText*>& texts) {
  VisitedText all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const VisitedText& text = *texts[i];
    all.documents.insert(all.documents.end(), text.documents.begin(), text.documents.end());
    for (std::size_t row = 0; row < text.held_text.size(); ++row) {
      if (!is_held_by_all(texts, i, row)) continue;
      all.held_text.push_back(text.held_text[row]);
      all.held_documents.push_back(held_document(text, row));
    }
  }
  sort_documents(all.documents);
  return all;
}

}  // namespace emend
