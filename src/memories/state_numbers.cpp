#include "memories/state_numbers.h"

#include <bit>
#include <type_traits>

namespace emend {

namespace {

class Writer {
 public:
  template <typename Value>
  void put(const std::vector<Value>& values) {
    for (const Value& value : values) put(value);
  }
  void put(float value) { numbers_.push_back(std::bit_cast<std::uint32_t>(value)); }
  void put(const ExactSum& sum) {
    put(sum.whole);
    put(sum.fraction);
  }
  template <typename Value>
  void put(const Value& value) requires std::is_integral_v<Value> {
    numbers_.push_back(static_cast<std::uint64_t>(value));
  }
  std::vector<std::uint64_t> take() { return std::move(numbers_); }

 private:
  std::vector<std::uint64_t> numbers_;
};

class Reader {
 public:
  explicit Reader(const std::vector<std::uint64_t>& numbers) : numbers_(numbers) {}

  bool at_end() const { return next_ >= numbers_.size(); }
  template <typename Value>
  void get(std::vector<Value>& values) {
    for (Value& value : values) get(value);
  }
  void get(float& value) { value = std::bit_cast<float>(static_cast<std::uint32_t>(numbers_.at(next_++))); }
  void get(ExactSum& sum) {
    get(sum.whole);
    get(sum.fraction);
  }
  template <typename Value>
  void get(Value& value) requires std::is_integral_v<Value> {
    value = static_cast<Value>(numbers_.at(next_++));
  }

 private:
  const std::vector<std::uint64_t>& numbers_;
  std::size_t next_ = 0;
};

void put_table(Writer& writer, const TriggerTable& table) {
  writer.put(table.scores());
  writer.put(table.addresses());
  writer.put(table.all_extras());
  writer.put(table.groups());
}

void get_table(Reader& reader, TriggerTable& table) {
  std::vector<float> scores(table.scores().size()), extras(table.all_extras().size());
  std::vector<std::uint32_t> addresses(table.addresses().size());
  std::vector<std::uint64_t> groups(table.groups().size());
  reader.get(scores);
  reader.get(addresses);
  reader.get(extras);
  reader.get(groups);
  table.restore(std::move(scores), std::move(addresses), std::move(extras), std::move(groups));
}

LayerState read_state(Reader& reader, const StateShape& shape) {
  LayerState state(shape);
  CellCounts& counts = state.counts;
  reader.get(counts.tokens);
  for (auto* numbers : {&counts.active, &counts.both, &counts.gate_only, &counts.up_only})
    reader.get(*numbers);
  reader.get(counts.sum);
  reader.get(counts.squares);
  reader.get(counts.least);
  reader.get(counts.most);
  reader.get(counts.histogram);
  for (TriggerTable* table : {&state.high, &state.low, &state.random, &state.spread})
    get_table(reader, *table);
  return state;
}

}  // namespace

std::vector<std::uint64_t> numbers_of(const LayerState& state) {
  Writer writer;
  const CellCounts& counts = state.counts;
  writer.put(counts.tokens);
  for (const auto* numbers : {&counts.active, &counts.both, &counts.gate_only, &counts.up_only})
    writer.put(*numbers);
  writer.put(counts.sum);
  writer.put(counts.squares);
  writer.put(counts.least);
  writer.put(counts.most);
  writer.put(counts.histogram);
  for (const TriggerTable* table : {&state.high, &state.low, &state.random, &state.spread})
    put_table(writer, *table);
  return writer.take();
}

LayerState state_of(const std::vector<std::uint64_t>& numbers, const StateShape& shape) {
  Reader reader(numbers);
  LayerState all = read_state(reader, shape);
  while (!reader.at_end()) all.merge(read_state(reader, shape));
  return all;
}

}  // namespace emend
