#include "emend/model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "model/block_reader.h"
#include "model/checkpoint_tokenizer.h"
#include "model/loader.h"
#include "model/placement.h"
#include "model/row_layout.h"
#include "model/spec_text.h"
#include "model/thread_count.h"
#include "model/transformer.h"
#include "model/vector_math.h"
#include "model/weights.h"

namespace emend {

struct Model::State {
  ModelConfig config;
  ModelWeights weights;
  std::vector<RoleEntry> roles;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::filesystem::path path;
  at::TensorOptions options;
  std::string devices;

  at::Tensor& place_of(const WeightRef& weight);
};

namespace {

at::ScalarType scalar_type(ComputeType type) {
  switch (type) {
    case ComputeType::kFloat32:
      return at::kFloat;
    case ComputeType::kBfloat16:
      return at::kBFloat16;
    case ComputeType::kFloat16:
      return at::kHalf;
  }
  throw std::invalid_argument("scalar_type: no such ComputeType");
}

at::TensorOptions tensor_options(const ModelOptions& options) {
  const std::vector<at::Device>& devices = options.device.devices();
  const bool on_cpu =
      std::any_of(devices.begin(), devices.end(), [](const at::Device& d) { return d.is_cpu(); });
  if (on_cpu && options.dtype == ComputeType::kFloat16)
    throw Error(ErrorKind::kUsage, "float16 runs on cuda only; use float32 or bfloat16 on the CPU");
  return at::TensorOptions().dtype(scalar_type(options.dtype)).device(devices.front());
}

void prepare_machine(int threads) {
  if (threads > 0) set_thread_count(threads);
  settle_vector_math();
  // Its kernels are planned anew for every shape, and rows of an edit come in many.
  at::globalContext().setSDPUseCuDNN(false);
}

}  // namespace

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::read(const std::filesystem::path& path, const ModelOptions& options, bool weights,
                  Progress& progress) {
  prepare_machine(options.threads);
  auto state = std::make_unique<State>();
  state->options = tensor_options(options);
  state->devices = options.device.text();
  LoadedModel loaded = load_checkpoint(path,
                                       {state->options, options.device.devices(), at::get_num_threads(),
                                        weights ? Loading::kWeights : Loading::kShapes, options.weight_bytes},
                                       progress);
  state->config = std::move(loaded.config);
  state->weights = std::move(loaded.weights);
  state->roles = std::move(loaded.roles);
  state->tokenizer = std::move(loaded.tokenizer);
  state->path = path;
  return Model(std::move(state));
}

Model Model::load(const std::filesystem::path& path, const ModelOptions& options, Progress& progress) {
  return read(path, options, true, progress);
}

Model Model::describe(const std::filesystem::path& path, const ModelOptions& options, Progress& progress) {
  return read(path, options, false, progress);
}

Model Model::adopt(LoadedModel loaded, const std::filesystem::path& path, const at::TensorOptions& options) {
  prepare_machine(0);
  auto state = std::make_unique<State>();
  state->config = std::move(loaded.config);
  state->weights = std::move(loaded.weights);
  state->roles = std::move(loaded.roles);
  state->tokenizer = std::move(loaded.tokenizer);
  state->path = path;
  state->options = options;
  state->devices = options.device().str();
  return Model(std::move(state));
}

namespace {

using Generators = std::map<std::string, at::Generator>;  // by device

void fill_weight(const at::Tensor& weight, RandomFill fill, int layers, const Generators& generators) {
  constexpr double kDeviation = 0.02;
  if (!weight.defined()) return;
  at::Tensor filled = weight;  // NOLINT(performance-unnecessary-copy-initialization): a handle to be filled
  switch (fill) {
    case RandomFill::kTable:
    case RandomFill::kInner:
      filled.normal_(0.0, kDeviation, generators.at(weight.device().str()));
      return;
    case RandomFill::kOutput:
      filled.normal_(0.0, kDeviation / std::sqrt(2.0 * layers), generators.at(weight.device().str()));
      return;
    case RandomFill::kOnes:
      filled.fill_(1.0);
      return;
    case RandomFill::kZeros:
      filled.zero_();
      return;
  }
}

// What lies outside blocks, then block after block; in each the fills in the order of their enum.
void fill_randomly(ModelWeights& w, const ModelConfig& c, const Generators& generators) {
  const auto fill_all = [&](bool in_block, int block) {
    for (const RandomFill fill :
         {RandomFill::kTable, RandomFill::kInner, RandomFill::kOutput, RandomFill::kOnes, RandomFill::kZeros})
      for (const RoleInfo& info : role_table())
        if (info.is_whole() && info.fill == fill && is_block_role(info.role) == in_block)
          fill_weight(weight_view(w, c, info.role, block), fill, c.layers, generators);
  };
  fill_all(false, 0);
  for (int l = 0; l < c.layers; ++l) fill_all(true, l);
}

std::vector<RoleEntry> random_roles(ModelWeights& w, const ModelConfig& c, std::uint64_t seed) {
  const std::string origin = fmt::format("random, seed {}", seed);
  std::vector<RoleEntry> roles;
  const auto add_all = [&](bool in_block, int block) {
    for (const RoleInfo& info : role_table()) {
      if (!info.listed || is_block_role(info.role) != in_block) continue;
      const at::Tensor view = weight_view(w, c, info.role, block);
      if (view.defined())
        roles.push_back({info.role, in_block ? block : -1, "", origin, view.sizes().vec(), false, origin});
    }
  };
  add_all(false, 0);
  for (int l = 0; l < c.layers; ++l) add_all(true, l);
  return roles;
}

}  // namespace

Model Model::make_random(const ModelConfig& config, std::uint64_t seed, const ModelOptions& options,
                         std::unique_ptr<Tokenizer> tokenizer) {
  prepare_machine(options.threads);
  check_config(config, "the given config");
  auto state = std::make_unique<State>();
  const std::vector<at::Device>& devices = options.device.devices();
  state->options = tensor_options(options);
  state->devices = options.device.text();
  state->config = config;
  state->tokenizer = std::move(tokenizer);
  state->weights = allocate_weights(config, state->options, place_blocks(config, devices));
  // One generator for all weights of a device.
  Generators generators;
  for (const at::Device& device : devices) {
    at::Generator generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(seed);
    generators.emplace(device.str(), generator);
  }
  fill_randomly(state->weights, config, generators);
  state->roles = random_roles(state->weights, config, seed);
  return Model(std::move(state));
}

const ModelConfig& Model::config() const {
  return state_->config;
}
const ModelWeights& Model::weights() const {
  return state_->weights;
}

// Where the weight stands; it may be there without its numbers.
at::Tensor& Model::State::place_of(const WeightRef& weight) {
  const auto block = static_cast<std::size_t>(weight.block);
  if (weight.role != Role::kMlpDown || weight.expert >= 0 || weight.block < 0 ||
      block >= weights.blocks.size())
    throw Error(ErrorKind::kModel, "the model has no weight " + weight_name(weight) + " that can be edited");
  return weights.blocks[block].mlp_down;
}

at::Tensor& Model::weight(const WeightRef& weight) {
  at::Tensor& place = state_->place_of(weight);
  place = std::as_const(*this).weight(weight);
  return place;
}

at::Tensor Model::weight(const WeightRef& weight) const {
  const at::Tensor& kept = state_->place_of(weight);
  const bool is_lent = kept.is_meta() && state_->weights.reader;
  return is_lent ? state_->weights.reader->matrix(weight.block, &BlockWeights::mlp_down) : kept;
}

at::Tensor Model::exchange_weight(const WeightRef& weight, const at::Tensor& tensor) {
  return std::exchange(state_->place_of(weight), tensor);
}

int Model::first_kept_block() const {
  return state_->weights.reader ? state_->weights.reader->blocks() : 0;
}

const std::vector<RoleEntry>& Model::roles() const {
  return state_->roles;
}
Model Model::share() const {
  return Model(std::make_unique<State>(*state_));
}

bool Model::has_tokenizer() const {
  return state_->tokenizer != nullptr;
}
const std::filesystem::path& Model::path() const {
  return state_->path;
}
at::TensorOptions Model::options() const {
  return state_->options;
}

const Tokenizer& Model::tokenizer() const {
  if (!state_->tokenizer) throw Error(ErrorKind::kModel, no_tokenizer_text(state_->path));
  return *state_->tokenizer;
}

ComputeType Model::compute_type() const {
  switch (at::typeMetaToScalarType(options().dtype())) {
    case at::kBFloat16:
      return ComputeType::kBfloat16;
    case at::kHalf:
      return ComputeType::kFloat16;
    default:
      return ComputeType::kFloat32;
  }
}

const std::string& Model::devices() const {
  return state_->devices;
}

std::vector<DeviceName> Model::device_names() const {
  return parse_devices(devices()).value_or(std::vector<DeviceName>());
}

std::int64_t Model::bytes() const {
  std::int64_t total = 0;
  for (const at::Tensor& t : all_weights(state_->weights)) total += static_cast<std::int64_t>(t.nbytes());
  return total;
}

std::string Model::weights_digest() const {
  std::string digests;
  for_each_weight(state_->weights, [&](const at::Tensor& t) {
    const at::Tensor stored = t.contiguous().cpu();
    digests += xxh3_128_hex(
        std::as_bytes(std::span(static_cast<const char*>(stored.const_data_ptr()), stored.nbytes())));
  });
  return xxh3_128_hex(std::as_bytes(std::span(digests)));
}

namespace {

// 0 where rows of a table are added, else 1 + RotaryPairs.
std::int64_t positions_number(const ModelConfig& config) {
  return config.rotary.empty() ? 0 : 1 + static_cast<std::int64_t>(config.rotary.front().pairs);
}

// Over the entries that `wanted` takes, in an order of their own: what a file calls
// them or where they lie changes nothing.
template <typename Wanted>
std::string digest_of(const std::vector<RoleEntry>& roles, const ModelConfig& config,
                      const Tokenizer* tokenizer, Wanted wanted) {
  std::vector<std::string> lines;
  for (const RoleEntry& entry : roles)
    if (wanted(entry))
      lines.push_back(
          fmt::format("{} {} {} {}", entry.block, role_name(entry.role), entry.stored_type, entry.digest));
  std::sort(lines.begin(), lines.end());
  Sha256 hash;
  hash.update_field(config.family);
  const auto exact = [&](double value) { hash.update_number(std::bit_cast<std::uint64_t>(value)); };
  if (!config.rotary.empty())
    for (const double f : config.rotary.front().frequencies) exact(f);
  exact(config.block.norm_eps);
  for (const std::int64_t size :
       {config.d_model, config.d_ff, config.heads, config.kv_heads, config.head_dim, config.vocab,
        static_cast<std::int64_t>(config.block.norm), positions_number(config),
        static_cast<std::int64_t>(config.block.activation)})
    hash.update_number(static_cast<std::uint64_t>(size));
  if (config.block.parallel) hash.update_field("parallel blocks");
  if (config.block.scale_by_layer) hash.update_field("attention scaled by layer");
  for (const std::string& choice : further_choices(config)) hash.update_field(choice);
  for (const std::string& line : lines) hash.update_field(line);
  hash.update_field(tokenizer ? tokenizer->fingerprint() : "no tokenizer");
  return hash.hex();
}

}  // namespace

namespace {

// Whether the weight comes behind its block's key.
bool is_behind_key(Role role) {
  return role == Role::kMlpDown || role == Role::kMlpDownBias || role == Role::kMlpPostNorm ||
         role == Role::kMlpPostNormBias;
}

}  // namespace

bool Model::has_fingerprint() const {
  return std::none_of(state_->roles.begin(), state_->roles.end(),
                      [](const RoleEntry& entry) { return entry.digest.empty(); });
}

std::string Model::fingerprint() const {
  if (!has_fingerprint())
    throw Error(ErrorKind::kModel, state_->path.string() + ": its weights were not read; load the model");
  return digest_of(state_->roles, state_->config, state_->tokenizer.get(),
                   [](const RoleEntry&) { return true; });
}

std::string Model::key_fingerprint(int block) const {
  return digest_of(state_->roles, state_->config, state_->tokenizer.get(), [block](const RoleEntry& entry) {
    if (entry.role == Role::kTokenEmbedding || entry.role == Role::kPositionEmbedding) return true;
    if (entry.block < 0 || entry.block > block) return false;
    return entry.block < block || !is_behind_key(entry.role);
  });
}

PassOutput Model::forward(const PassInput& input) const {
  if (state_->weights.token_embedding.is_meta())
    throw Error(ErrorKind::kModel, state_->path.string() + ": its weights were not read; load the model");
  if (input.layout && input.append)
    throw Error(ErrorKind::kModel, "a pass that appends to its cache cannot use the layout of another pass");
  if (input.layout && !input.layout->reads(input.logit_tokens))
    throw Error(ErrorKind::kModel, "a pass cannot read other logits than its layout was made for");
  return run_pass(input, state_->config, state_->weights, state_->options);
}

std::shared_ptr<const RowLayout> Model::lay_out(const PassInput& input) const {
  return std::make_shared<const RowLayout>(input, state_->config, state_->options, false);
}

}  // namespace emend
