// LocFT-BF (Yang et al. 2026, Fine-tuning Done Right in Model Editing): plain Adam on one down projection,
// epochs over mini-batches of all facts; layer 22 of 32 in Llama 3 8B.
#include "editors/finetune/methods.h"

namespace emend::editors {

FinetuneMethod locft_method() {
  FinetuneMethod locft{
      "locft", "fine-tuning of one weight, breadth first (Yang et al. 2026, LocFT-BF)", {}, {}};
  locft.own.relative_rate = 0.02;
  locft.own.epochs = 60;
  locft.published.learning_rate = 5e-4;
  locft.published.end_token = true;
  locft.published.depth = 22.0 / 32;
  return locft;
}

}  // namespace emend::editors
