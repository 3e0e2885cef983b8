#include "memories/layer_triggers.h"

#include <memory>

#include "emend/error.h"
#include "emend/tensor_file.h"
#include "memories/index_files.h"
#include "memories/index_text.h"

namespace emend {

struct LayerTriggers::State {
  IndexHead head;
  IndexText text;

  TailTriggers tail(const TriggerTable& table, std::int64_t cell, float sign) const {
    TailTriggers found;
    for (std::size_t place = 0; place < table.size(cell); ++place) {
      const TableEntry entry = table.entry(cell, place);
      const auto where = text.find(entry.address);
      if (!where) continue;
      found.coefficients.push_back(sign * entry.score);
      found.read.push_back(text.id(*where));
      found.next.push_back(text.next(*where).value_or(-1));
    }
    return found;
  }
};

// The index checks that its files belong together.
LayerTriggers::LayerTriggers(const std::filesystem::path& folder) : index_(folder) {
  IndexHead head = read_head(index_head_file(folder));
  IndexText text(index_text_file(folder), head.head.prefix.size());
  state_ = std::make_unique<State>(State{std::move(head), std::move(text)});
}

LayerTriggers::~LayerTriggers() = default;

std::vector<CellTriggers> LayerTriggers::read(int layer) const {
  index_.largest_contributions(layer);  // throws for a layer that was not scanned, or a file of another scan
  const auto file = open_safetensors(index_layer_file(index_.folder(), layer));
  const LayerState state = read_layer_state(*file, "", shape_of(state_->head.head));
  std::vector<CellTriggers> cells;
  for (std::int64_t cell = 0; cell < state_->head.head.cells; ++cell)
    cells.push_back({state_->tail(state.high, cell, 1), state_->tail(state.low, cell, -1)});
  return cells;
}

std::vector<std::string> LayerTriggers::texts(MemoryId cell, bool high, std::size_t count) const {
  const MemoryRecord record = index_.cell(cell);
  std::vector<std::string> texts;
  for (const MemoryExample& example : high ? record.high : record.low)
    if (texts.size() < count) texts.push_back(example.text);
  return texts;
}

}  // namespace emend
