// The methods that are nothing but options of finetune.h.
#pragma once

#include "editors/finetune/options.h"

namespace emend::editors {

FinetuneMethod ft_method();     // Zhu et al. 2020, constrained fine-tuning, as in Meng et al. 2022 (FT-L)
FinetuneMethod locft_method();  // Yang et al. 2026, Fine-tuning Done Right in Model Editing (LocFT-BF)

}  // namespace emend::editors
