// The sweep of portion_sweep.h by kernels of the device where the vectors are (sweep_kernels.inc). Tables,
// counts and sums stay there from portion to portion: the host starts the kernels, sends the places and draws
// of the tokens, and waits for nothing until the state, or what is no number, is asked for.
//
// It finds what that sweep finds. Sums of a row are added in float32 and those of rows exactly, so that they
// agree to about 1e-6 and do not depend on which rows make a portion. Bytes that are read and written a
// coefficient of b bytes, in rows of L tokens: b, and 56 / L for what is kept of a row and read again (with a
// gate 3 b and 88 / L); a few more in the sample (scan_draw.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "memories/counted_rows.h"
#include "memories/device_kernels.h"
#include "memories/layer_state.h"
#include "memories/portion_sweep.h"
#include "memories/scan_draw.h"

namespace emend {

// Of one layer.
class KernelSweep {
 public:
  KernelSweep(const ScanDraw& draw, bool include_first) : draw_(draw), include_first_(include_first) {}

  // Are there kernels for coefficients of that type on that device, and do they give what those of the CPU
  // give (kernel_check.h)? They keep the best token of each row; the other policies of Dedup have none.
  // `why_not`, if given, receives the reason.
  static bool can_take(const StateShape& shape, at::ScalarType type, const at::Device& device,
                       std::string* why_not = nullptr);

  // Starts the work on a portion that can be taken, all of the same type on one device; `state` is what the
  // layer held before the first one. Tokens have addresses, which ascend in each row.
  void take(PortionScores portion, const LayerState& state);
  // Waits, and makes the state that of all portions; does nothing if none came since the last time.
  void fetch(LayerState& state);
  // Waits. The coefficient that is NaN or infinite, of the token with the least address among those taken.
  struct Bad {
    std::uint64_t address;
    int cell;
  };
  std::optional<Bad> find_bad() const;
  // The state was changed from outside: the next portion begins from what it is then.
  void forget();

  // Told after each part of take() by name, for measurements.
  using TellPart = std::function<void(const char* part)>;
  void tell_parts(TellPart tell) { tell_part_ = std::move(tell); }

 private:
  // A table on the device: entries [top, F], extras [top, extra, F] (sweep_kernels.inc). Scores of draws are
  // minus the number drawn, those of ends the coefficient.
  enum class ScoreOf { kCoefficient, kDraw };
  struct Table {
    ScoreOf kind = ScoreOf::kCoefficient;
    at::Tensor entries, extras;
  };

  struct Places;  // of the tokens of a portion, on the device
  void send(const LayerState& state, const at::Device& device);
  Places send_places(const PortionScores& portion, const std::vector<CountedRow>& rows) const;
  void set_state(sweep_kernels::SweepArguments& a) const;
  void sweep_rows(const DeviceKernels& kernels, const PortionScores& portion, std::int64_t rows,
                  sweep_kernels::SweepArguments a) const;
  void tell(const char* part) const {
    if (tell_part_) tell_part_(part);
  }
  Table sent(const TriggerTable& table, ScoreOf kind, const at::Device& device) const;
  static std::uint64_t bits_of(const TableEntry& entry, ScoreOf kind);
  static TableEntry entry_in(std::uint64_t bits, ScoreOf kind);
  static void fetch_table(const Table& table, TriggerTable& to);

  ScanDraw draw_;
  bool include_first_;
  TellPart tell_part_;
  bool one_ended_ = false, fetched_ = true;
  std::int64_t cells_ = 0, tokens_ = 0;
  Table high_, low_, random_, spread_;
  at::Tensor cell_draw_;             // [F]
  at::Tensor sums_, counts_;         // [4, F], [3, F]
  at::Tensor extremes_, histogram_;  // [2, F], [kBins, F]
  at::Tensor bad_;                   // [1]
};

}  // namespace emend
