// Feed-forward cells switched off, pinned or scaled while a model runs, beside the model as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emend/generate_run.h"
#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// One change of a coefficient m_i, behind the activation (of a gated cell the product).
struct MemorySetting {
  enum class Kind {
    kOff,     // m_i = 0
    kOn,      // m_i = the largest |m_j| ||v_j|| of its layer at the prompt's last token, over ||v_i||: it
              // becomes the dominant cell of its layer (lengths as values arrive in the stream)
    kValue,   // m_i = amount
    kFactor,  // m_i times amount
  };
  enum class Where {
    kAll,
    kLast,       // the prompt's last token
    kGenerated,  // tokens behind the prompt
    kListed,     // `positions`, from 0, BOS counted
  };
  MemoryId cell;
  Kind kind = Kind::kOff;
  double amount = 0;
  Where where = Where::kAll;
  std::vector<std::int64_t> positions = {};
};

// "L12D771=off", "=on", "=2.5", "=x0.5", each with "@all", "@last", "@generated" or positions "@0,4" behind
// it.
std::string to_string(const MemorySetting& setting);
// The reverse. Throws Error(kUsage), which shows the forms of a setting.
MemorySetting parse_memory_setting(std::string_view text);
std::vector<MemorySetting> parse_memory_settings(const std::vector<std::string>& texts);

struct SetOptions {
  std::string prompt;
  std::vector<MemorySetting> settings;  // at least one; applied in the order given
  std::string bos = "auto";
  std::int64_t max_new = 20;  // tokens that either model writes, greedily, at most
  int top = 5;                // likeliest next tokens listed, 1 to 100
};

// What the model said, unchanged or changed.
struct SetSide {
  std::vector<std::int64_t> completion;  // ids
  std::string text;                      // of the completion
  std::vector<NextToken> top;            // at the prompt's end, likeliest first
  double perplexity = 0;                 // of the prompt and the unchanged model's completion, token by token
};

struct SetOutcome {
  struct Applied {
    MemorySetting setting;
    double before = 0;  // coefficient at the prompt's last token without changes
    double after = 0;   // the value of the setting there, even if it does not act at that token
  };
  std::vector<Applied> settings;
  std::vector<std::int64_t> ids;  // of the prompt
  SetSide unchanged, changed;
  // KL(unchanged || changed) of the next token in nats: at the prompt's end, and mean and largest over all
  // positions of the prompt and the unchanged model's completion.
  double kl_at_end = 0, kl_mean = 0, kl_largest = 0;
};

// Throws Error: kUsage (no setting, two of one cell at the same tokens, an option out of range, an empty
// prompt), kConfig (a cell that the model does not have, with the valid range; a position beyond the
// model's, or behind the prompt and all tokens that may follow it).
SetOutcome run_memory_set(const Model& model, const SetOptions& options, Progress& progress = no_progress());

}  // namespace emend
