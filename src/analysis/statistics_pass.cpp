// One pass over the text: blocks, checkpoints, the curve of the stated error; and a layer's C at its end.
#include <ATen/ATen.h>

#include <algorithm>

#include "analysis/statistics_quality.h"
#include "analysis/statistics_state.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr double kBetweenPoints = 1.3;        // growth of the keys from one point of the curve to the next
constexpr double kBetweenPointsUntil = 1.15;  // the same where the run waits for the estimate

// "0.31 > 0.14 > 0.062": the last points of the curve, for a progress line.
std::string curve_text(const std::vector<CurvePoint>& curve, const std::vector<int>& layers) {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> parts;
  for (std::size_t i = curve.size() > kMost ? curve.size() - kMost : 0; i < curve.size(); ++i) {
    std::string number = std::to_string(curve[i].error_estimate);
    parts.push_back(number.substr(0, 6));
  }
  if (parts.empty()) return "";
  return "error of C^-1 k " + join(parts, " > ") +
         (layers.size() > 1 ? " (layer " + std::to_string(curve.back().layer) + ")" : "");
}

}  // namespace

// Where a pass begins: at a checkpoint, or with nothing.
StatisticsRun::State::PassResult StatisticsRun::State::begin_pass(const std::vector<int>& pass_layers,
                                                                  const StatisticsFolder* folder,
                                                                  std::int64_t& blocks_done) const {
  PassResult pass{KeySums(pass_layers, model->config().d_ff),
                  probe_keys(*model, pass_layers, text->held_text()),
                  {},
                  {},
                  0,
                  false,
                  0};
  if (!folder || !folder->resume) return pass;
  const std::filesystem::path path = checkpoint(pass_layers, folder->path);
  if (!std::filesystem::exists(path)) return pass;
  LoadedSums loaded = load_sums(path);
  if (const auto other = difference(loaded, pass_layers))
    throw Error(ErrorKind::kConfig, path.string() + ": this is the checkpoint of another run; different is " +
                                        *other + "; go on with that run's options, or remove the file");
  blocks_done = pass.resumed_blocks = loaded.file.blocks_done;
  pass.next_point = loaded.file.next_point;
  pass.documents = std::move(loaded.file.text.documents);
  pass.sums = std::move(loaded.sums);
  return pass;
}

StatisticsRun::State::PassResult StatisticsRun::State::run_pass(const std::vector<int>& pass_layers,
                                                                const StatisticsFolder* folder,
                                                                Progress& progress) const {
  std::int64_t blocks_done = 0;
  PassResult pass = begin_pass(pass_layers, folder, blocks_done);
  std::int64_t total = 0;
  for (std::int64_t b = options.shard; b < text->blocks(); b += options.shards) total += text->block_keys(b);
  progress.begin("statistics of " + std::to_string(pass_layers.size()) +
                     (pass_layers.size() == 1 ? " layer" : " layers"),
                 total, "tokens");
  std::string note;
  for (std::int64_t b = options.shard + blocks_done * options.shards; b < text->blocks();
       b += options.shards) {
    text->sum(b, pass.sums, pass.sums.count(), note, progress);
    for (const std::uint64_t document : text->documents(b)) pass.documents.push_back(document);
    std::sort(pass.documents.begin(), pass.documents.end());
    pass.documents.erase(std::unique(pass.documents.begin(), pass.documents.end()), pass.documents.end());
    ++blocks_done;
    if (static_cast<double>(pass.sums.count()) >= pass.next_point) {
      add_point(pass);
      note = curve_text(pass.curve, pass_layers);
      progress.update(pass.sums.count(), note);
      if (!pass.curve.empty())
        pass.next_point =
            static_cast<double>(pass.sums.count()) * (options.until ? kBetweenPointsUntil : kBetweenPoints);
      pass.reached_until =
          options.until && !pass.curve.empty() && pass.curve.back().error_estimate <= *options.until;
      if (pass.reached_until) break;
    }
    if (folder && b + options.shards < text->blocks())
      save_sums(checkpoint(pass_layers, folder->path), sums_file(pass, blocks_done), pass.sums);
  }
  progress.end();
  return pass;
}

// The worst of a few layers; of all where the run stops by it.
void StatisticsRun::State::add_point(PassResult& pass) const {
  const std::size_t n = pass.sums.layers().size();
  std::vector<std::size_t> looked_at;
  for (std::size_t i = 0; i < n; ++i)
    if (options.until || i == 0 || i == n / 2 || i + 1 == n) looked_at.push_back(i);
  CurvePoint point;
  point.tokens = pass.sums.count();
  for (const std::size_t i : looked_at) {
    const auto probes = pass.probes.find(pass.sums.layers()[i]);
    const auto estimate =
        probes == pass.probes.end() ? std::nullopt : estimate_error(pass.sums, i, probes->second);
    if (!estimate) return;
    if (*estimate >= point.error_estimate) {
      point.error_estimate = *estimate;
      point.layer = pass.sums.layers()[i];
    }
  }
  pass.curve.push_back(point);
}

// C of one layer with all that is known about it.
LayerStatistics StatisticsRun::State::finish_layer(PassResult& pass, std::size_t index) const {
  const MomentSum &a = pass.sums.half(index, 0), &b = pass.sums.half(index, 1);
  LayerStatistics layer;
  layer.tokens = a.count() + b.count();
  if (const auto probes = pass.probes.find(pass.sums.layers()[index]); probes != pass.probes.end())
    layer.probes = probes->second;
  const auto estimate = estimate_error(pass.sums, index, layer.probes);
  const at::Tensor C = (a.value() + b.value()) / static_cast<double>(layer.tokens);
  layer.quality = quality_of(C);
  layer.quality.error_estimate = estimate;
  layer.C = C.cpu();
  return layer;
}

// Sums of other layers would be added to each other: each process plans by the memory that it finds.
void StatisticsRun::State::require_same_passes(ShardGroup& group) const {
  std::vector<std::uint64_t> firsts;
  for (const std::vector<int>& layers : plan.passes)
    firsts.push_back(static_cast<std::uint64_t>(layers.front()));
  const std::vector<std::uint64_t> all = group.gather_to_first(firsts);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all.size() % firsts.size() != 0 || all[i] != firsts[i % firsts.size()])
      throw Error(ErrorKind::kConfig,
                  "statistics: the processes have unequal memory and planned other passes; give --memory, "
                  "the same for all");
}

void StatisticsRun::State::reduce(PassResult& pass, ShardGroup& group) const {
  for (std::size_t i = 0; i < pass.sums.layers().size(); ++i)
    for (int half = 0; half < KeySums::kHalves; ++half) {
      const at::Tensor packed = pass.sums.half(i, half).packed().clone();
      auto count = static_cast<double>(pass.sums.half(i, half).count());
      group.sum_to_first(packed.data_ptr<double>(), packed.numel());
      group.sum_to_first(&count, 1);
      MomentSum sum = MomentSum::from_packed(pass.sums.d_ff(), static_cast<std::int64_t>(count), packed);
      sum.place(pass.sums.half(i, half).device());
      pass.sums.half(i, half) = std::move(sum);
    }
  pass.documents = group.gather_to_first(pass.documents);
  std::sort(pass.documents.begin(), pass.documents.end());
  pass.documents.erase(std::unique(pass.documents.begin(), pass.documents.end()), pass.documents.end());
}

}  // namespace emend
