// One call of a bulk edit in sequence without its model: the systems of its layers alone.
//
//   bulk_sequence_bench [CARRIED [FRESH [LAYERS [ROUNDS]]]]
//
// FRESH facts (default 100) are written onto a model that carries CARRIED others (default 500, 1,000 and
// 2,000, one after the other), at LAYERS layers (4) of SmolLM2's shape (d_ff 1,536, d_model 576) in ROUNDS
// rounds (3; `bulk` by its defaults makes four): two keys a fact and that of position 0. Keys are a mean and
// normal numbers whose covariance has the eigenvalues i^-1.2, in directions of each layer's own; the two keys
// of a fact have a cosine of about 0.9. Those of the first layer stay as they are, those of the others move
// by 3 % of their length from round to round, since layers below are written anew. Prints one JSON object a
// size: seconds of a call and of its parts, wall clock and processor, and a digest of what is written.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "editors/bulk/carried.h"
#include "editors/bulk/layer_system.h"
#include "editors/bulk/methods.h"
#include "editors/bulk/preserve.h"
#include "emend/editor.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

using editors::CarriedGroup;
using editors::LayerSystem;

constexpr double kMoved = 0.03;  // of a key's length

ModelConfig small_model(int layers) {
  ModelConfig config = bench::smollm2_135m();
  config.layers = layers;
  config.vocab = 1664;  // ids of the tokenizer
  return config;
}

// The keys of one layer: directions Q [F, F], lengths along them, mean.
struct KeySource {
  at::Tensor Q, lengths, mean;  // [F, F], [F], [F] float64

  KeySource(std::int64_t F, std::uint64_t seed)
      : Q(std::get<0>(at::linalg_qr(test::normals(F, F, seed)))),
        lengths(at::arange(1, F + 1, at::kDouble).pow(-0.6)),
        mean(0.5 * test::normals(1, F, seed + 1).squeeze(0) / std::sqrt(static_cast<double>(F))) {}

  at::Tensor moment() const { return at::matmul(Q * lengths.square(), Q.t()) + at::outer(mean, mean); }
  // [n, F], of fixed numbers `z` [n, F].
  at::Tensor keys(const at::Tensor& z) const { return at::matmul(z * lengths, Q.t()) + mean; }
};

// The facts of a sequence at one layer: both keys of each, the sink's, and residuals.
struct LayerFacts {
  at::Tensor bare, contexts, sink, residuals;  // [n, F], [n, F], [F] float64; [n, D] float32

  LayerFacts(const KeySource& source, std::int64_t n, std::int64_t D, std::uint64_t seed) {
    const std::int64_t F = source.mean.size(0);
    const at::Tensor shared = test::normals(n, F, seed);
    bare = source.keys(0.95 * shared + 0.31 * test::normals(n, F, seed + 1));
    contexts = source.keys(0.95 * shared + 0.31 * test::normals(n, F, seed + 2));
    sink = 20 * source.keys(test::normals(1, F, seed + 3)).squeeze(0);
    residuals = test::normals(n, D, seed + 4).to(at::kFloat);
  }

  // The same with keys that have moved.
  LayerFacts moved(std::uint64_t seed) const {
    LayerFacts other = *this;
    for (at::Tensor* const keys : {&other.bare, &other.contexts}) {
      const at::Tensor noise = test::normals(keys->size(0), keys->size(1), seed++);
      *keys = *keys + noise * (kMoved * keys->norm(2, 1, true) / noise.norm(2, 1, true));
    }
    return other;
  }

  KeyConstraint constraint(std::int64_t i) const {
    const at::Tensor K = at::stack({bare[i], contexts[i]}, 1).to(at::kFloat).to(at::kDouble);
    return with_protected({K, at::ones({2}, at::kDouble)}, sink.to(at::kFloat).to(at::kDouble));
  }
  std::vector<KeyConstraint> constraints(std::int64_t begin, std::int64_t end) const {
    std::vector<KeyConstraint> all;
    for (std::int64_t i = begin; i < end; ++i) all.push_back(constraint(i));
    return all;
  }
  std::vector<CarriedGroup> groups(std::int64_t n) const {
    std::vector<CarriedGroup> all;
    for (std::int64_t i = 0; i < n; ++i)
      all.push_back({{static_cast<std::size_t>(i)}, constraint(i), residuals[i]});
    return all;
  }
};

// The carried facts as an edit keeps them.
std::vector<FactRecord> records_of(const std::vector<LayerFacts>& layers, std::int64_t n) {
  std::vector<FactRecord> facts(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const KeyConstraint at = layers[l].constraint(i);
      FactPart part;
      part.weight = {static_cast<int>(l), Role::kMlpDown};
      part.keys = at.K.t().to(at::kFloat).contiguous();
      part.answers = at.y.to(at::kFloat);
      part.residual = layers[l].residuals[i];
      facts[static_cast<std::size_t>(i)].parts.push_back(part);
    }
  return facts;
}

