#include "analysis/causal_trace/noise.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/random.h"
#include "base/strings.h"
#include "emend/error.h"
#include "model/rows.h"

namespace emend::trace {

double NumpyRandom::uniform() {
  const auto high = static_cast<double>(engine_() >> 5), low = static_cast<double>(engine_() >> 6);
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

double NumpyRandom::normal() {
  if (held_) {
    held_ = false;
    return held_value_;
  }
  double x1 = 0, x2 = 0, r2 = 0;
  do {
    x1 = 2 * uniform() - 1;
    x2 = 2 * uniform() - 1;
    r2 = x1 * x1 + x2 * x2;
  } while (r2 >= 1 || r2 == 0);
  const double f = std::sqrt(-2 * std::log(r2) / r2);
  held_ = true;
  held_value_ = f * x1;
  return f * x2;
}

}  // namespace emend::trace

namespace emend {

namespace {

// Random streams of this folder: one a fact.
constexpr std::uint64_t kNoiseStream = 0x7472616365ULL << 24;

[[noreturn]] void refuse_noise(const std::string& code) {
  throw Error(
      ErrorKind::kUsage,
      fmt::format("noise {} has no known form; known are s3 (3 standard deviations of the subjects' "
                  "embeddings), a level such as "
                  "0.1, u0.1 or us3 (uniform), t5 (Student, 5 degrees), or tokens; levels are above 0",
                  quote(code)));
}

double level_of(const std::string& text, const std::string& code) {
  double level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc() || end != text.data() + text.size() || !(level > 0) || !std::isfinite(level))
    refuse_noise(code);
  return level;
}

// Standard draws [count], in row-major order of (sample, token, component).
std::vector<double> numpy_draws(TraceNoise::Kind kind, std::int64_t count) {
  trace::NumpyRandom random(1);
  std::vector<double> draws(static_cast<std::size_t>(count));
  for (double& draw : draws)
    draw = kind == TraceNoise::Kind::kUniform ? 2 * random.uniform() - 1 : random.normal();
  return draws;
}

// Variance 1 with `degrees` degrees of freedom: N sqrt((degrees - 2) / chi-square), one chi-square a vector
// of `width`.
void divide_by_chi_square(std::vector<double>& draws, std::int64_t width, int degrees, const Random& random) {
  const auto vectors = static_cast<std::uint64_t>(draws.size()) / static_cast<std::uint64_t>(width);
  for (std::uint64_t v = 0; v < vectors; ++v) {
    double chi_square = 0;
    for (int j = 0; j < degrees; ++j) {
      const double z = random.normal(draws.size() + v * static_cast<std::uint64_t>(degrees) +
                                     static_cast<std::uint64_t>(j));
      chi_square += z * z;
    }
    const double factor = std::sqrt((degrees - 2) / chi_square);
    for (std::int64_t i = 0; i < width; ++i)
      draws[v * static_cast<std::uint64_t>(width) + static_cast<std::uint64_t>(i)] *= factor;
  }
}

std::vector<double> own_draws(const TraceNoise& noise, std::int64_t count, std::int64_t width,
                              const Random& random) {
  std::vector<double> draws(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < draws.size(); ++i)
    draws[i] = noise.kind == TraceNoise::Kind::kUniform ? 2 * random.uniform(i) - 1 : random.normal(i);
  if (noise.kind == TraceNoise::Kind::kStudent) divide_by_chi_square(draws, width, noise.degrees, random);
  return draws;
}

std::vector<std::int64_t> ordinary_tokens(const Tokenizer& tokenizer) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    if (!tokenizer.is_special(id)) ids.push_back(id);
  return ids;
}

// Ids [samples * subject tokens], none of them the token that it stands for.
std::vector<std::int64_t> other_tokens(const Model& model, const TokenIds& subject, int samples,
                                       std::vector<std::int64_t> pool, const Random& random) {
  const std::set<std::int64_t> distinct(pool.begin(), pool.end());
  if (distinct.size() < 2 * subject.size() + 2) pool = ordinary_tokens(model.tokenizer());
  std::vector<std::int64_t> ids;
  std::uint64_t draw = 0;
  for (int s = 0; s < samples; ++s)
    for (const std::int64_t token : subject) {
      std::int64_t id = token;
      while (id == token) id = pool[random.below(draw++, pool.size())];
      ids.push_back(id);
    }
  return ids;
}

}  // namespace

TraceNoise parse_noise(const std::string& code) {
  TraceNoise noise;
  if (code == "tokens") {
    noise.kind = TraceNoise::Kind::kTokens;
    return noise;
  }
  if (code.empty()) refuse_noise(code);
  std::string rest = code;
  const auto takes = [&](char letter) {
    if (rest.empty() || rest[0] != letter) return false;
    rest.erase(0, 1);
    return true;
  };
  if (takes('t')) {
    noise.kind = TraceNoise::Kind::kStudent;
    const double degrees = level_of(rest, code);
    constexpr double kMost = 1000;
    if (degrees < 3 || degrees > kMost || degrees != std::floor(degrees)) refuse_noise(code);
    noise.degrees = static_cast<int>(degrees);
    noise.level = 1;
    return noise;
  }
  if (takes('u')) noise.kind = TraceNoise::Kind::kUniform;
  noise.relative = takes('s');
  noise.level = level_of(rest, code);
  return noise;
}

std::vector<std::int64_t> subject_token_pool(const Model& model, const std::vector<TraceFact>& facts) {
  std::vector<std::int64_t> pool;
  for (const TraceFact& fact : facts) {
    const auto ids = model.tokenizer().encode(fact.subject, SpecialTokens::kNone).ids;
    pool.insert(pool.end(), ids.begin(), ids.end());
  }
  return pool;
}

double noise_sigma(const Model& model, const std::vector<TraceFact>& facts) {
  std::set<std::string> subjects;
  for (const TraceFact& fact : facts) subjects.insert(fact.subject);
  const at::Tensor& table = model.weights().token_embedding;
  const at::Tensor rows =
      subjects.size() < 2
          ? table
          : table.index_select(0, index_tensor(subject_token_pool(model, facts), table.device()));
  return rows.to(at::kDouble).std().item<double>();
}

at::Tensor trace::corrupted_embeddings(const Model& model, const TokenIds& subject, const TraceNoise& noise,
                                       int samples, double sigma, const std::vector<std::int64_t>& pool,
                                       const NoiseSource& source) {
  const at::Tensor& table = model.weights().token_embedding;
  const auto tokens = static_cast<std::int64_t>(subject.size());
  const std::int64_t d = table.size(1), count = samples * tokens * d;
  const Random random(source.seed, kNoiseStream + source.number);
  if (noise.kind == TraceNoise::Kind::kTokens)
    return table
        .index_select(0, index_tensor(other_tokens(model, subject, samples, pool, random), table.device()))
        .view({samples, tokens, d})
        .to(at::kFloat);
  const std::vector<double> draws =
      noise.numpy ? numpy_draws(noise.kind, count) : own_draws(noise, count, d, random);
  const double level = noise.level * (noise.relative ? sigma : 1);
  const at::Tensor added =
      at::tensor(draws, at::kDouble).view({samples, tokens, d}).to(table.device()) * level;
  return (table.index_select(0, index_tensor(subject, table.device())).to(at::kDouble) + added)
      .to(at::kFloat);
}

}  // namespace emend
