#include "emend/editor_cache.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "analysis/statistics_factors.h"
#include "analysis/statistics_texts.h"
#include "linalg/key_factors.h"

namespace emend {

struct EditorCache::Kept {
  std::shared_ptr<KeyFactors> factors = std::make_shared<KeyFactors>();
  std::mutex mutex;  // of the contexts
  std::map<std::string, std::vector<std::vector<std::int64_t>>> contexts;
  std::optional<StatisticsTexts> texts;  // where contexts are kept, too
};

EditorCache::EditorCache() : kept_(std::make_unique<Kept>()) {}

EditorCache::EditorCache(std::unique_ptr<Kept> kept) : kept_(std::move(kept)) {}

EditorCache::EditorCache(const std::filesystem::path& statistics) : EditorCache() {
  kept_->factors->keep_in(std::make_shared<StatisticsFactors>(statistics));
  kept_->texts.emplace(statistics);
}

EditorCache EditorCache::with_factors_of(const EditorCache& other) {
  auto kept = std::make_unique<Kept>();
  kept->factors = other.kept_->factors;
  return EditorCache(std::move(kept));
}

EditorCache::~EditorCache() = default;
EditorCache::EditorCache(EditorCache&&) noexcept = default;
EditorCache& EditorCache::operator=(EditorCache&&) noexcept = default;

KeyFactors& EditorCache::factors() {
  return *kept_->factors;
}

std::vector<std::vector<std::int64_t>> EditorCache::contexts(
    const std::string& identity, const std::function<std::vector<std::vector<std::int64_t>>()>& sample) {
  const std::lock_guard lock(kept_->mutex);
  const auto known = kept_->contexts.find(identity);
  if (known != kept_->contexts.end()) return known->second;
  std::optional<std::vector<TokenIds>> texts;
  if (kept_->texts) texts = kept_->texts->load_contexts(identity);
  if (!texts) {
    texts = sample();
    if (kept_->texts) kept_->texts->save_contexts(identity, *texts);
  }
  return kept_->contexts.emplace(identity, std::move(*texts)).first->second;
}

}  // namespace emend
