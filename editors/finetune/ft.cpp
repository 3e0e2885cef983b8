// FT-L: constrained fine-tuning (Zhu et al. 2020, Modifying Memories in Transformer Models) of
// one weight, as Meng et al. 2022 run it on GPT-2 XL: |Delta_ij| <= 5e-4 at layer 0.
#include "editors/finetune/methods.h"

namespace emend::editors {

FinetuneMethod ft_method() {
  FinetuneMethod ft{
      "ft", "constrained fine-tuning of one weight (Zhu et al. 2020; FT-L of Meng et al. 2022)", {}, {}};
  ft.own.relative_bound = 0.4;
  ft.own.relative_rate = 0.01;
  ft.own.epochs = 100;
  ft.published.reading = TargetReading::kAtThePrompt;
  ft.published.bound = 5e-4;
  ft.published.learning_rate = 5e-4;
  ft.published.batch = 128;
  ft.published.shuffle = false;
  ft.published.depth = 0;
  return ft;
}

}  // namespace emend::editors
