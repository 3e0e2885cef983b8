// Labels of cells: the file beside an index, and explanations that were written elsewhere.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/atomic_file.h"
#include "base/byte_stream.h"
#include "base/dump_json.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_index.h"
#include "emend/memory_labels.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

fs::path label_file(const fs::path& index) {
  return index / "labels.json";
}

// One label and where it stands, for errors.
struct FoundLabel {
  MemoryId cell;
  std::string text, place;
};

MemoryId cell_of(const std::string& text, const std::string& place) {
  try {
    return parse_memory_id(text);
  } catch (const Error& error) {
    throw Error(ErrorKind::kFormat, place + ": " + error.what());
  }
}

void read_label_object(const fs::path& file, std::vector<FoundLabel>& found) {
  const Json document = read_json_file(file);
  const JsonView view(document, file.string());
  for (const std::string& key : view.keys()) {
    const std::string place = fmt::format("{}: {}", file.string(), quote(key));
    const JsonView labels = view.at(key);
    for (const std::string& text :
         labels.is_string() ? std::vector<std::string>{labels.as_string()} : labels.as_strings())
      found.push_back({cell_of(key, place), text, place});
  }
}

std::string whole_text(const fs::path& file) {
  const auto stream = open_byte_stream(file);
  std::string text;
  std::array<char, 1 << 16> piece{};
  while (const std::size_t count = stream->read(piece)) text.append(piece.data(), count);
  return text;
}

// The number at the beginning of a text.
std::optional<int> leading_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

// What follows that number.
std::string_view after_number(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of("0123456789"), text.size()));
}

int number_of(const JsonView& value) {
  const std::optional<int> number =
      leading_number(value.is_string() ? value.as_string() : value.json().dump());
  if (!number || *number < 0) value.refuse("a number from 0 on, or a text that begins with one");
  return *number;
}

// A number alone, or with a set that begins with "mlp": other sets (4-res) number other things. An export of
// this program is of cells whatever its set is called; the id of its lines begins with the cell.
bool is_of_cells(const JsonView& line, MemoryId cell) {
  const JsonView layer = line.at("layer");
  if (!layer.is_string()) return true;
  const std::string text = layer.as_string();
  const std::string_view set = after_number(text);
  return set.empty() || set.starts_with("-mlp") ||
         (line.has("id") && line.at("id").is_string() &&
          line.at("id").as_string().starts_with(to_string(cell) + "-"));
}

void read_explanations(const fs::path& file, std::vector<FoundLabel>& found) {
  std::size_t number = 0;
  for (const std::string& line : split_at(whole_text(file), '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const std::string place = fmt::format("{}:{}", file.string(), number);
    const Json object = parse_json(line, place);
    const JsonView view(object, place);
    const MemoryId cell{number_of(view.at("layer")), number_of(view.at("index"))};
    if (!is_of_cells(view, cell))
      view.at("layer").refuse("a layer of feed-forward cells, such as 12 or 12-mlp");
    found.push_back({cell, view.string("description"), place});
  }
}

// "layers.12.mlp_latent771.txt", "model.layers.12.mlp.act_neuron771.txt".
void read_delphi(const fs::path& file, std::vector<FoundLabel>& found) {
  const std::string name = file.filename().string();
  const std::size_t layers = name.find("layers."),
                    cell = name.find_last_not_of("0123456789", name.size() - 5);
  std::optional<int> layer, index;
  if (layers != std::string::npos) layer = leading_number(std::string_view(name).substr(layers + 7));
  if (cell != std::string::npos) index = leading_number(std::string_view(name).substr(cell + 1));
  if (!layer || !index || name.find("mlp", layers) == std::string::npos)
    throw Error(
        ErrorKind::kFormat,
        fmt::format("{}: an explanation of delphi is named after its feed-forward layer and cell, as in "
                    "layers.12.mlp_latent771.txt",
                    file.string()));
  const std::string text(trim(read_text_file(file)));
  const bool quoted = text.size() > 1 && text.front() == '"' && text.back() == '"';
  found.push_back(
      {{*layer, *index}, quoted ? parse_json(text, file.string()).get<std::string>() : text, file.string()});
}

void read_label_file(const fs::path& file, std::vector<FoundLabel>& found) {
  const std::string name = file.filename().string();
  if (name.ends_with(".jsonl") || name.ends_with(".jsonl.gz"))
    read_explanations(file, found);
  else if (name.ends_with(".json"))
    read_label_object(file, found);
  else if (name.ends_with(".txt"))
    read_delphi(file, found);
  else
    throw Error(
        ErrorKind::kUsage,
        fmt::format("{}: labels are read from .json, .jsonl, .jsonl.gz and .txt files", file.string()));
}

}  // namespace

CellLabels read_labels(const fs::path& index) {
  CellLabels labels;
  if (!fs::exists(label_file(index))) return labels;
  std::vector<FoundLabel> found;
  read_label_object(label_file(index), found);
  for (FoundLabel& label : found) labels[label.cell].push_back(std::move(label.text));
  return labels;
}

LabelImport import_labels(const fs::path& index, const std::vector<fs::path>& files) {
  if (files.empty()) throw Error(ErrorKind::kUsage, "give at least one file of labels");
  const MemoryIndex known(index);
  const MemoryIndexHead& head = known.head();
  std::vector<FoundLabel> found;
  for (const fs::path& file : files) read_label_file(file, found);
  CellLabels labels = read_labels(index);
  LabelImport result;
  for (const FoundLabel& label : found) {
    const bool scanned =
        std::find(head.layers.begin(), head.layers.end(), label.cell.layer) != head.layers.end();
    if (!scanned || label.cell.index < 0 || label.cell.index >= head.cells)
      throw Error(
          ErrorKind::kConfig,
          fmt::format("{}: the index has no cell {}: its layers are {}, each with cells D0 to D{}",
                      label.place, to_string(label.cell), fmt::join(head.layers, ", "), head.cells - 1));
    std::vector<std::string>& own = labels[label.cell];
    ++result.read;
    if (std::find(own.begin(), own.end(), label.text) != own.end()) continue;
    own.push_back(label.text);
    ++result.added;
  }
  result.cells = static_cast<std::int64_t>(labels.size());
  ResultJson json = ResultJson::object();
  for (const auto& [cell, texts] : labels) json[to_string(cell)] = texts;
  result.output = label_file(index);
  write_file_atomically(result.output, dump_json(json) + "\n");
  return result;
}

}  // namespace emend