class Call {
 public:
  Call(std::int64_t carried, std::int64_t fresh, int layers, int rounds)
      : carried_(carried),
        fresh_(fresh),
        rounds_(rounds),
        model_(Model::make_random(small_model(layers), 1, {}, bench::world_tokenizer())) {
    const ModelConfig& config = model_.config();
    context_.statistics = &statistics_;
    for (int l = 0; l < layers; ++l) {
      const KeySource source(config.d_ff, 10 * static_cast<std::uint64_t>(l) + 1);
      statistics_.layers[l].C = source.moment();
      statistics_.layers[l].origin.fingerprint = "made up";
      context_.layers.push_back(l);
      facts_.emplace_back(source, carried + fresh, config.d_model, 1000 * static_cast<std::uint64_t>(l + 1));
    }
    for (int l = 0; l < layers; ++l) preserve_.emplace_back(model_, context_, l, options_, "bulk");
    records_ = records_of(facts_, carried);
  }

  nlohmann::json run() {
    std::vector<LayerSystem> systems;
    const bench::Seconds begin = bench::seconds_of([&] { systems = begin_systems(); });
    bench::Seconds solves, notes, end;
    for (int round = 0; round < rounds_; ++round)
      for (std::size_t l = 0; l < systems.size(); ++l) {
        const LayerFacts now =
            l == 0 ? facts_[l] : facts_[l].moved(100 * l + static_cast<std::uint64_t>(round));
        std::vector<CarriedGroup> carried = now.groups(carried_);
        const std::vector<KeyConstraint> own = now.constraints(carried_, carried_ + fresh_);
        const at::Tensor residuals = now.residuals.slice(0, carried_);
        solves += bench::seconds_of([&] {
          systems[l].replace(std::move(carried), own, residuals);
          changed_ = systems[l].changed();
        });
        notes += bench::seconds_of([&] { share_ = systems[l].realised(); });
      }
    double norms = 0;
    end += bench::seconds_of([&] {
      for (const LayerSystem& system : systems) {
        for (std::int64_t i = 0; i < carried_; ++i)
          norms += system.carried_part(static_cast<std::size_t>(i)).update_norm;
        for (std::int64_t i = 0; i < fresh_; ++i)
          norms += system.part(static_cast<std::size_t>(i)).update_norm;
      }
    });
    bench::Seconds all = begin;
    for (const bench::Seconds& part : {solves, notes, end}) all += part;
    const auto both = [](const bench::Seconds& s) {
      return nlohmann::json{{"wall", s.wall}, {"processor", s.processor}};
    };
    return {{"carried", carried_},
            {"fresh", fresh_},
            {"layers", systems.size()},
            {"rounds", rounds_},
            {"threads", at::get_num_threads()},
            {"call", both(all)},
            {"begin", both(begin)},
            {"solves", both(solves)},
            {"notes", both(notes)},
            {"end", both(end)},
            {"mean_share", share_.mean},
            {"least_share", share_.least},
            {"missing", share_.missing},
            {"missing_at_all_keys", share_.missing_at_all_keys},
            {"norms", norms},
            {"changed_norm", changed_.to(at::kDouble).norm().item<double>()}};
  }

 private:
  // As BulkCall and BulkRun do.
  std::vector<LayerSystem> begin_systems() const {
    Edit earlier;
    earlier.facts = records_;
    for (const editors::Preserve& preserve : preserve_) earlier.solves.push_back(preserve.record(carried_));
    editors::require_carriable(&earlier, preserve_, "bulk");
    std::vector<LayerSystem> systems;
    for (const editors::Preserve& preserve : preserve_) {
      const WeightRef weight = preserve.record(1).weight;
      systems.emplace_back(preserve, model_.weight(weight), editors::carried_groups(records_, weight));
    }
    return systems;
  }

  std::int64_t carried_, fresh_;
  int rounds_;
  Model model_;
  editors::BulkOptions options_ = editors::bulk_method().own;
  Statistics statistics_;
  EditorContext context_;
  std::vector<LayerFacts> facts_;
  std::vector<editors::Preserve> preserve_;
  std::vector<FactRecord> records_;
  editors::RealisedShare share_;
  at::Tensor changed_;
};

}  // namespace
}  // namespace emend

int main(int argc, char** argv) {
  using namespace emend;
  const c10::NoGradGuard no_grad;
  const auto number = [&](int place, int otherwise) {
    return argc > place ? std::atoi(argv[place]) : otherwise;
  };
  std::vector<int> sizes = {500, 1000, 2000};
  if (argc > 1) sizes = {std::atoi(argv[1])};
  for (const int carried : sizes) {
    Call call(carried, number(2, 100), number(3, 4), number(4, 3));
    std::printf("%s\n", call.run().dump(2).c_str());
    std::fflush(stdout);
  }
}
